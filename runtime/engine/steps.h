// The steps of a program: each knows its weights, packed, and where its operands lie.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/engine/pack.h"
#include "runtime/plan.h"

namespace quantbench::engine {

// What a program computes on: one image, or all rows of a graph.
struct Frame {
  const float* input = nullptr;  // the batch's: planes of one image, or rows of features
  std::vector<char*> values;     // of each value of the program
};

class ProgramStep {
 public:
  virtual ~ProgramStep() = default;

  // The share of `worker`, 0 <= worker < workers; all shares together are the step.
  virtual void run(const Frame& frame, int worker, int workers) const = 0;

  std::string name;    // of the plan's step
  std::string kernel;  // what computes it: "convolution u8", ...
  int value = 0;       // that it writes
  int64_t macs = 0;
  bool integer = false;     // multiplies integers
  size_t weight_bytes = 0;  // as packed
};

// The affine end of a step, with its arrays.
struct EpilogueData {
  struct Term {
    int value = 0;
    Layout layout;
    std::vector<float> a;
  };
  std::vector<float> a, b;
  std::vector<Term> terms;
  bool quantized = false, raw = false;  // raw: the accumulators themselves
  float low = 0, high = 0;

  Epilogue on(const Frame& frame) const;
};

struct Operand {
  int value = 0;
  Layout layout;
};

std::unique_ptr<ProgramStep> convolution_step(const KernelTable& kernels, const Tensor& weights,
                                              const Geometry& geometry, const Operand& x,
                                              EpilogueData epilogue, const Operand& y);
std::unique_ptr<ProgramStep> depthwise_step(const KernelTable& kernels, const Tensor& weights,
                                            const Geometry& geometry, const Operand& x,
                                            EpilogueData epilogue, const Operand& y);
std::unique_ptr<ProgramStep> pool_step(const KernelTable& kernels, bool max,
                                       const Geometry& geometry, const Operand& x,
                                       EpilogueData epilogue, const Operand& y);
std::unique_ptr<ProgramStep> map_step(const KernelTable& kernels, const Operand& x,
                                      EpilogueData epilogue, const Operand& y);
// The batch's input.
std::unique_ptr<ProgramStep> input_step(const KernelTable& kernels, EpilogueData epilogue,
                                        const Operand& y);
// Pixels (stride * row, stride * column) of x at channels `before`.. of y, zeros beside them where
// `clear`.
std::unique_ptr<ProgramStep> copy_step(const Operand& x, const Operand& y, int64_t stride,
                                       int64_t before, bool clear);

}  // namespace quantbench::engine
