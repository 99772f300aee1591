// One Conv2d or Linear on integers. With operand x = s * n and weight w = t_c * m of output c, both
// integers,
//
//   y_c = float( (s * t_c) * sum(n * m) + bias_c ),
//
// the sum exact, the rest in float64 and rounded to float32 once: the real value of the product,
// from which a float convolution of the same numbers differs by its own rounding only.
#pragma once

#include <memory>

#include "models/graph.h"
#include "runtime/integer_grid.h"

namespace quantbench {

class IntegerLayer {
 public:
  // `operation` is a Conv2d or a Linear; `bias` float32 [out] or undefined. Operands will be
  // input_scale * n with |n| <= largest_input.
  IntegerLayer(const Operation& operation, const IntegerWeight& weight, const Tensor& bias,
               float input_scale, int64_t largest_input);

  // x: integers in float32, [N, C, H, W] or [rows, in]. Images come back channels-last.
  Tensor forward(const Tensor& x) const;

  // Whether 16-bit operands and 32-bit sums provably suffice.
  bool narrow() const { return narrow_; }

 private:
  template <typename Operand, typename Sum>
  Tensor convolve(const Tensor& x) const;
  template <typename Operand, typename Sum>
  Tensor multiply_rows(const Tensor& x) const;

  Operation operation_;
  bool narrow_ = false;
  int64_t groups_ = 1, outputs_ = 0;  // outputs of one group
  int64_t length_ = 0, columns_ = 0;  // of one output's weights, and outputs, as padded
  Tensor weights_;                    // [groups, columns, length] int16 or int32
  std::vector<double> scale_, bias_;  // of each output
};

}  // namespace quantbench
