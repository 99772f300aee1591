// SHA-256 of bytes and files, as lower-case hex. The digests are fingerprints (of datasets,
// weights, recipes), never secrets.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace quantbench {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  Sha256& update(const void* data, size_t size);
  Sha256& update(std::string_view text) { return update(text.data(), text.size()); }

  // The digest of everything so far, 64 hex digits. The object is spent afterwards.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256(std::string_view bytes);

// Throws Error when the file cannot be read.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace quantbench
