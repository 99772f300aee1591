#include "bench/plugin.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/hexadecimal.h"
#include "base/sha256.h"
#include "datasets/dataset.h"
#include "methods/method.h"
#include "models/model.h"
#include "results/run_folder.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

struct Plugin {
  fs::path path;
  std::string sha256;
};

using Part = std::pair<std::string, std::string>;  // "method", "dataset" or "model", and its name

// The plug-in of each part that has one.
std::map<Part, Plugin>& registry() {
  static std::map<Part, Plugin> plugins;
  return plugins;
}

std::set<Part> registered_parts() {
  std::set<Part> out;
  for (const std::string& name : methods().names()) out.emplace("method", name);
  for (const std::string& name : datasets().names()) out.emplace("dataset", name);
  for (const std::string& name : models().names()) out.emplace("model", name);
  return out;
}

fs::path kept_folder(const fs::path& store) { return store_folder(store) / "plugins"; }

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
  const std::set<Part> before = registered_parts();
  // dlopen searches the system's folders unless the name has a slash.
  const fs::path absolute = fs::absolute(path);
  const void* library = dlopen(absolute.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!library) fail("Cannot load the plug-in {}: {}.", path, dlerror());
  const std::set<Part> after = registered_parts();
  require(after.size() > before.size(), "The plug-in {} registers no method, dataset or model.",
          path);
  const std::string digest = sha256_file(absolute);
  for (const Part& part : after)
    if (before.count(part) == 0) registry()[part] = {absolute, digest};
}

std::string plugin_of(const std::string& kind, const std::string& name) {
  const auto found = registry().find({kind, name});
  if (found == registry().end()) return "";
  const int version = kind == "method" ? methods().get(name).card.version : 1;
  return fmt::format("{} {} {}", name, version, found->second.sha256);
}

std::vector<std::string> methods_of_plugins() {
  std::vector<std::string> out;
  for (const auto& [part, plugin] : registry())
    if (part.first == "method") out.push_back(part.second);
  return out;
}

void keep_plugin(const std::string& kind, const std::string& name, const fs::path& store) {
  const auto found = registry().find({kind, name});
  if (found == registry().end()) return;
  const fs::path folder = kept_folder(store), kept = folder / (found->second.sha256 + ".so");
  if (fs::exists(kept)) return;
  fs::create_directories(folder);
  const fs::path part = folder / fmt::format("{}.{}.part", found->second.sha256, ::getpid());
  fs::copy_file(found->second.path, part, fs::copy_options::overwrite_existing);
  fs::rename(part, kept);
}

void find_plugin(const std::string& kind, const std::string& wanted, const fs::path& store) {
  if (wanted.empty()) return;
  std::istringstream in(wanted);
  std::string name, version, digest;
  in >> name >> version >> digest;
  require(is_hexadecimal(digest, 64), "'{}' is no plug-in: it is its {}, version and SHA-256.",
          wanted, kind);
  if (registered_parts().count({kind, name})) return;
  const fs::path file = file_with(digest, store);
  require(!file.empty(),
          "The {} {} (version {}) came from a plug-in that is not here: give it with "
          "--plugin=FILE, or put it into a folder of $QUANTBENCH_PLUGINS; its SHA-256 is {}.",
          kind, name, version, digest);
  load_plugin(file.string());
}

}  // namespace quantbench
