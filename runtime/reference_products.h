// Convolutions and matrix products of the reference executor.
#pragma once

#include "runtime/reference_finish.h"

namespace quantbench {

class ReferenceProduct {
 public:
  ReferenceProduct(const Step& step, const Plan& plan);

  // `values` holds the step's input; the output is cut into rows of pixels that threads share.
  Data run(const std::vector<Data>& values, const Finisher& finish) const;

 private:
  enum class Kind { Narrow, Wide, Planes, Float };  // Narrow: 16-bit operands, 32-bit sums

  // The accumulators of one row of output pixels of one group, [pixels, outputs of a group].
  template <typename Acc>
  struct Row;
  template <typename Operand, typename Acc>
  void run_as(const std::vector<Data>& values, const Finisher& finish, Data& out) const;
  template <typename Operand, typename Acc>
  void sums(const std::vector<Operand>& rows, int64_t group, int64_t count, Acc* out) const;

  Kind kind_ = Kind::Float;
  int input_ = 0;
  double input_scale_ = 1;
  Extent in_, out_;
  int64_t kernel_h_ = 1, kernel_w_ = 1, stride_h_ = 1, stride_w_ = 1, top_ = 0, left_ = 0;
  int64_t padded_h_ = 1, padded_w_ = 1;
  int64_t groups_ = 1, outputs_ = 0;  // outputs of one group
  int64_t length_ = 0, columns_ = 0;  // of one output's weights, and outputs, as padded
  Tensor weights_;                    // integers: [groups, columns, length]; float: transposed
  // Sign planes: where the elements of each cut of a row lie, and of each output its bases.
  std::vector<int32_t> order_;  // [cuts, cut length]
  int64_t cut_length_ = 0;
  std::vector<int64_t> first_base_;  // [outputs of all groups * cuts + 1]
  std::vector<int32_t> signs_;       // [bases, cut length]
  std::vector<float> coefficients_;  // [bases]
};

}  // namespace quantbench
