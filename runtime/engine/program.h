// A plan, compiled for one instruction set: weights packed, every value at its place in one arena,
// and a flat list of steps that allocate nothing while they run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/batch.h"
#include "runtime/engine/compile.h"
#include "runtime/engine/thread_team.h"
#include "runtime/plan.h"

namespace quantbench::engine {

// What one step of a program is, for tables of layers.
struct StepInfo {
  std::string name, kernel;
  int64_t macs = 0;
  bool integer = false;
};

class Program {
 public:
  // Throws Error on what neither a kernel nor the reference can compute here.
  Program(const Plan& plan, const KernelTable& kernels, Bits bits = Bits::Measured);
  ~Program();
  Program(Program&&) noexcept;

  const KernelTable& kernels() const;
  std::vector<StepInfo> steps() const;
  size_t arena_bytes() const;   // of one image, or of the graph that ran last
  size_t weight_bytes() const;  // as packed

  // Logits [images, classes] of `images` float32 [images, ...], contiguous. Several images: each
  // thread takes whole images; one image: the threads share the rows of each step.
  Tensor run(const Tensor& images, ThreadTeam& team);

  // Logits [nodes or graphs, classes] of a batch of graphs on the CPU: input float32 [nodes,
  // features], contiguous. The threads share the rows of each step.
  Tensor run(const Batch& graphs, ThreadTeam& team);

  // One image, or a batch of graphs, through the steps on this thread, `repeats` times each;
  // seconds of each step, the least of the repeats; 0 for one that the batch does not need. Earlier
  // steps' answers are there when a step is timed.
  std::vector<double> time_steps(const Batch& batch, int repeats);

  // Every value of the plan that lies in memory, after its step: int32 (n) or float32, [rows, ...]
  // in the value's shape; undefined for those that do not (the input).
  std::vector<Tensor> trace(const Batch& batch);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quantbench::engine
