// Integers packed to their true width: a stream of bits in which value after value lies lowest bit
// first, bit i of the stream being bit i % 8 of byte i / 8. The last byte is filled up with zeros.
#pragma once

#include <string>
#include <string_view>

#include "base/torch.h"

namespace quantbench {

// How wide the values of a tensor are: `widths` (uint8 [runs], 0..32) and `lowest` (int32 [runs])
// each hold for elements / runs values in a row; what is stored is the value minus the lowest one.
// A width of 0 stores nothing and stands for the lowest value.
struct PackedLayout {
  Tensor widths, lowest;
};

// Bytes that `elements` values take.
uint64_t packed_size(int64_t elements, const PackedLayout& layout);

// Packs int32 values. Throws Error when one does not fit its width.
std::string pack(const Tensor& values, const PackedLayout& layout);

// The int32 values [elements] that pack() was given. `bytes` must have packed_size() bytes; throws
// Error when the bits that fill up the last one are not zero.
Tensor unpack(std::string_view bytes, int64_t elements, const PackedLayout& layout);

}  // namespace quantbench
