#include "bench/plugin.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <sstream>
#include <vector>

#include "base/error.h"
#include "base/sha256.h"
#include "methods/method.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

struct Plugin {
  fs::path path;
  std::string sha256;
};

// The plug-in of each method that has one.
std::map<std::string, Plugin>& registry() {
  static std::map<std::string, Plugin> plugins;
  return plugins;
}

bool is_digest(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

fs::path kept_folder(const fs::path& store) {
  return (store.has_parent_path() ? store.parent_path() : fs::path(".")) / "plugins";
}

std::vector<fs::path> folders(const fs::path& store) {
  std::vector<fs::path> out{kept_folder(store)};
  const char* named = std::getenv("QUANTBENCH_PLUGINS");
  std::istringstream in(named == nullptr ? "" : named);
  for (std::string folder; std::getline(in, folder, ':');)
    if (!folder.empty()) out.emplace_back(folder);
  return out;
}

fs::path file_with(const std::string& digest, const fs::path& store) {
  std::error_code code;
  for (const fs::path& folder : folders(store))
    for (const auto& entry : fs::directory_iterator(folder, code))
      if (entry.path().extension() == ".so" && entry.is_regular_file(code) &&
          sha256_file(entry.path()) == digest)
        return entry.path();
  return {};
}

}  // namespace

void load_plugin(const std::string& path) {
  const std::vector<std::string> before = methods().names();
  // dlopen searches the system's folders unless the name has a slash.
  const fs::path absolute = fs::absolute(path);
  const void* library = dlopen(absolute.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!library) fail("Cannot load the plug-in {}: {}.", path, dlerror());
  const std::vector<std::string> after = methods().names();
  require(after.size() > before.size(), "The plug-in {} registers no method.", path);
  const std::string digest = sha256_file(absolute);
  for (const std::string& name : after)
    if (std::find(before.begin(), before.end(), name) == before.end())
      registry()[name] = {absolute, digest};
}

std::string plugin_of(const std::string& method) {
  const auto found = registry().find(method);
  if (found == registry().end()) return "";
  return fmt::format("{} {} {}", method, methods().get(method).card.version, found->second.sha256);
}

void keep_plugin(const std::string& method, const fs::path& store) {
  const auto found = registry().find(method);
  if (found == registry().end()) return;
  const fs::path folder = kept_folder(store), kept = folder / (found->second.sha256 + ".so");
  if (fs::exists(kept)) return;
  fs::create_directories(folder);
  const fs::path part = folder / fmt::format("{}.{}.part", found->second.sha256, ::getpid());
  fs::copy_file(found->second.path, part, fs::copy_options::overwrite_existing);
  fs::rename(part, kept);
}

void find_plugin(const std::string& wanted, const fs::path& store) {
  if (wanted.empty()) return;
  std::istringstream in(wanted);
  std::string name, version, digest;
  in >> name >> version >> digest;
  require(is_digest(digest), "'{}' is no plug-in: it is its method, version and SHA-256.", wanted);
  const auto names = methods().names();
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  const fs::path file = file_with(digest, store);
  require(!file.empty(),
          "The method {} (version {}) came from a plug-in that is not here: give it with "
          "--plugin=FILE, or put it into a folder of $QUANTBENCH_PLUGINS; its SHA-256 is {}.",
          name, version, digest);
  load_plugin(file.string());
}

}  // namespace quantbench
