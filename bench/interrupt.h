// Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 (schedulers send it before they kill): asked for once, a run
// saves a checkpoint and ends as interrupted.
#pragma once

#include "base/interrupt.h"

namespace quantbench {

// For commands that have something to save; the others end where they stand. A signal that was
// ignored when the program began (nohup) stays so, and a second one ends the program at once.
void catch_interrupts();

}  // namespace quantbench
