// A person's or a scheduler's wish that the program stop. Long loops on every floor ask for it; who
// listens for signals is the program's affair (bench/interrupt.h).
#pragma once

#include "base/error.h"

namespace quantbench {

class Interrupted : public Error {
 public:
  using Error::Error;
};

// Safe in a signal handler.
void request_interrupt();
bool interrupt_requested();

// Throws Interrupted, with a sentence that says `where`, once a stop has been asked for.
void stop_if_interrupted(const char* where);

}  // namespace quantbench
