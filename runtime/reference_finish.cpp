#include "runtime/reference_finish.h"

#include <algorithm>

#include "runtime/float_kernel.h"

namespace quantbench {
namespace {

std::vector<float> floats(const Tensor& t) {
  const Tensor flat = t.contiguous();
  return std::vector<float>(flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
}

template <typename Real>
Real held(Real u, Real least, Real most) {
  return u < least ? least : u > most ? most : u;
}

}  // namespace

Quantizer::Quantizer(const Quantization& how, const std::vector<int64_t>& shape) : how_(how) {
  lows_ = spread<int32_t>(how.lows, shape);
  highs_ = spread<int32_t>(how.highs, shape);
  inverse_ = spread<float>(how.inverse, shape);
  unit_ = spread<float>(how.unit, shape);
  if (how.by_thresholds()) {
    thresholds_ = floats(how.thresholds);
    if (how.levels.scalar_type() == torch::kInt) {
      integer_levels_ = spread<int32_t>(how.levels, {});
      cells_ = ThresholdCells(thresholds_);
    } else {
      levels_ = floats(how.levels);
    }
  }
  simple_ = !how.by_thresholds() && lows_.empty() && how.step == 1 &&
            how.rounding == Rounding::HalfEven && how.overflow == Overflow::Saturate;
}

template <typename Real>
int64_t Quantizer::code(Real u) const {
  const auto lies_below = [](float threshold, Real v) { return static_cast<Real>(threshold) < v; };
  return std::lower_bound(thresholds_.begin(), thresholds_.end(), u, lies_below) -
         thresholds_.begin();
}

void Quantizer::integers(const float* u, int64_t count, int32_t* n) const {
  cells_.count_below(u, count, integer_levels_.data(), n);
}

template <typename Real>
double Quantizer::round(Real u, int64_t at) const {
  const auto i = static_cast<size_t>(at);
  const Real v = inverse_.empty() ? u : u * static_cast<Real>(inverse_[i]);
  const double low = lows_.empty() ? static_cast<double>(how_.low) : lows_[i];
  const double high = highs_.empty() ? static_cast<double>(how_.high) : highs_[i];
  double q = 0;
  if (how_.rounding == Rounding::HalfEven) {
    q = static_cast<double>(std::nearbyint(v));
  } else {
    const Real floor = std::floor(v);
    q = static_cast<double>(floor);
    if (how_.rounding == Rounding::HalfUp && v - floor >= Real(0.5)) q += 1;
  }
  if (how_.overflow == Overflow::Wrap) {
    const double period = high - low + 1;
    q -= period * std::floor((q - low) / period);
  }
  if (std::isnan(q)) q = std::floor(static_cast<double>(how_.offset) / how_.step);
  q = std::min(std::max(q, low), high);
  return how_.step * q - static_cast<double>(how_.offset);
}

template <typename Real>
int32_t Quantizer::integer(Real u, int64_t at) const {
  if (how_.by_thresholds()) return integer_levels_[static_cast<size_t>(code(u))];
  const double n = round(u, at);
  return static_cast<int32_t>(unit_.empty() ? n : n * unit_[static_cast<size_t>(at)]);
}

template <typename Real>
float Quantizer::number(Real u, int64_t at) const {
  if (how_.by_thresholds()) return levels_[static_cast<size_t>(code(u))];
  return static_cast<float>(round(u, at)) * unit_[static_cast<size_t>(at)];
}

template int32_t Quantizer::integer(float, int64_t) const;
template int32_t Quantizer::integer(double, int64_t) const;
template float Quantizer::number(float, int64_t) const;
template float Quantizer::number(double, int64_t) const;

Finisher::Finisher(const Finish& finish, const PlanValue& output)
    : wide_(finish.wide),
      on_grid_(output.grid.has_value()),
      least_(finish.least),
      most_(finish.most),
      elements_(Extent::of(output.shape).elements()) {
  // One for each element of a row, as the loops want it.
  const int64_t pixels = Extent::of(output.shape).pixels();
  const auto repeated = [&](const Tensor& t) { return floats(t.repeat({pixels})); };
  a_ = repeated(finish.a);
  b_ = repeated(finish.b);
  for (const Addend& addend : finish.addends) terms_.push_back({addend.value, repeated(addend.a)});
  if (finish.quantization) quantizer_.emplace(*finish.quantization, output.shape);
}

Data Finisher::prepare(int64_t rows) const {
  Data out;
  out.rows = rows;
  out.on_grid = on_grid_;
  const auto size = static_cast<size_t>(rows * elements_);
  if (on_grid_)
    out.n.resize(size);
  else
    out.x.resize(size);
  return out;
}

template <typename Real, typename Acc>
void Finisher::apply_as(const Acc* acc, int64_t row, int64_t first, int64_t count,
                        const std::vector<Data>& values, Data& out) const {
  const auto least = static_cast<Real>(least_), most = static_cast<Real>(most_);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t at = first + i;
    const auto place = static_cast<size_t>(at);
    const auto index = static_cast<size_t>(row * elements_ + at);
    Real u = std::fma(static_cast<Real>(a_[place]), static_cast<Real>(acc[i]),
                      static_cast<Real>(b_[place]));
    for (const Term& term : terms_) {
      const Data& x = values[static_cast<size_t>(term.value)];
      u = std::fma(static_cast<Real>(term.a[place]),
                   x.on_grid ? static_cast<Real>(x.n[index]) : static_cast<Real>(x.x[index]), u);
    }
    u = held(u, least, most);
    if (on_grid_)
      out.n[index] = quantizer_->integer(u, at);
    else
      out.x[index] = quantizer_ ? quantizer_->number(u, at) : static_cast<float>(u);
  }
}

template <typename Acc>
void Finisher::apply(const Acc* acc, int64_t row, int64_t first, int64_t count,
                     const std::vector<Data>& values, Data& out) const {
  if (wide_) return apply_as<double>(acc, row, first, count, values, out);
  const bool counts = on_grid_ && quantizer_ && quantizer_->counts_thresholds();
  const bool vectors =
      !std::is_same_v<Acc, int64_t> && (!quantizer_ || quantizer_->simple() || counts);
  if constexpr (!std::is_same_v<Acc, int64_t>) {
    if (vectors) {
      // The same, one operation at a time over all elements.
      std::vector<float> room;
      if (on_grid_) room.resize(static_cast<size_t>(count));
      float* u = on_grid_ ? room.data() : &out.x[static_cast<size_t>(row * elements_ + first)];
      affine(acc, &a_[static_cast<size_t>(first)], &b_[static_cast<size_t>(first)], count, u);
      for (const Term& term : terms_) {
        const Data& x = values[static_cast<size_t>(term.value)];
        const auto index = static_cast<size_t>(row * elements_ + first);
        const float* a = &term.a[static_cast<size_t>(first)];
        if (x.on_grid)
          add_scaled(&x.n[index], a, count, u);
        else
          add_scaled(&x.x[index], a, count, u);
      }
      if (!std::isinf(least_) || !std::isinf(most_))
        for (int64_t i = 0; i < count; ++i) u[i] = held(u[i], least_, most_);
      if (counts)
        quantizer_->integers(u, count, &out.n[static_cast<size_t>(row * elements_ + first)]);
      else if (on_grid_)
        round_to(u, static_cast<float>(quantizer_->how().low),
                 static_cast<float>(quantizer_->how().high), count,
                 &out.n[static_cast<size_t>(row * elements_ + first)]);
      return;
    }
  }
  apply_as<float>(acc, row, first, count, values, out);
}

template void Finisher::apply(const int32_t*, int64_t, int64_t, int64_t, const std::vector<Data>&,
                              Data&) const;
template void Finisher::apply(const int64_t*, int64_t, int64_t, int64_t, const std::vector<Data>&,
                              Data&) const;
template void Finisher::apply(const float*, int64_t, int64_t, int64_t, const std::vector<Data>&,
                              Data&) const;

}  // namespace quantbench
