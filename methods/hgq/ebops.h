// Effective bit operations (HGQ, arXiv 2405.00645, equation 5): over all scalar multiplications of
// a network, the sum of the width of the data operand times that of the constant operand. Adding is
// part of it, a multiplication by 0 is free. For fully unrolled designs EBOPs are about the LUTs
// plus 55 times the DSPs.
#pragma once

#include "methods/site.h"

namespace quantbench::hgq {

// What the multiplications of one Conv2d or Linear cost, as a function of its operands' widths.
class LayerCost {
 public:
  // Of a Conv2d the multiplications for `parallel` output positions are counted, on average over
  // all of them; 0: for all. `graph` must outlive this.
  LayerCost(const Graph& graph, int node, int64_t parallel);

  int node() const { return node_; }
  const Point& operand() const { return operand_; }  // where the data operand gets its format

  // Widths of the operand's elements as they arrive here, carried through what passes values on
  // (pooling, flattening): `widths` broadcasts to the operand's shape without samples.
  Tensor arriving(const Tensor& widths) const;

  // sum of inputs x weights over the multiplications; shapes of the layer's input (without
  // samples) and weight. Differentiable.
  Tensor ebops(const Tensor& inputs, const Tensor& weights) const;

  // How many multiplicands (on average, at least 1) share one of `count` numbers of fractional
  // bits: of the data operand, and of the weight.
  double operand_sharing(int64_t count) const;
  double weight_sharing(int64_t count) const;

 private:
  const Graph& graph_;
  int node_;
  Point operand_;
  std::vector<int> way_;                           // nodes from the operand to here
  std::vector<int64_t> operand_shape_, in_shape_;  // without samples
  double counted_ = 1;                             // positions that count
  double positions_ = 1;                           // of the output
  double weights_ = 1;                             // elements of the weight
};

}  // namespace quantbench::hgq
