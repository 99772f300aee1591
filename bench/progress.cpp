#include "bench/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "bench/output.h"

namespace quantbench {

ProgressDisplay::ProgressDisplay(bool quiet)
    : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

void ProgressDisplay::line(const std::string& text) {
  if (quiet_) return;
  clear();
  note("{}\n", text);
}

void ProgressDisplay::begin(std::string title, int64_t total, int64_t done) {
  title_ = std::move(title);
  total_ = total;
  first_ = done;
  start_ = Clock::now();
  drawn_ = {};
}

bool ProgressDisplay::is_due() const {
  return !quiet_ && terminal_ && total_ > 0 &&
         Clock::now() - drawn_ >= std::chrono::milliseconds(100);
}

void ProgressDisplay::update(int64_t done, const std::string& note) {
  if (!is_due()) return;
  const auto now = Clock::now();
  drawn_ = now;
  const double spent = std::chrono::duration<double>(now - start_).count();
  const auto gained = static_cast<double>(std::max<int64_t>(done - first_, 1));
  const double left = spent / gained * static_cast<double>(total_ - done);
  constexpr int64_t kWidth = 24;
  const auto filled = static_cast<size_t>(kWidth * done / total_);
  draw(fmt::format("\r\x1b[K{} [{}{}] {}/{}, {} left {}", printable_line(title_),
                   std::string(filled, '#'), std::string(kWidth - filled, '.'), done, total_,
                   duration_text(left), note));
  bar_ = true;
}

void ProgressDisplay::end() { clear(); }

void ProgressDisplay::clear() {
  if (bar_) draw("\r\x1b[K");
  bar_ = false;
}

std::string duration_text(double seconds) {
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
}

}  // namespace quantbench
