// The end of every step of a plan: the affine operation and the rounding onto a grid, one number at
// a time as plan.h writes them.
#pragma once

#include <vector>

#include "runtime/plan.h"
#include "runtime/reference_values.h"
#include "runtime/threshold_cells.h"

namespace quantbench {

class Quantizer {
 public:
  // `shape`: of what is quantized, without its first dimension.
  Quantizer(const Quantization& how, const std::vector<int64_t>& shape);

  // `at`: the element's place in its row. Real is float or double.
  template <typename Real>
  int32_t integer(Real u, int64_t at) const;
  // The number itself, where there is no grid: float(step * q - offset) * unit, or the level.
  template <typename Real>
  float number(Real u, int64_t at) const;

  // The integers of `count` numbers that share one grid by thresholds.
  void integers(const float* u, int64_t count, int32_t* n) const;

  // Whether rounding half to even and two bounds are all of it.
  bool simple() const { return simple_; }
  // Whether `integers` knows the grid.
  bool counts_thresholds() const { return !integer_levels_.empty(); }
  const Quantization& how() const { return how_; }

 private:
  template <typename Real>
  int64_t code(Real u) const;  // by thresholds
  template <typename Real>
  double round(Real u, int64_t at) const;  // step * q - offset

  Quantization how_;
  bool simple_ = false;
  std::vector<int32_t> lows_, highs_, integer_levels_;
  std::vector<float> inverse_, unit_, thresholds_, levels_;
  ThresholdCells cells_;  // where levels are integers
};

class Finisher {
 public:
  Finisher(const Finish& finish, const PlanValue& output);

  // Element first .. first + count - 1 of row `row` of `out`, count a multiple of the channels. Acc
  // is int32_t, int64_t or float; addends are read from `values` at the same place.
  template <typename Acc>
  void apply(const Acc* acc, int64_t row, int64_t first, int64_t count,
             const std::vector<Data>& values, Data& out) const;

  // Room for `rows` rows.
  Data prepare(int64_t rows) const;

 private:
  template <typename Real, typename Acc>
  void apply_as(const Acc* acc, int64_t row, int64_t first, int64_t count,
                const std::vector<Data>& values, Data& out) const;

  struct Term {
    int value = 0;
    std::vector<float> a;
  };

  std::vector<float> a_, b_;
  std::vector<Term> terms_;
  bool wide_ = false, on_grid_ = false;
  float least_, most_;
  std::optional<Quantizer> quantizer_;
  int64_t elements_ = 0;
};

}  // namespace quantbench
