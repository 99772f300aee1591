// A staircase: what every quantizer is, and, with its steps made of sigmoids, a function that can
// be learned through (Quantization Networks, arXiv 1911.09464, eq. 2-3; the mean of a value under
// logistic noise is one, too).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace quantbench {

// Goes up by heights[i] where its argument passes edges[i]. Edges ascend; some may coincide.
struct Staircase {
  double lowest = 0;  // its value before the first edge
  std::vector<double> edges, heights;

  // lowest and the value behind each edge: edges.size() + 1 of them.
  std::vector<double> levels() const {
    std::vector<double> out{lowest};
    for (double height : heights) out.push_back(out.back() + height);
    return out;
  }

  // With these levels, and edges in between.
  static Staircase between(const std::vector<double>& levels, std::vector<double> edges) {
    Staircase out{levels.front(), std::move(edges), {}};
    for (std::size_t i = 0; i + 1 < levels.size(); ++i)
      out.heights.push_back(levels[i + 1] - levels[i]);
    return out;
  }

  // The integers low..high, rounding to the nearest.
  static Staircase integers(int64_t low, int64_t high) {
    Staircase out{static_cast<double>(low), {}, {}};
    for (int64_t k = low + 1; k <= high; ++k) {
      out.edges.push_back(static_cast<double>(k) - 0.5);
      out.heights.push_back(1);
    }
    return out;
  }
};

}  // namespace quantbench
