// Ends the process with a sentence when something that cannot be interrupted takes too long.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace quantbench {

class Watchdog {
 public:
  // Unless renewed or destroyed within `patience`, it says `sentence` and ends with exit code 1.
  Watchdog(std::chrono::seconds patience, std::string sentence);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void renew();

 private:
  void watch();

  const std::chrono::seconds patience_;
  const std::string sentence_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::chrono::steady_clock::time_point until_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace quantbench
