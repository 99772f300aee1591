// What ONNX Runtime answers with a file beside what the package answers that it was made from.
#pragma once

#include <optional>

#include "base/batch.h"
#include "runtime/plan.h"

namespace quantbench {

class OnnxComparison {
 public:
  explicit OnnxComparison(const Plan& plan);

  // Scored logits [rows, classes] of one batch, from both.
  void add(const Tensor& onnx, const Tensor& package, const Tensor& target);

  int64_t samples() const { return samples_; }
  // The package's top-1, and the share of samples to which both give one answer: 0..1.
  double package_top1() const { return share(correct_); }
  double equal_answers() const { return share(equal_); }
  // The largest difference of a logit, and the same in steps: of the logits' grid, or where they
  // are floats of what one step of one operand of the last product moves them by at most. Nothing
  // where the last product is none of integers.
  double largest_difference() const { return largest_; }
  std::optional<double> step() const { return step_; }

 private:
  double share(int64_t count) const {
    return samples_ ? static_cast<double>(count) / static_cast<double>(samples_) : 0;
  }

  int64_t samples_ = 0, correct_ = 0, equal_ = 0;
  double largest_ = 0;
  std::optional<double> step_;
};

}  // namespace quantbench
