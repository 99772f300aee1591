// The steps of a program: each knows its weights, packed, and where its operands lie.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/batch.h"
#include "runtime/engine/pack.h"
#include "runtime/plan.h"

namespace quantbench::engine {

// What a program computes on: one image, or all rows of a graph.
struct Frame {
  const float* input = nullptr;  // the batch's: planes of one image, or rows of features
  std::vector<char*> values;     // of each value of the program
  int64_t nodes = 1, graphs = 1;
  const Batch* batch = nullptr;  // of a graph network
  bool sparse = false;           // few of the input's numbers are not zero

  int64_t count(Per per) const { return per == Per::Node ? nodes : per == Per::Graph ? graphs : 1; }
};

class ProgramStep {
 public:
  virtual ~ProgramStep() = default;

  // The share of `worker`, 0 <= worker < workers; all shares together are the step.
  virtual void run(const Frame& frame, int worker, int workers) const = 0;
  // What a step has to know of a graph; called before `run` whenever there is another one.
  virtual void prepare(const Topology&) {}

  std::string name;    // of the plan's step
  std::string kernel;  // what computes it: "convolution u8", ...
  int value = 0;       // that it writes
  bool dense = false;  // not wanted where the frame is sparse
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
  bool bounded = false;                 // as in Epilogue
  float low = 0, high = 0;

  // `together`: how matrices are laid out, as in Layout::of.
  Epilogue on(const Frame& frame, int64_t together = kRowsTogether) const;
};

struct Operand {
  int value = 0;
  Layout layout;
};

std::unique_ptr<ProgramStep> convolution_step(const KernelTable& kernels, const Tensor& weights,
                                              const Geometry& geometry, const Operand& x,
                                              EpilogueData epilogue, const Operand& y);
// The product of one image with weights of four bits; nothing where they need more, or where sums
// could leave the 32 bits that they have on the way.
std::unique_ptr<ProgramStep> nibble_step(const KernelTable& kernels, const Tensor& weights,
                                         const Geometry& geometry, const Operand& x,
                                         EpilogueData epilogue, const Operand& y);
// The least time of some runs of a step that reads x and writes y alone, in seconds.
double measured_seconds(const ProgramStep& step, const Operand& x, const Operand& y);
// With weights that are sums of scaled sign vectors, not in groups of channels; bytes of x have no
// shift.
std::unique_ptr<ProgramStep> plane_step(const KernelTable& kernels,
                                        const MultiBitEncoding& encoding, const Geometry& geometry,
                                        const Operand& x, EpilogueData epilogue, const Operand& y);
// A product over the rows of a matrix of bytes whose weights are bytes once `center` is taken off
// them; `sums` holds the sums of the operand's integers, one a row.
std::unique_ptr<ProgramStep> centered_step(const KernelTable& kernels,
                                           const CenteredWeights& weights, const Operand& x,
                                           const Operand& sums, EpilogueData epilogue,
                                           const Operand& y);
// The sum of each row's integers; y has one I32 cell a row.
std::unique_ptr<ProgramStep> row_sums_step(const KernelTable& kernels, const Operand& x,
                                           const Operand& y);
std::unique_ptr<ProgramStep> depthwise_step(const KernelTable& kernels, const Tensor& weights,
                                            const Geometry& geometry, const Operand& x,
                                            EpilogueData epilogue, const Operand& y);
std::unique_ptr<ProgramStep> pool_step(const KernelTable& kernels, bool max,
                                       const Geometry& geometry, const Operand& x,
                                       EpilogueData epilogue, const Operand& y);
std::unique_ptr<ProgramStep> map_step(const KernelTable& kernels, const Operand& x,
                                      EpilogueData epilogue, const Operand& y);
// The batch's input: planes of an image, or the rows of a matrix.
std::unique_ptr<ProgramStep> input_step(const KernelTable& kernels, EpilogueData epilogue,
                                        const Operand& y);
std::unique_ptr<ProgramStep> rows_step(const KernelTable& kernels, EpilogueData epilogue,
                                       const Operand& y);
// Sums over the edges into each node, or over the nodes of each graph. `largest`: of the summands'
// absolute values, 0 for floats; where sums could leave int32, `otherwise` runs instead.
std::unique_ptr<ProgramStep> aggregate_step(const KernelTable& kernels, const Aggregate& work,
                                            const Operand& x, EpilogueData epilogue,
                                            const Operand& y, int64_t largest,
                                            std::unique_ptr<ProgramStep> otherwise);
std::unique_ptr<ProgramStep> read_out_step(const KernelTable& kernels, bool mean, const Operand& x,
                                           EpilogueData epilogue, const Operand& y, int64_t largest,
                                           std::unique_ptr<ProgramStep> otherwise);
// A product whose operand is the batch's input put on a grid by `to_grid`, of all features alike:
// where few of them are not zero it reads the batch itself, else it is `dense`. Weights int32 [out,
// features].
std::unique_ptr<ProgramStep> sparse_step(const KernelTable& kernels, const Tensor& weights,
                                         const EpilogueData& to_grid, EpilogueData epilogue,
                                         const Operand& y, std::unique_ptr<ProgramStep> dense);
// Pixels (stride * row, stride * column) of x at channels `before`.. of y, zeros beside them where
// `clear`.
std::unique_ptr<ProgramStep> copy_step(const Operand& x, const Operand& y, int64_t stride,
                                       int64_t before, bool clear);

}  // namespace quantbench::engine
