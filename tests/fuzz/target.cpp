#include "tests/fuzz/target.h"

#include <unistd.h>

#include <fstream>

#include "base/error.h"

namespace quantbench::fuzz {
namespace fs = std::filesystem;
namespace {

const fs::path& folder() {
  static const fs::path made = [] {
    const fs::path root =
        fs::is_directory("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
    std::string name = (root / "quantbench-fuzz-XXXXXX").string();
    return fs::path(::mkdtemp(name.data()));
  }();
  return made;
}

struct RemovedAtTheEnd {
  ~RemovedAtTheEnd() {
    std::error_code ignored;
    fs::remove_all(folder(), ignored);
  }
} removed_at_the_end;

}  // namespace

std::vector<Target>& targets() {
  static std::vector<Target> known;
  return known;
}

void call(const Target& target, std::string_view bytes) {
  try {
    target.read(bytes);
  } catch (const Error&) {
    // A sentence is an answer.
  }
}

fs::path file_of(const std::string& name, std::string_view bytes) {
  const fs::path path = folder() / name;
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return path;
}

std::vector<std::string> parts_of(std::string_view bytes, size_t count) {
  constexpr std::string_view between("\xff\xfe\xfd", 3);
  std::vector<std::string> out;
  while (out.size() + 1 < count) {
    const size_t end = bytes.find(between);
    if (end == std::string_view::npos) break;
    out.emplace_back(bytes.substr(0, end));
    bytes.remove_prefix(end + between.size());
  }
  out.emplace_back(bytes);
  out.resize(count);
  return out;
}

}  // namespace quantbench::fuzz
