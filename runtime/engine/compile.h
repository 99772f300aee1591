// From a plan to the steps of a program.
#pragma once

#include "runtime/engine/steps.h"

namespace quantbench::engine {

struct Compiled {
  std::vector<std::unique_ptr<ProgramStep>> steps;
  std::vector<Layout> layouts;            // of each value; the plan's come first
  std::vector<int> roots;                 // of the plan's values: in whose memory each lies
  std::vector<std::vector<int>> touches;  // values that each step reads or writes
};

// Whether weights of +1 and -1 are multiplied by counting bits, and those of four bits unpacked in
// registers: where a measurement on this machine says that it is faster, or (for tests) wherever it
// can be done, or nowhere.
enum class Bits { Measured, Always, Never };

// Throws Error, naming the step, on what no kernel computes.
Compiled compile(const Plan& plan, const KernelTable& kernels, Bits bits = Bits::Measured);

}  // namespace quantbench::engine
