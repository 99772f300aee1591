#include "bench/kept_files.h"

#include "base/file.h"
#include "base/hexadecimal.h"
#include "base/sha256.h"
#include "results/run_folder.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

constexpr size_t kDigits = 12;

}  // namespace

std::string name_with_digest(const std::string& label, const std::string& text) {
  return label + ":" + sha256(text).substr(0, kDigits);
}

std::string digest_digits(const std::string& name) {
  const size_t colon = name.rfind(':');
  if (colon == std::string::npos) return "";
  const std::string digits = name.substr(colon + 1);
  return is_hexadecimal(digits, kDigits) ? digits : "";
}

const std::string* KeptFiles::find(const std::string& name) const {
  const auto found = texts_.find(name);
  return found == texts_.end() ? nullptr : &found->second;
}

fs::path KeptFiles::place(const std::string& name, const fs::path& store) const {
  return store_folder(store) / folder_ / (digest_digits(name) + extension_);
}

void KeptFiles::keep(const std::string& name, const fs::path& store) const {
  const std::string* text = find(name);
  if (text == nullptr) return;
  const fs::path kept = place(name, store);
  if (fs::exists(kept)) return;
  fs::create_directories(kept.parent_path());
  write_atomically(kept, *text);
}

}  // namespace quantbench
