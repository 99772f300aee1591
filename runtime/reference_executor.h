// Runs a plan step by step, each as plan.h writes it: simple and exact, the oracle that faster
// engines are tested against.
#pragma once

#include <memory>
#include <vector>

#include "runtime/executor.h"
#include "runtime/plan.h"

namespace quantbench {

class ReferenceExecutor : public Executor {
 public:
  // Throws Error when the package does not fit its graph.
  explicit ReferenceExecutor(const Package& package);
  explicit ReferenceExecutor(Plan plan);
  ~ReferenceExecutor() override;

  Tensor forward(const Batch& batch) const override;
  std::string name() const override { return "reference"; }
  double integer_share() const override;

  const Plan& plan() const;

  // Every value of the plan for a batch: int32 where it has a grid (its n), else float32; [rows,
  // ...] in the value's shape.
  std::vector<Tensor> trace(const Batch& batch) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quantbench
