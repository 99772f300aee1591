// The levels and thresholds of Quantization Networks (arXiv 1911.09464, sections 3.1 and 3.4).
#pragma once

#include <string>
#include <vector>

#include "base/torch.h"
#include "methods/bit_width.h"

namespace quantbench::qn {

enum class LevelSet {
  Full,    // -(2^(b-1)-1) .. 2^(b-1)-1; one bit: -1 and 1
  Short,   // -2^(b-2) .. 2^(b-2): the paper's "3 bits (+-2)"; below 3 bits as Full
  Powers,  // 0 and the powers of two +-1, +-2, +-4 ...: "3 bits (+-4)"; below 3 bits as Full
};

// Integers Y, ascending. Throws Error for Powers of more than 4 bits.
std::vector<double> weight_levels(BitWidth bits, LevelSet set);
std::vector<double> activation_levels(BitWidth bits);  // 0 .. 2^b - 1

// The clusters of the least sum of squared distances in one dimension, found exactly (dynamic
// programming over the sorted values; of many values an even selection). Centres, ascending; some
// coincide when there are fewer different values than clusters. `values` must not be empty.
std::vector<double> cluster_centres(const Tensor& values, int64_t clusters);

// Midpoints of neighbours.
std::vector<double> midpoints(const std::vector<double>& centres);

// Where `values` enters the staircase of `levels`: beta = margin * max|Y| / max|x| (the paper:
// 5/4), alpha = 1/beta or fitted, and the thresholds in the scaled coordinate beta * x.
struct Start {
  double alpha = 1, beta = 1;
  std::vector<double> thresholds;
};
struct StartRule {
  double margin = 1.25;
  bool clustered = true;    // thresholds from k-means, else midway between levels
  double zero_band = 0.05;  // > 0: the thresholds about the level 0 are put to minus and plus this
  bool fitted = false;  // alpha: least squares between the hard steps and the values, not 1/beta
};
Start start_of(const Tensor& values, double largest, const std::vector<double>& levels,
               const StartRule& rule);

}  // namespace quantbench::qn
