// Methods, datasets and models built out of tree: shared objects that register themselves when they
// are loaded. A run keeps which ones its parts came from, to the byte.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace quantbench {

// Loads a shared object. Throws Error when that fails or it registers nothing.
void load_plugin(const std::string& path);

// Of a part ("method", "dataset" or "model", and its name) from a plug-in "NAME VERSION SHA-256":
// its name and version (1 of what has none), and the digest of the shared object; "" of one that is
// built in.
std::string plugin_of(const std::string& kind, const std::string& name);

// The methods that came from plug-ins.
std::vector<std::string> methods_of_plugins();

// Keeps the shared object that a part came from in the folder plugins/ beside the store, by its
// digest, so that replay() and resume() find it. Nothing to do for what is built in.
void keep_plugin(const std::string& kind, const std::string& name,
                 const std::filesystem::path& store);

// Sees to it that a part of the plug-in `wanted` (as plugin_of() tells it; "": nothing to do) is
// there: loads the file of that digest from plugins/ beside the store or from a folder of
// $QUANTBENCH_PLUGINS (colons between). A plug-in of that part that is already loaded stays, of
// whatever digest. Throws Error, naming the plug-in, when there is none.
void find_plugin(const std::string& kind, const std::string& wanted,
                 const std::filesystem::path& store);

}  // namespace quantbench
