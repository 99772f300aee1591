#include "methods/bsq/kernels.h"

#include <cmath>

#include "base/vector_units.h"

namespace quantbench::bsq::kernels {
namespace {

constexpr float kLargestBit = 2;  // above 1, so that carries can form (BSQ, section 3)
constexpr int kLanes = 16;

QUANTBENCH_INLINE float between(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

// Calls body(i) for each i and returns the sum of what it gives, lane by lane: every vector width
// adds in the same order.
template <typename Body>
QUANTBENCH_INLINE double summed(int64_t n, Body body) {
  double lanes[kLanes] = {};
  const int64_t whole = n - n % kLanes;
  for (int64_t i = 0; i < whole; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += static_cast<double>(body(i + lane));
  for (int64_t i = whole; i < n; ++i) lanes[i - whole] += static_cast<double>(body(i));
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

QUANTBENCH_INLINE float stepped(float& x, float& momentum, float gradient, Sgd sgd) {
  momentum = sgd.momentum * momentum + (gradient + sgd.weight_decay * x);
  return x - sgd.rate * momentum;
}

}  // namespace

QUANTBENCH_CLONES
double update_plane(const Plane& plane, Sgd sgd, const float* __restrict gradient,
                    float* __restrict sum, int64_t n) {
  float* __restrict p = plane.positive;
  float* __restrict q = plane.negative;
  float* __restrict mp = plane.positive_momentum;
  float* __restrict mq = plane.negative_momentum;
  const float value = plane.value, factor = plane.gradient, lasso = plane.lasso;
  return summed(n, [=](int64_t i) {
    const float g = factor * gradient[i];
    const float a = between(stepped(p[i], mp[i], lasso * p[i] + g, sgd), 0.0f, kLargestBit);
    const float b = between(stepped(q[i], mq[i], lasso * q[i] - g, sgd), 0.0f, kLargestBit);
    p[i] = a;
    q[i] = b;
    sum[i] += value * (a - b);
    return a * a + b * b;
  });
}

QUANTBENCH_CLONES
double add_plane(const Plane& plane, float* __restrict sum, int64_t n) {
  const float* __restrict p = plane.positive;
  const float* __restrict q = plane.negative;
  const float value = plane.value;
  return summed(n, [=](int64_t i) {
    sum[i] += value * (p[i] - q[i]);
    return p[i] * p[i] + q[i] * q[i];
  });
}

QUANTBENCH_CLONES
void update_latent(float* __restrict x, float* __restrict momentum,
                   const float* __restrict gradient, int64_t n, Sgd sgd, float factor) {
  for (int64_t i = 0; i < n; ++i)
    x[i] = between(stepped(x[i], momentum[i], factor * gradient[i], sgd), -1.0f, 1.0f);
}

QUANTBENCH_CLONES
void round_to_grid(const float* __restrict x, float* __restrict weight, int64_t n, float factor,
                   float largest, float step) {
  for (int64_t i = 0; i < n; ++i)
    weight[i] = between(std::nearbyint(factor * x[i]), -largest, largest) * step;
}

QUANTBENCH_CLONES
double dot(const float* __restrict a, const float* __restrict b, int64_t n) {
  return summed(n, [=](int64_t i) { return a[i] * b[i]; });
}

}  // namespace quantbench::bsq::kernels
