// ALQ's training steps on groups of weights. Each group is worked on alone and in one order, so the
// results do not depend on who works on which.
#pragma once

#include "methods/alq/solve.h"

namespace quantbench::alq::kernels {

// One step of AMSGrad as a quadratic model (ALQ, arXiv 1912.08883, eq. 7-8):
//   gradient  g~ = rate * m,  curvature  h~ = (sqrt(largest v) + epsilon) * curvature.
struct Amsgrad {
  static constexpr double kBeta1 = 0.9, kBeta2 = 0.999;
  static constexpr float kEpsilon = 1e-8f;
  float rate = 0;       // learning rate / (1 - beta1^t)
  float curvature = 1;  // 1 / sqrt(1 - beta2^t)

  Amsgrad(double learning_rate, int64_t step);
};

struct Moments {
  float* first = nullptr;
  float* second = nullptr;
  float* largest = nullptr;  // running maximum of `second`
};

// The groups of one weight, [groups, length] and [groups, width], and what is known about them.
struct Layer {
  int64_t length = 0;
  int width = 0;                 // most bases of a group
  uint8_t* counts = nullptr;     // [groups]: bases of each group; the others' slots are zero
  uint8_t* patterns = nullptr;   // [groups, length]
  float* coordinates = nullptr;  // [groups, width]
  float* weight = nullptr;       // [groups, length]: B a
  float* latent = nullptr;       // [groups, length]: full precision, straight-through only
  Moments weights, coordinate_moments;
};

// Structured sketching (section 4.1): bases one after the other, all coordinates solved again each
// time; stops at `most` bases, at a relative error of 1e-6, or where a base adds nothing.
// Coordinates come out positive and ascending.
struct Sketch {
  int bases = 0;
  double coordinates[kMostBases] = {};
};
Sketch sketch(const float* weight, int64_t n, int most, uint8_t* patterns);

// weight = B a.
void rebuild(const Layer& layer, int64_t group);

// One step on the bases of groups first..last-1 (section 4.3.1): each weight takes the nearest
// level to its AMSGrad target, then the coordinates are those of least squares weighted by h~.
// Equal bases become one, negative coordinates turn their base around. With `latent` the target
// starts from the latent weights and becomes them.
void basis_step(const Layer& layer, int64_t first, int64_t last, const float* gradient,
                const Amsgrad& amsgrad);

// One step on the coordinates (section 4.3.2), the bases fixed. Without `move` only the moments of
// both domains go on.
void coordinate_step(const Layer& layer, int64_t first, int64_t last, const float* gradient,
                     const Amsgrad& amsgrad, float weight_decay, bool move);

// The coordinates' moments from the weights': m_a = B^T m, v_a = diag(B^T diag(v) B).
void refresh_coordinate_moments(const Layer& layer, int64_t group);

// Takes base `base` and its coordinate out of a group; the later ones move down.
void drop_base(const Layer& layer, int64_t group, int base);

// The predicted change of the loss when a coordinate becomes zero (section 4.2).
double removal_cost(double coordinate, double first, double largest, const Amsgrad& amsgrad);

}  // namespace quantbench::alq::kernels
