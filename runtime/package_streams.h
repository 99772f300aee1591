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

  // Throws Error when something was not taken.
  void finish() const;

 private:
  struct Stream {
    Tensor values;
    int64_t next = 0;
  };

  std::string what_;
  std::map<std::string, Stream> streams_;
};

}  // namespace quantbench
