// The small problems of one group of weights, w = B a with B in {-1, +1}^(n x I): its levels, the
// nearest of them, and the coordinates of least (weighted) squares. Everything in double.
//
// Bases are kept as one byte a weight, its pattern: bit i is set where base i is +1.
#pragma once

#include <cstdint>

namespace quantbench::alq {

constexpr int kMostBases = 8;
constexpr int kMostLevels = 1 << kMostBases;

// The 2^bases levels of a group, by pattern: sum_i +-coordinates[i], added in float32 in the order
// of i from zero, as decode() adds.
void levels_of(const float* coordinates, int bases, float* levels);

// The same levels in ascending order, to look up the nearest.
struct SortedLevels {
  int count = 0;
  float level[kMostLevels];
  uint8_t pattern[kMostLevels];
  double middle[kMostLevels];  // between level i and i + 1

  SortedLevels(const float* coordinates, int bases);
  // The pattern of the level nearest to `target`; of two, the lower one.
  uint8_t nearest(double target) const;
};

// Sums over the weights of a group that share a pattern.
struct PatternSums {
  double weight[kMostLevels];  // sum h
  double target[kMostLevels];  // sum h * w
  bool present[kMostLevels];   // whether any weight has the pattern

  explicit PatternSums(int bases);
  void add(uint8_t pattern, double h, double w) {
    weight[pattern] += h;
    target[pattern] += h * w;
    present[pattern] = true;
  }
};

// Coordinates that minimise sum_j h_j (w_j - (B a)_j)^2.
struct Fit {
  bool solved = false;  // false: B does not have full rank, or the numbers are not finite
  double coordinates[kMostBases];
};
Fit least_squares(const PatternSums& sums, int bases);

// The pair first < second of bases that are equal or opposite in every weight, if there is one.
struct Twins {
  int first = -1, second = -1;
  bool opposite = false;
};
Twins find_twins(const PatternSums& sums, int bases);

// `pattern` without bit `base`: the bits above move down.
inline uint8_t without(uint8_t pattern, int base) {
  const unsigned below = (1u << base) - 1;
  return static_cast<uint8_t>((pattern & below) | ((pattern >> 1) & ~below));
}

}  // namespace quantbench::alq
