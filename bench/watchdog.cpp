#include "bench/watchdog.h"

#include <cstdlib>

#include "bench/output.h"

namespace quantbench {

using Clock = std::chrono::steady_clock;

Watchdog::Watchdog(std::chrono::seconds patience, std::string sentence)
    : patience_(patience), sentence_(std::move(sentence)), until_(Clock::now() + patience) {
  thread_ = std::thread([this] { watch(); });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::renew() {
  const std::lock_guard lock(mutex_);
  until_ = Clock::now() + patience_;
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    if (Clock::now() >= until_) {
      note("quantbench: {}\n", sentence_);
      std::_Exit(1);
    }
    changed_.wait_until(lock, until_);
  }
}

}  // namespace quantbench
