#include "bench/plugin.h"

#include <dlfcn.h>

#include <filesystem>

#include "base/error.h"
#include "methods/method.h"

namespace quantbench {

void load_plugin(const std::string& path) {
  const size_t before = methods().names().size();
  // dlopen searches the system's folders unless the name has a slash.
  const std::string absolute = std::filesystem::absolute(path).string();
  const void* library = dlopen(absolute.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!library) fail("Cannot load the plug-in {}: {}.", path, dlerror());
  require(methods().names().size() > before, "The plug-in {} registers no method.", path);
}

}  // namespace quantbench
