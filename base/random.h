// Counter-based random streams. A stream is keyed by (seed, purpose); its i-th number is a pure
// function of the key and i, so the order of drawing, the number of threads and a resume cannot
// change it, and switching one consumer leaves every other stream alone.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

namespace quantbench {

class RandomStream {
 public:
  // Purposes in use: "init", "order", "augment", "split", "synthetic", "method", "dropout".
  RandomStream(uint64_t seed, std::string_view purpose) : key_(mix(seed ^ hash(purpose))) {}

  // A stream of its own for each `index` (an epoch, a layer, a sample).
  RandomStream child(uint64_t index) const { return RandomStream(mix(key_ ^ mix(index + 1))); }

  uint64_t bits(uint64_t counter) const { return mix(key_ + counter * 0x9e3779b97f4a7c15ULL); }

  // Uniform in [0, 1) with 53 bits.
  double uniform(uint64_t counter) const {
    return static_cast<double>(bits(counter) >> 11) * 0x1.0p-53;
  }

  // Uniform integer in [0, bound), bound > 0 (multiply-shift; bias below 2^-64 * bound).
  uint64_t below(uint64_t counter, uint64_t bound) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(bits(counter)) * bound) >> 64);
  }

  // Standard normal (Box-Muller on counters 2c and 2c+1).
  double normal(uint64_t counter) const {
    const double u = 1.0 - uniform(2 * counter), v = uniform(2 * counter + 1);
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
  }

  // A seed for a library's own generator.
  uint64_t seed() const { return mix(key_); }

 private:
  explicit RandomStream(uint64_t key) : key_(key) {}

  // The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
  static constexpr uint64_t mix(uint64_t z) {
    z += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

  // FNV-1a of the purpose's name.
  static constexpr uint64_t hash(std::string_view text) {
    uint64_t h = 0xcbf29ce484222325ULL;
    for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return h;
  }

  uint64_t key_;
};

// A Fisher-Yates permutation of 0..count-1 drawn from `stream`.
std::vector<int64_t> permutation(int64_t count, const RandomStream& stream);

}  // namespace quantbench
