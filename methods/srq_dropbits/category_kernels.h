// The inner loops over the categories of a value: the probabilities of the grid points near it, as
// masked, as sampled, and the derivatives of what is made of them. One pass over memory; noise is a
// function of a key, the element and the point, so that the backward pass makes it again.
//
// With p = x/alpha and r = alpha/sigma, point n has the probability
//   pi_n = F(r (n + 1/2 - p)) - F(r (n - 1/2 - p)),  F the logistic function
// (RQ, arXiv 1810.01875, section 2). With weights z_n >= 0 and, sampled, Gumbel noise u_n:
//   q_n ~ (z_n pi_n e^u_n)^(1/temperature), normalised.
#pragma once

#include <cstdint>
#include <vector>

#include "methods/common/kernels.h"

namespace quantbench::srq::kernels {

using quantbench::kernels::Rectifier;

// The largest slope whose neighbours' probabilities the kernels can tell apart.
template <typename Real>
constexpr double steepest() {
  return sizeof(Real) == 4 ? 20 : 150;
}

template <typename Real>
struct Categories {
  Real low = 0, high = 0;  // integers of the whole grid
  Real slope = 1;          // r
  bool open = true;        // the outer cells reach to infinity
  Real reach = 0;          // points further than this from the nearest grid point count as 0
  Real temperature = 1;
  bool sampled = false;
  bool hard = true;          // the value is the most probable point's, not the mean
  bool only_chosen = false;  // the gradient passes through the probability of that point alone

  std::vector<Real> points, weights;  // those with a weight > 0, ascending
  std::vector<int32_t> first;         // for each integer of the grid, where its window starts
  int64_t window = 0;                 // points in it
  // Between the points, where they are few and all weights are 1: then the most probable point is
  // the nearest one.
  std::vector<Real> middles;
};

// For `weights` of all integers low..high. What is left out of the windows is below 1e-6 of the
// result in float32, below 1e-13 in float64. Throws Error when all weights are 0.
template <typename Real>
void set_points(Categories<Real>& categories, const std::vector<double>& weights);

struct Noise {
  uint32_t first = 0, second = 0;
};

// values = chosen integer or mean.
void category_values(const float* x, float* values, int64_t n, const Categories<float>& categories,
                     float inverse, Rectifier rectifier, Noise noise);
void category_values(const double* x, double* values, int64_t n,
                     const Categories<double>& categories, double inverse, Rectifier rectifier,
                     Noise noise);

struct CategorySums {
  double value = 0;     // gradient * value
  double position = 0;  // gradient * p * d mean/dp
  double slope = 0;     // gradient * d mean/dr
};

// dx = gradient * d mean/dp where the ReLU lets it pass; by_weight (as many as points, or null)
// takes in gradient * d mean/d weight.
CategorySums category_backward(const float* x, const float* gradient, float* dx, int64_t n,
                               const Categories<float>& categories, float inverse,
                               Rectifier rectifier, Noise noise, double* by_weight);
CategorySums category_backward(const double* x, const double* gradient, double* dx, int64_t n,
                               const Categories<double>& categories, double inverse,
                               Rectifier rectifier, Noise noise, double* by_weight);

}  // namespace quantbench::srq::kernels
