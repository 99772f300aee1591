// The reference: what the project itself measured, a folder of reference files
// (results/reference_file.h). It is read as a store of its own, so every report reads it like any
// other store and no run of it is ever counted among local ones.
#pragma once

#include <filesystem>

#include "results/store.h"

namespace quantbench {

// The store that the files NAME.json of a folder make: a temporary database that is gone with the
// Store. Throws Error, naming the file, when one is longer than 8 MiB or no reference file, when
// two have a run in common, or when there are more than 10,000 or none at all.
Store read_reference(const std::filesystem::path& folder);

// Writes the runs with status ok that the filter leaves, those of the newest version of their
// method, of each seed the newest, into the files of their configurations. Seeds that a file has
// and the store has not stay there, unless they are of an older version. Returns how many files
// were written. Throws Error when a file there is damaged or of a newer version of the method.
size_t export_reference(const Store& store, const RunFilter& filter,
                        const std::filesystem::path& folder);

}  // namespace quantbench
