#include "runtime/packing.h"

#include "base/error.h"

namespace quantbench {
namespace {

struct Runs {
  Tensor widths, lowest;
  int64_t count = 0, length = 0;

  Runs(int64_t elements, const PackedLayout& layout)
      : widths(layout.widths.contiguous()),
        lowest(layout.lowest.contiguous()),
        count(widths.numel()),
        length(count > 0 ? elements / count : 0) {
    require(lowest.numel() == count && length * count == elements,
            "{} values cannot be packed with {} widths.", elements, count);
  }

  int width(int64_t run) const { return widths.data_ptr<uint8_t>()[run]; }
  int64_t low(int64_t run) const { return lowest.data_ptr<int32_t>()[run]; }
};

}  // namespace

uint64_t packed_size(int64_t elements, const PackedLayout& layout) {
  const Runs runs(elements, layout);
  uint64_t bits = 0;
  for (int64_t run = 0; run < runs.count; ++run)
    bits += static_cast<uint64_t>(runs.width(run)) * static_cast<uint64_t>(runs.length);
  return (bits + 7) / 8;
}

std::string pack(const Tensor& values, const PackedLayout& layout) {
  const Tensor flat = values.contiguous();
  const Runs runs(flat.numel(), layout);
  const int32_t* value = flat.data_ptr<int32_t>();
  std::string bytes;
  bytes.reserve(packed_size(flat.numel(), layout));
  uint64_t pending = 0;
  int pending_bits = 0;
  for (int64_t run = 0; run < runs.count; ++run) {
    const int width = runs.width(run);
    for (int64_t i = 0; i < runs.length; ++i) {
      const int64_t stored = *value++ - runs.low(run);
      require(stored >= 0 && stored < int64_t{1} << width, "The code {} does not fit {} bits.",
              stored + runs.low(run), width);
      pending |= static_cast<uint64_t>(stored) << pending_bits;
      for (pending_bits += width; pending_bits >= 8; pending_bits -= 8, pending >>= 8)
        bytes.push_back(static_cast<char>(pending & 0xff));
    }
  }
  if (pending_bits > 0) bytes.push_back(static_cast<char>(pending & 0xff));
  return bytes;
}

Tensor unpack(std::string_view bytes, int64_t elements, const PackedLayout& layout) {
  const Runs runs(elements, layout);
  require(bytes.size() == packed_size(elements, layout), "Packed codes have the wrong length.");
  Tensor values = torch::empty({elements}, torch::kInt);
  int32_t* value = values.data_ptr<int32_t>();
  const char* next = bytes.data();
  uint64_t pending = 0;
  int pending_bits = 0;
  for (int64_t run = 0; run < runs.count; ++run) {
    const int width = runs.width(run);
    const uint64_t mask = (uint64_t{1} << width) - 1;
    for (int64_t i = 0; i < runs.length; ++i) {
      for (; pending_bits < width; pending_bits += 8)
        pending |= static_cast<uint64_t>(static_cast<unsigned char>(*next++)) << pending_bits;
      *value++ = static_cast<int32_t>(static_cast<int64_t>(pending & mask) + runs.low(run));
      pending >>= width;
      pending_bits -= width;
    }
  }
  require(pending == 0, "Packed codes end in bits that belong to none.");
  return values;
}

}  // namespace quantbench
