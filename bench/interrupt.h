// Ctrl-C and SIGTERM: asked for once, a run saves a checkpoint and ends as interrupted.
#pragma once

#include "base/error.h"

namespace quantbench {

class Interrupted : public Error {
 public:
  using Error::Error;
};

void catch_interrupts();
bool interrupt_requested();

}  // namespace quantbench
