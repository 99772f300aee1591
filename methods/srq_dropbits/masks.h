// DropBits (arXiv 1911.12990): the points of a weight's grid are dropped at random while it trains.
// Which points share a mask, the keep rates and the constants are a reconstruction: the paper's
// values were not to be had.
#pragma once

#include <vector>

#include "base/random.h"
#include "base/torch.h"

namespace quantbench::srq {

enum class MaskGroups {
  Point,  // each point but zero has its own mask
  Pair,   // +n and -n share one
  Level,  // what a grid of k bits has and one of k-1 bits has not; a level is kept only when all
          // below it are. What is left without any is {-1, 0, 1}
};

// Hard-concrete variables (Louizos et al. 2018, L0 regularisation, eq. 10-12), with logits a:
//   h = sig((log u - log(1-u) + a) / tau), z = clamp(h (zeta - gamma) + gamma, 0, 1).
struct HardConcrete {
  static constexpr double tau = 2.0 / 3, gamma = -0.1, zeta = 1.1;

  static Tensor sample(const Tensor& logits, const Tensor& uniform);
  static Tensor deterministic(const Tensor& logits);  // clamp(sig(a) (zeta - gamma) + gamma, 0, 1)
  static Tensor kept_probability(
      const Tensor& logits);  // P(z != 0) = sig(a - tau log(-gamma/zeta))
};

class DropMasks : public torch::nn::Module {
 public:
  // Of the grid low..high with zero in it. Fixed: every mask is kept with probability `keep`.
  DropMasks(MaskGroups groups, int64_t low, int64_t high, double keep);
  // Learned: every mask has a logit (a parameter) that starts at `logit`.
  static std::shared_ptr<DropMasks> learned(MaskGroups groups, int64_t low, int64_t high,
                                            double logit);

  bool is_learned() const { return logits_.defined(); }
  Tensor logits() const { return logits_; }
  int64_t count() const { return count_; }

  // The masks of all points, [high - low + 1], drawn from `stream`; differentiable when learned.
  Tensor draw(const RandomStream& stream) const;
  // What evaluation uses: all ones, or the learned masks without noise, 0 or 1.
  Tensor settled() const;
  // sum over the masks of P(mask != 0); undefined when fixed.
  Tensor penalty() const;

 private:
  Tensor spread(const Tensor& masks) const;  // from masks to points

  MaskGroups groups_;
  int64_t count_ = 0;
  double keep_;
  Tensor index_;   // int64 [points]: place of a point's mask; count_: always kept
  Tensor logits_;  // parameter [count_], or undefined
};

}  // namespace quantbench::srq
