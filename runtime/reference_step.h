// One step of a plan, as the reference executor runs it: also what an engine falls back on.
#pragma once

#include <functional>
#include <vector>

#include "base/batch.h"
#include "runtime/plan.h"
#include "runtime/reference_values.h"

namespace quantbench {

// The step's output from the values of the plan; only those that the step reads need to be there.
using ReferenceStep = std::function<Data(const std::vector<Data>&, const Batch&)>;

// `plan`, of which `step` is one, outlives what is returned.
ReferenceStep reference_step(const Plan& plan, const Step& step);

}  // namespace quantbench
