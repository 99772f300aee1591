#include "models/dropout.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "base/vector_units.h"

namespace quantbench {
namespace {

constexpr int64_t kTile = 1 << 14;

// Wellons' two-multiplication mixer of 32 bits (lowbias32).
QUANTBENCH_INLINE uint32_t mixed(uint32_t h) {
  h = (h ^ (h >> 16)) * 0x7feb352dU;
  h = (h ^ (h >> 15)) * 0x846ca68bU;
  return h ^ (h >> 16);
}

QUANTBENCH_CLONES
void drop(const float* __restrict x, float* __restrict y, int64_t n, uint32_t key, uint32_t other,
          uint32_t below, float factor) {
  for (int64_t i = 0; i < n; ++i)
    y[i] = mixed(mixed(static_cast<uint32_t>(i) ^ key) + other) < below ? 0.0f : x[i] * factor;
}

struct Dropout : torch::autograd::Function<Dropout> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& given, double p,
                        int64_t seed) {
    context->saved_data["p"] = p;
    context->saved_data["seed"] = seed;
    const Tensor x = given.contiguous();
    Tensor y = torch::empty_like(x);
    const float* from = x.data_ptr<float>();
    float* to = y.data_ptr<float>();
    const auto below = static_cast<uint32_t>(std::llround(std::ldexp(p, 32)));
    const auto factor = static_cast<float>(1 / (1 - p));
    const RandomStream random(static_cast<uint64_t>(seed), "dropout");
    const int64_t tiles = (x.numel() + kTile - 1) / kTile;
    at::parallel_for(0, tiles, 4, [&](int64_t begin, int64_t end) {
      for (int64_t tile = begin; tile < end; ++tile) {
        const uint64_t key = random.bits(static_cast<uint64_t>(tile));
        const int64_t first = tile * kTile;
        drop(from + first, to + first, std::min(kTile, x.numel() - first),
             static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32), below, factor);
      }
    });
    return y;
  }

  // The same elements of the gradient, by the same factor.
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    return {Dropout::apply(gradients[0], context->saved_data["p"].toDouble(),
                           context->saved_data["seed"].toInt()),
            Tensor(), Tensor()};
  }
};

}  // namespace

Tensor dropout(const Tensor& x, double p) {
  if (!x.is_cpu() || x.scalar_type() != torch::kFloat) return torch::dropout(x, p, true);
  return Dropout::apply(x, p, torch::empty({1}, torch::kLong).random_().item<int64_t>());
}

}  // namespace quantbench
