// How a plan becomes a program's steps: one function a kind of work. Internal to compile*.cpp.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "runtime/engine/compile.h"

namespace quantbench::engine {

// A Conv2d or a Linear as a convolution over what its input is in memory: a flattened image is
// still one, and the layer that reads it a convolution with one window.
struct ProductShape {
  Geometry geometry;
  int64_t groups = 1;
  std::vector<int64_t> weight;  // its shape as [out, in/groups, kh, kw]
  int64_t left = 0, right = 0;  // borders that it reads
};

class Compiler {
 public:
  Compiler(const Plan& plan, const KernelTable& kernels, Bits bits)
      : plan_(plan), kernels_(kernels), bits_(bits) {}

  Compiled run();

 private:
  // Builds the step that computes accumulators and ends in `epilogue`.
  using Make =
      std::function<std::unique_ptr<ProgramStep>(const EpilogueData& epilogue, const Operand& y)>;

  const PlanValue& value(int v) const { return plan_.values[static_cast<size_t>(v)]; }
  Layout& layout(int v) { return out_.layouts[static_cast<size_t>(v)]; }
  // The value whose memory a value shares: a flattened image is the image.
  int root(int v) const { return out_.roots[static_cast<size_t>(v)]; }
  Operand operand(int v) { return {root(v), layout(root(v))}; }

  // --- compile_layout.cpp ---

  // A flattening that moves nothing: those who read it are layers, which find the image there.
  bool is_view(const Step& step) const;
  void lay_out();
  // Bytes where the kernels multiply them and every layer that reads the value has weights of 8
  // bits; else shorts, else whole integers.
  void choose_cell(int v);

  // --- compile_finish.cpp ---

  bool reads_input(const Step& step) const;
  // Whether the kernels' own epilogue does all of a step's finish.
  bool fast(const Step& step) const;
  // A number a channel of what lies in memory; nothing when a flattened image has one a feature.
  std::optional<std::vector<float>> spread(const Tensor& t, const Layout& y) const;
  std::optional<EpilogueData> epilogue(const Step& step, const Operand& y);
  // Whether the plan's bounds of the accumulators keep every u within 2^30.
  bool bounded(const Step& step, const EpilogueData& end) const;
  // With a finish that the kernels do not know the accumulators go to memory first.
  void with_finish(const Step& step, std::vector<int> reads, Cell accumulators, const Make& make);
  void finish(const Step& step, const Operand& acc, const Operand& y);

  // --- compile.cpp ---

  void emit(const Step& step);
  void push(std::unique_ptr<ProgramStep> step, const Step& of, std::vector<int> reads);
  std::vector<int> addend_values(const Step& step);
  // A value that the plan does not have: accumulators, or floats of integers.
  Operand scratch(Layout like, Cell cell);
  // Value 0 in memory, once somebody wants it there.
  void bring_input(const Step& step);
  std::unique_ptr<ProgramStep> input_of(const EpilogueData& end, const Operand& y) const;
  // The input of a graph, once more as it is put on the grid of `step`'s output: where all who read
  // that are products, they may read a sparse input by themselves.
  void note_sparse_input(const Step& step, const EpilogueData& end);
  // By the reference; `reads` gets the values that it reads.
  std::unique_ptr<ProgramStep> by_reference(const Step& step, const Operand& y,
                                            std::vector<int>& reads);
  void whole(const Step& step, const Operand& y);
  // A value for the reference: under its own number. One that is flattened has lost its order.
  Operand in_plan_form(int v);
  void note_macs(const Step& step, bool by_kernel);

  // --- compile_products.cpp ---

  void emit(const Step& step, const Product& product, const Operand& y);
  // `dense`, but for a product that may read a sparse input by itself.
  std::unique_ptr<ProgramStep> sparse_or(std::unique_ptr<ProgramStep> dense, const Tensor& weights,
                                         const Operand& x, const EpilogueData& end,
                                         const Operand& to);
  // A layer of one image with its weights at four bits, where that is faster than `wide`.
  std::unique_ptr<ProgramStep> nibbles_or(std::unique_ptr<ProgramStep> wide, const Tensor& weights,
                                          const Geometry& geometry, const Operand& x,
                                          const EpilogueData& end, const Operand& to);
  // The sums of a matrix's rows, once for all who read them.
  Operand row_sums(const Step& step, const Operand& x);
  // How many planes of bits the operand of a product is cut into; nothing: bytes are faster, or the
  // product is none of +1 and -1.
  std::optional<int> planes(const Product& product, const ProductShape& shape, const Operand& x,
                            const ValueGrid& grid) const;
  // The planes of `x`, once for all who read them.
  Operand slices(const Step& step, const Operand& x, int planes);
  // The real numbers of integers, scale * n rounded once.
  Operand real(const Step& step, const Operand& x);

  // --- compile_moves.cpp ---

  void emit(const Step& step, const Move& move, const Operand& y);
  void emit(const Step& step, const SumPool& pool, const Operand& y);
  void emit_identity(const Step& step, const Operand& y);

  // --- compile_graph.cpp ---

  void emit(const Step& step, const Aggregate& work, const Operand& y);
  void emit(const Step& step, const ReadOut& work, const Operand& y);
  // Messages that do not depend on their edge, one a node.
  Operand messages(const Step& step, const Aggregate& work, const Operand& x);

  const Plan& plan_;
  const KernelTable& kernels_;
  const Bits bits_;
  Compiled out_;
  std::vector<char> dense_;                   // of each value: pixels are not rounded up to vectors
  std::map<int, Operand> slices_, row_sums_;  // of the values that are cut, or summed
  bool input_there_ = false;
  int sparse_input_ = -1;     // the value that products may read from the batch itself
  EpilogueData sparse_grid_;  // how its numbers come onto the grid
};

ProductShape shape_of(const Product& product, const Layout& x, const Layout& y);

// Whether rounding half to even within two bounds is all of it.
bool simple(const Quantization& q);

// The epilogue that changes nothing.
EpilogueData plain_epilogue(const Layout& y);

}  // namespace quantbench::engine
