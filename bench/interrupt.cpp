#include "bench/interrupt.h"

#include <csignal>

namespace quantbench {
namespace {

volatile std::sig_atomic_t requested = 0;

// A second signal ends the program at once.
void on_signal(int signal) {
  requested = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupt_requested() { return requested != 0; }

}  // namespace quantbench
