// The reference beside the store: where the files of results/reference lie, and what reports show
// of them.
#pragma once

#include <filesystem>
#include <optional>

#include "bench/arguments.h"

namespace quantbench {

// The folder that --reference names, else the one of the installed program
// (../share/quantbench/reference) or of the source tree that it was built in; empty where there is
// none, where --reference says `no`, or where --store is a folder of reference files itself.
std::filesystem::path reference_folder(const Arguments& arguments);

// That folder as a store of its own. Throws Error when a file there is no reference file.
std::optional<Store> reference_store(const Arguments& arguments);

// A store to read: a database, or a folder of reference files. Throws Error when it is neither.
Store store_at(const std::filesystem::path& path);

// "Reference runs (FOLDER), apart from those of the store:", in the words of `format`; "" for
// formats that programs read, which hold one store only.
std::string reference_heading(const Arguments& arguments);

}  // namespace quantbench
