#include "methods/common/step_table.h"

#include <algorithm>
#include <cmath>

namespace quantbench::kernels {
namespace {

constexpr size_t kMostEdges = 32;
// With more terms (at this error) powers of x cancel in float32.
constexpr int64_t kMostTerms = 19;
constexpr double kError = 1e-7;
constexpr double kPi = 3.14159265358979323846;

// A sigmoid has its poles pi above and below its edge: on a cell that spans `width` of u, the error
// of n Chebyshev points falls as rho^-n, rho the sum of the half axes of the ellipse through them.
int64_t terms_for(double width) {
  const double pole = kPi / (width / 2), rho = pole + std::sqrt(pole * pole + 1);
  return std::max<int64_t>(2, std::llround(std::ceil(-std::log(kError) / std::log(rho))));
}

// [power][point]: the coefficients of the polynomial through values at x = cos(...)/2, in x.
std::vector<std::vector<double>> interpolation(const std::vector<double>& angles) {
  const size_t n = angles.size();
  // Chebyshev polynomials of 2x by powers of x.
  std::vector<std::vector<double>> chebyshev(n, std::vector<double>(n, 0));
  chebyshev[0][0] = 1;
  chebyshev[1][1] = 2;
  for (size_t m = 2; m < n; ++m)
    for (size_t d = 0; d < n; ++d)
      chebyshev[m][d] = (d > 0 ? 4 * chebyshev[m - 1][d - 1] : 0) - chebyshev[m - 2][d];
  std::vector<std::vector<double>> out(n, std::vector<double>(n, 0));
  for (size_t m = 0; m < n; ++m)
    for (size_t j = 0; j < n; ++j) {
      const double weight = (m == 0 ? 1.0 : 2.0) / static_cast<double>(n) *
                            std::cos(static_cast<double>(m) * angles[j]);
      for (size_t d = 0; d < n; ++d) out[d][j] += weight * chebyshev[m][d];
    }
  return out;
}

double at(double position, const Staircase& s, const std::vector<double>& factors, double e,
          Curve curve) {
  double sum = curve == Curve::Value ? s.lowest : 0;
  for (size_t i = 0; i < factors.size(); ++i) {
    const double q = e * factors[i], inverse = 1 / (1 + q);
    const double slope = curve == Curve::Value ? 1 : q * inverse;
    const double turn = curve == Curve::Moment ? position - s.edges[i] : 1;
    sum += s.heights[i] * inverse * slope * turn;
  }
  return sum;
}

}  // namespace

std::optional<CurveTable> curve_table(const Staircase& s, double slope, double reach, Curve curve,
                                      int64_t cells) {
  if (s.edges.size() > kMostEdges) return std::nullopt;
  const double first = s.edges.front() - reach / slope, last = s.edges.back() + reach / slope;
  const int64_t terms = terms_for(slope * (last - first) / static_cast<double>(cells));
  if (terms > kMostTerms) return std::nullopt;
  CurveTable out;
  out.cells = cells;
  const double width = (last - first) / static_cast<double>(cells), middle = (first + last) / 2;
  out.first = static_cast<float>(first);
  out.cells_per_position = static_cast<float>(1 / width);
  std::vector<double> factors, angles;
  for (double edge : s.edges) factors.push_back(std::exp(slope * (edge - middle)));
  for (int64_t j = 0; j < terms; ++j)
    angles.push_back(kPi * (static_cast<double>(j) + 0.5) / static_cast<double>(terms));
  const auto weights = interpolation(angles);
  out.coefficients.resize(static_cast<size_t>(terms * cells));
  std::vector<double> values(angles.size());
  for (int64_t cell = 0; cell < cells; ++cell) {
    for (size_t j = 0; j < angles.size(); ++j) {
      const double x = static_cast<double>(cell) + 0.5 + std::cos(angles[j]) / 2;
      const double position = first + x * width;
      values[j] = at(position, s, factors, std::exp(slope * (middle - position)), curve);
    }
    for (int64_t power = 0; power < terms; ++power) {
      const std::vector<double>& weight = weights[static_cast<size_t>(power)];
      double sum = 0;
      for (size_t j = 0; j < values.size(); ++j) sum += weight[j] * values[j];
      out.coefficients[static_cast<size_t>((terms - 1 - power) * cells + cell)] =
          static_cast<float>(sum);
    }
  }
  return out;
}

}  // namespace quantbench::kernels
