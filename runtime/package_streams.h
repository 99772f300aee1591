// The tensors of a package file: one for each role ("scales", "codes", ...), in which what belongs
// to that role is laid end to end, site after site. A tensor a site would cost more bytes of header
// than many a site has of data.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/torch.h"
#include "models/safetensors.h"

namespace quantbench {

struct Role {
  const char* name;
  torch::ScalarType type;
};

namespace role {
inline constexpr Role kParameters{"parameters", torch::kFloat};
inline constexpr Role kScales{"scales", torch::kFloat};
inline constexpr Role kLevels{"levels", torch::kFloat};
inline constexpr Role kThresholds{"thresholds", torch::kFloat};
inline constexpr Role kCoefficients{"coefficients", torch::kFloat};
inline constexpr Role kZeroPoints{"zero_points", torch::kInt};
inline constexpr Role kBits{"bits", torch::kByte};
inline constexpr Role kCounts{"counts", torch::kByte};
inline constexpr Role kCodes{"codes", torch::kByte};
}  // namespace role

class StreamWriter {
 public:
  void put(const Role& role, const Tensor& values);
  void put(const Role& role, std::string_view bytes);  // roles of bytes

  // The tensors that are not empty, widest element first, so that all are aligned.
  std::vector<std::pair<std::string, Tensor>> finish() const;

 private:
  std::map<std::string, std::vector<Tensor>> pieces_;
};

class StreamReader {
 public:
  // Throws Error when a tensor has no role or the wrong type.
  StreamReader(const std::vector<std::pair<std::string, Tensor>>& tensors, std::string what);

  // The next values of a role, in `shape`. Throws Error when fewer are left.
  Tensor take(const Role& role, const std::vector<int64_t>& shape);
  std::string_view take_bytes(const Role& role, uint64_t count);
  uint64_t left(const Role& role) const;

  // Codes of 0 bits take no room in the file, yet they do in memory: all that a file announces
  // together may exceed its bits of codes by kMostUnstored. Throws Error, before anything is
  // allocated for them, when `count` more do.
  static constexpr uint64_t kMostUnstored = uint64_t{1} << 26;
  void announce_codes(uint64_t count, const std::string& what);

  // Throws Error when something was not taken.
  void finish() const;

 private:
  struct Stream {
    Tensor values;
    int64_t next = 0;
  };

  std::string what_;
  std::map<std::string, Stream> streams_;
  uint64_t announced_ = 0;
};

}  // namespace quantbench
