// Runs packages with the compiled engine: the same bits as the reference, at the machine's speed.
// Steps that it has no kernels for are left to the reference's arithmetic, and the table of steps
// says so.
#pragma once

#include <memory>

#include "runtime/engine/program.h"
#include "runtime/executor.h"
#include "runtime/package.h"

namespace quantbench {

class EngineExecutor : public Executor {
 public:
  // `isa`: the name of an instruction set (see engine/isa.h), "" for the fastest; `threads` 0: as
  // many as LibTorch uses. Throws Error when the package does not fit its graph or the instruction
  // set cannot be used here.
  explicit EngineExecutor(const Package& package, const std::string& isa = "", int threads = 0);
  explicit EngineExecutor(Plan plan, const std::string& isa = "", int threads = 0);
  ~EngineExecutor() override;

  Tensor forward(const Batch& batch) const override;
  // "engine avx2".
  std::string name() const override;
  double integer_share() const override;

  const Plan& plan() const;
  engine::Program* program() const;
  engine::ThreadTeam& team() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quantbench
