#include "runtime/plan_chain.h"

#include <algorithm>

namespace quantbench {
namespace {

constexpr double kExactInFloat = 1 << 24;

// The greatest power of two of which v is a multiple; infinity for 0.
double finest(double v) {
  if (v == 0) return INFINITY;
  int exponent = 0;
  const double mantissa = std::frexp(v, &exponent);  // v = mantissa * 2^exponent
  auto whole = static_cast<int64_t>(std::ldexp(std::abs(mantissa), 53));
  int shift = 0;
  for (; whole % 2 == 0; whole /= 2) ++shift;
  return std::ldexp(1.0, exponent - 53 + shift);
}

bool power_of_two(double v) {
  int exponent = 0;
  return std::frexp(std::abs(v), &exponent) == 0.5;
}

double at(const Tensor& t, int64_t c) { return t.data_ptr<double>()[t.numel() == 1 ? 0 : c]; }

// Whether fixed-point numbers add up to something that float32 does not hold exactly.
bool needs_more_bits(const Chain& chain, const Tensor& a, const Tensor& b,
                     const std::vector<Tensor>& factors, const std::vector<PlanValue>& values) {
  const double largest =
      static_cast<double>(std::max(std::abs(chain.least_acc), std::abs(chain.most_acc)));
  const int64_t channels = std::max(a.numel(), b.numel());
  double most = 0;
  for (int64_t c = 0; c < channels; ++c) {
    if (at(a, c) != 0 && !power_of_two(at(a, c))) return false;
    double unit = std::min(finest(at(a, c)), finest(at(b, c)));
    double sum = std::abs(at(a, c)) * largest + std::abs(at(b, c));
    for (size_t k = 0; k < factors.size(); ++k) {
      const auto& grid = values[static_cast<size_t>(chain.addends[k].value)].grid;
      const double factor = at(factors[k], c);
      if (!grid || !power_of_two(factor)) return false;
      unit = std::min(unit, std::abs(factor));
      sum += std::abs(factor) * static_cast<double>(std::max(-grid->low, grid->high));
    }
    if (!std::isinf(unit)) most = std::max(most, sum / unit);
  }
  return most > kExactInFloat;
}

Tensor spread(const Tensor& t, int64_t channels) {
  return (t.numel() == 1 ? t.expand({channels}) : t).to(torch::kFloat).contiguous();
}

}  // namespace

void Chain::multiply(const Tensor& factor) {
  a = (a * factor).contiguous();
  b = (b * factor).contiguous();
  for (Operand& addend : addends) addend.a = (addend.a * factor).contiguous();
}

void Chain::add(const Tensor& shift) { b = (b + shift).contiguous(); }

Finish finish_of(const Chain& chain, double factor, double shift, int64_t channels,
                 const std::vector<PlanValue>& values) {
  const Tensor a = (chain.a * factor).contiguous(), b = (chain.b * factor + shift).contiguous();
  std::vector<Tensor> factors;
  for (const Chain::Operand& addend : chain.addends)
    factors.push_back((addend.a * factor).contiguous());
  Finish out;
  out.a = spread(a, channels);
  out.b = spread(b, channels);
  for (size_t k = 0; k < factors.size(); ++k)
    out.addends.push_back({chain.addends[k].value, spread(factors[k], channels)});
  if (chain.accumulator == Accumulator::Float) return out;
  const double largest =
      static_cast<double>(std::max(std::abs(chain.least_acc), std::abs(chain.most_acc)));
  out.wide = largest > kExactInFloat ||
             (!chain.plain_bias && needs_more_bits(chain, a, b, factors, values));
  return out;
}

}  // namespace quantbench
