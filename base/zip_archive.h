// Reading zip archives, with sizes checked before anything is allocated.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

struct zip;

namespace quantbench {

class ZipArchive {
 public:
  // Throws Error when the file is no zip archive, or a damaged one.
  explicit ZipArchive(const std::filesystem::path& path);

  std::vector<std::string> names() const;
  bool has(const std::string& name) const;

  // The bytes of an entry that is stored as it is. All that is read so cannot be longer than the
  // file. Throws Error when there is no such entry, when it is damaged, and when it is compressed.
  std::string read_stored(const std::string& name);
  // The bytes of any entry of at most `limit` bytes, decompressed. Throws Error likewise.
  std::string read(const std::string& name, uint64_t limit);

 private:
  std::string read_bytes(const std::string& name, uint64_t size);

  std::string what_;
  uint64_t left_;
  std::unique_ptr<zip, void (*)(zip*)> zip_;
};

}  // namespace quantbench
