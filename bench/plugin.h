// Methods built out of tree: shared objects that register themselves when they are loaded. A run
// keeps which one its method came from, to the byte.
#pragma once

#include <filesystem>
#include <string>

namespace quantbench {

// Loads a shared object. Throws Error when that fails or it registers no method.
void load_plugin(const std::string& path);

// Of a method from a plug-in "NAME VERSION SHA-256": the method's name and version, and the digest
// of the shared object; "" of one that is built in.
std::string plugin_of(const std::string& method);

// Keeps the shared object that `method` came from in the folder plugins/ beside the store, by its
// digest, so that replay() and resume() find it. Nothing to do for a built-in method.
void keep_plugin(const std::string& method, const std::filesystem::path& store);

// Sees to it that a method of the plug-in `wanted` (as plugin_of() tells it; "": nothing to do) is
// there: loads the file of that digest from plugins/ beside the store or from a folder of
// $QUANTBENCH_PLUGINS (colons between). A plug-in of that method that is already loaded stays, of
// whatever digest. Throws Error, naming the plug-in, when there is none.
void find_plugin(const std::string& wanted, const std::filesystem::path& store);

}  // namespace quantbench
