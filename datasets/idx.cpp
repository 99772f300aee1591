#include "datasets/idx.h"

#include "base/file.h"

namespace quantbench {

IdxBytes parse_idx(std::string_view bytes, int dimensions, const std::string& what) {
  ByteReader reader(bytes, what);
  const uint32_t expected = 0x800u + static_cast<uint32_t>(dimensions);
  const uint32_t magic = reader.big_endian32();
  require(magic == expected,
          "{} is not the IDX file it should be: its magic number is 0x{:08x}, not 0x{:08x}.", what,
          magic, expected);
  IdxBytes out;
  uint64_t elements = 1;
  for (int i = 0; i < dimensions; ++i) {
    const uint32_t extent = reader.big_endian32();
    require(extent > 0, "{}: dimension {} is 0.", what, i);
    out.shape.push_back(extent);
    // Stays far below overflow: an IDX file with more elements than bytes ends here.
    require(elements <= bytes.size(), "{} is truncated: its header promises more elements.", what);
    elements *= extent;
  }
  require(elements == reader.left(), "{} is {}: its header promises {} bytes, {} follow.", what,
          elements > reader.left() ? "truncated" : "too long", elements, reader.left());
  out.data = reader.take(elements);
  return out;
}

}  // namespace quantbench
