// The inner loops of BSQ's training step, on runs of float32. Sums are added in an order that
// depends on nothing but the run's length.
#pragma once

#include <cstdint>

namespace quantbench::bsq::kernels {

// SGD as PyTorch's: m = momentum * m + g + weight_decay * x, x = x - rate * m.
struct Sgd {
  float rate = 0, momentum = 0, weight_decay = 0;
};

// One bit position of a run of weights: the plane of positive and the plane of negative weights.
struct Plane {
  float* positive;
  float* negative;
  float* positive_momentum = nullptr;
  float* negative_momentum = nullptr;
  float value = 1;     // 2^b: what a set bit counts
  float gradient = 0;  // 2^b * s / (2^n - 1): dL/dP as a multiple of dL/dW (negative for N)
  float lasso = 0;     // alpha * c / |plane|: the lasso's gradient as a multiple of P and N
};

// One step on a plane: straight-through gradient, lasso, weight decay, momentum, clamp to [0, 2].
// Adds value * (P - N) of the new bits to `sum` and returns the sum of their squares.
double update_plane(const Plane& plane, Sgd sgd, const float* gradient, float* sum, int64_t n);

// The same sums without a step.
double add_plane(const Plane& plane, float* sum, int64_t n);

// One step on bounded latent weights with the gradient factor * gradient: x is clamped to [-1, 1].
void update_latent(float* x, float* momentum, const float* gradient, int64_t n, Sgd sgd,
                   float factor);

// weight = step * clamp(round(factor * x), -largest, largest), halves to even.
void round_to_grid(const float* x, float* weight, int64_t n, float factor, float largest,
                   float step);

double dot(const float* a, const float* b, int64_t n);

}  // namespace quantbench::bsq::kernels
