#include "base/zip_archive.h"

#include <zip.h>

#include "base/error.h"

namespace quantbench {
namespace {

zip_stat_t stat_of(zip_t* archive, const std::string& name, const std::string& what) {
  zip_stat_t stat;
  const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD;
  require(zip_stat(archive, name.c_str(), ZIP_FL_ENC_RAW, &stat) == 0 &&
              (stat.valid & needed) == needed,
          "{} has no entry '{}'.", what, name);
  return stat;
}

}  // namespace

ZipArchive::ZipArchive(const std::filesystem::path& path)
    : what_(path.string()), left_(std::filesystem::file_size(path)), zip_(nullptr, zip_discard) {
  int code = 0;
  zip_.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
  require(zip_ != nullptr, "{} is a damaged or truncated zip archive (libzip error {}).", what_,
          code);
}

std::vector<std::string> ZipArchive::names() const {
  std::vector<std::string> out;
  const zip_int64_t count = zip_get_num_entries(zip_.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name = zip_get_name(zip_.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
    out.emplace_back(name ? name : "");
  }
  return out;
}

bool ZipArchive::has(const std::string& name) const {
  return zip_name_locate(zip_.get(), name.c_str(), ZIP_FL_ENC_RAW) >= 0;
}

std::string ZipArchive::read_stored(const std::string& name) {
  const zip_stat_t stat = stat_of(zip_.get(), name, what_);
  require(stat.comp_method == ZIP_CM_STORE, "{}: the entry '{}' is compressed.", what_, name);
  require(stat.size <= left_, "{}: its entries are longer than the file.", what_);
  left_ -= stat.size;
  return read_bytes(name, stat.size);
}

std::string ZipArchive::read(const std::string& name, uint64_t limit) {
  const zip_stat_t stat = stat_of(zip_.get(), name, what_);
  require(stat.size <= limit, "{}: the entry '{}' has {} bytes; at most {} are read.", what_, name,
          stat.size, limit);
  // No method packs tighter than deflate does at best.
  constexpr uint64_t kTightest = 1100;
  require(stat.size / kTightest <= std::filesystem::file_size(what_),
          "{}: the entry '{}' cannot have {} bytes.", what_, name, stat.size);
  return read_bytes(name, stat.size);
}

std::string ZipArchive::read_bytes(const std::string& name, uint64_t size) {
  std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(
      zip_fopen(zip_.get(), name.c_str(), ZIP_FL_ENC_RAW), zip_fclose);
  require(file != nullptr, "{}: the entry '{}' is damaged.", what_, name);
  std::string bytes(size, '\0');
  const zip_int64_t got = zip_fread(file.get(), bytes.data(), bytes.size());
  char beyond = 0;  // reading on to the end makes libzip compare the checksum
  require(got == static_cast<zip_int64_t>(bytes.size()) && zip_fread(file.get(), &beyond, 1) == 0,
          "{}: the entry '{}' is damaged.", what_, name);
  return bytes;
}

}  // namespace quantbench
