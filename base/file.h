// Reading foreign bytes with bounds checked before anything is allocated, and writing files that
// are either whole or not there.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace quantbench {

// The whole file. Throws Error when it is missing, unreadable or longer than `limit` bytes.
std::string read_file(const std::filesystem::path& path, uint64_t limit = uint64_t{1} << 32);

// The whole decompressed content of a .gz file (or of a plain one: zlib passes it through). Throws
// Error when it is corrupt or unfolds to more than `limit` bytes.
std::string read_gzip(const std::filesystem::path& path, uint64_t limit);

// Raw zlib streams, for blobs kept in a database. decompress() throws Error when `bytes` is corrupt
// or does not unfold to exactly `size` bytes.
std::string compress(std::string_view bytes);
std::string decompress(std::string_view bytes, uint64_t size);

// Writes to a `path`.*.part of its own, syncs and renames it; when it fails (a full disk included),
// what stood at `path` is untouched and Error is thrown. Links and devices: see file_write.cpp.
void write_atomically(const std::filesystem::path& path,
                      const std::function<void(std::ostream&)>& write);
void write_atomically(const std::filesystem::path& path, std::string_view bytes);

// A cursor over bytes that refuses to read past their end.
class ByteReader {
 public:
  // `what` names the file in error messages.
  ByteReader(std::string_view bytes, std::string what) : bytes_(bytes), what_(std::move(what)) {}

  size_t left() const { return bytes_.size() - position_; }
  size_t position() const { return position_; }
  const std::string& what() const { return what_; }

  std::string_view take(uint64_t count) {
    require(count <= left(), "{} is truncated: {} bytes wanted at offset {}, {} left.", what_,
            count, position_, left());
    std::string_view out = bytes_.substr(position_, static_cast<size_t>(count));
    position_ += static_cast<size_t>(count);
    return out;
  }

  // A number in the machine's (little-endian) order.
  template <typename T>
  T number() {
    static_assert(std::is_arithmetic_v<T>);
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  uint32_t big_endian32() { return __builtin_bswap32(number<uint32_t>()); }

 private:
  std::string_view bytes_;
  std::string what_;
  size_t position_ = 0;
};

}  // namespace quantbench
