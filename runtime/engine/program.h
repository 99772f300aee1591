// A plan, compiled for one instruction set: weights packed, every value at its place in one arena,
// and a flat list of steps that allocate nothing while they run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/batch.h"
#include "runtime/engine/thread_team.h"
#include "runtime/plan.h"

namespace quantbench::engine {

struct KernelTable;
class ProgramStep;

// What one step of a program is, for tables of layers.
struct StepInfo {
  std::string name, kernel;
  int64_t macs = 0;
  bool integer = false;
};

class Program {
 public:
  // Throws Error on what no kernel computes: graph networks and their operations.
  Program(const Plan& plan, const KernelTable& kernels);
  ~Program();
  Program(Program&&) noexcept;

  const KernelTable& kernels() const;
  std::vector<StepInfo> steps() const;
  size_t arena_bytes() const;   // of one image
  size_t weight_bytes() const;  // as packed

  // Logits [images, classes] of `images` float32 [images, ...], contiguous. Several images: each
  // thread takes whole images; one image: the threads share the rows of each step.
  Tensor run(const Tensor& images, ThreadTeam& team);

  // One image through the steps on this thread, `repeats` times each; seconds of each step, the
  // least of the repeats. Earlier steps' answers are there when a step is timed.
  std::vector<double> time_steps(const Tensor& image, int repeats);

  // Every value of the plan that lies in memory, after its step: int32 (n) or float32, [1, ...] in
  // the value's shape; undefined for those that do not (the input).
  std::vector<Tensor> trace(const Tensor& image);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quantbench::engine
