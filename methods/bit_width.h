// A number of bits, never to be mistaken for a number of levels.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace quantbench {

class BitWidth {
 public:
  constexpr BitWidth() = default;
  // 0 (pruned) .. 32. Throws Error otherwise.
  explicit BitWidth(int64_t bits) : bits_(static_cast<uint8_t>(bits)) {
    require(bits >= 0 && bits <= 32, "A bit width is 0..32, not {}.", bits);
  }

  int bits() const { return bits_; }
  int64_t levels() const { return int64_t{1} << bits_; }

  bool operator==(BitWidth o) const { return bits_ == o.bits_; }
  bool operator!=(BitWidth o) const { return bits_ != o.bits_; }
  bool operator<(BitWidth o) const { return bits_ < o.bits_; }

 private:
  uint8_t bits_ = 32;
};

}  // namespace quantbench
