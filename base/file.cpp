#include "base/file.h"

#include <zlib.h>

#include <fstream>
#include <memory>
#include <sstream>

namespace quantbench {
namespace fs = std::filesystem;

std::string read_file(const fs::path& path, uint64_t limit) {
  std::error_code code;
  require(!fs::is_directory(path, code), "{} is a folder, not a file.", path.string());
  const uint64_t size = fs::file_size(path, code);
  require(!code, "Cannot read {}: {}.", path.string(), code.message());
  require(size <= limit, "{} has {} bytes; at most {} are accepted.", path.string(), size, limit);
  std::ifstream in(path, std::ios::binary);
  require(in.good(), "Cannot open {}.", path.string());
  std::string bytes(static_cast<size_t>(size), '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  require(static_cast<uint64_t>(in.gcount()) == size, "Reading {} failed half-way.", path.string());
  return bytes;
}

std::string read_gzip(const fs::path& path, uint64_t limit) {
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  require(file != nullptr, "Cannot open {}.", path.string());
  std::string bytes;
  std::string chunk(size_t{1} << 18, '\0');
  for (;;) {
    const int count = gzread(file.get(), chunk.data(), static_cast<unsigned>(chunk.size()));
    int code = Z_OK;
    const char* why = gzerror(file.get(), &code);
    require(count >= 0 && (code == Z_OK || code == Z_STREAM_END), "{} is a corrupt gzip file: {}.",
            path.string(), why);
    if (count == 0) break;
    require(bytes.size() + static_cast<size_t>(count) <= limit,
            "{} unfolds to more than the {} bytes that are accepted.", path.string(), limit);
    bytes.append(chunk.data(), static_cast<size_t>(count));
  }
  return bytes;
}

std::string compress(std::string_view bytes) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  const int code = compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                             reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), 6);
  require(code == Z_OK, "Compression failed with zlib code {}.", code);
  out.resize(size);
  return out;
}

std::string decompress(std::string_view bytes, uint64_t size) {
  // Deflate cannot shrink by more than a factor of about 1032.
  require(size <= (bytes.size() + 64) * 1100, "A compressed blob of {} bytes cannot hold {}.",
          bytes.size(), size);
  std::string out(size, '\0');
  uLongf got = size;
  const int code = uncompress(reinterpret_cast<Bytef*>(out.data()), &got,
                              reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  require(code == Z_OK && got == size, "A compressed blob is corrupt (zlib code {}).", code);
  return out;
}

}  // namespace quantbench
