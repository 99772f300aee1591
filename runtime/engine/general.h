// Steps for what the kernels do not know: the arithmetic of the reference executor on values that
// lie in a program's memory. Slow, exact, and named as such in the table of steps.
#pragma once

#include "runtime/engine/steps.h"
#include "runtime/reference_values.h"

namespace quantbench::engine {

// One image of a value, in the order of Data, and back. I32 is read whatever the value's grid.
Data gather(const Layout& layout, const char* memory);
void scatter(const Data& data, const Layout& layout, char* memory);

// The end of a step whose accumulators lie in `acc`; `values` are those of the plan that its
// addends read.
std::unique_ptr<ProgramStep> finish_step(const Plan& plan, const Step& step, const Operand& acc,
                                         std::vector<Operand> values, const Operand& y);

// The whole step by the reference. `plan` outlives it.
std::unique_ptr<ProgramStep> whole_step(const Plan& plan, const Step& step,
                                        std::vector<Operand> values, const Operand& y);

}  // namespace quantbench::engine
