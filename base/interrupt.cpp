#include "base/interrupt.h"

#include <csignal>

namespace quantbench {
namespace {

volatile std::sig_atomic_t requested = 0;

}  // namespace

void request_interrupt() { requested = 1; }

bool interrupt_requested() { return requested != 0; }

void stop_if_interrupted(const char* where) {
  if (interrupt_requested()) throw Interrupted(fmt::format("Stopped while {}.", where));
}

}  // namespace quantbench
