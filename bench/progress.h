// What a person sees while a run goes on: a bar with the time left on a terminal, plain lines
// otherwise. Everything goes to stderr; stdout is for results.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace quantbench {

class ProgressDisplay {
 public:
  explicit ProgressDisplay(bool quiet = false);

  // A line that stays.
  void line(const std::string& text);
  // Work of `total` units under `title` begins, `done` of them behind us.
  void begin(std::string title, int64_t total, int64_t done = 0);
  // Whether update() would redraw the bar: on a terminal, at most ten times a second.
  bool is_due() const;
  // Redraws the bar when that is due.
  void update(int64_t done, const std::string& note = "");
  void end();

 private:
  using Clock = std::chrono::steady_clock;

  void clear();

  bool quiet_, terminal_;
  std::string title_;
  int64_t total_ = 0, first_ = 0;
  Clock::time_point start_{}, drawn_{};
  bool bar_ = false;
};

// "4 s", "12 min 5 s", "3 h 2 min".
std::string duration_text(double seconds);

}  // namespace quantbench
