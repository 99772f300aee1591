#include "bench/interrupt.h"

#include <csignal>

namespace quantbench {
namespace {

void on_signal(int signal) {
  request_interrupt();
  std::signal(signal, SIG_DFL);
}

}  // namespace

void catch_interrupts() {
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1})
    if (std::signal(signal, on_signal) == SIG_IGN) std::signal(signal, SIG_IGN);
}

}  // namespace quantbench
