// Where the files of a run lie: beside its store, in a folder that is named by the run's uid, so
// that stores which share a folder never write into each other's runs.
#pragma once

#include <filesystem>

#include "results/store.h"

namespace quantbench {

// The folder that the database `store` lies in: what belongs to its runs lies beside it.
std::filesystem::path store_folder(const std::filesystem::path& store);

// The folder of `run` beside the database `store`, there or not. Nothing of its path is text of the
// store but the uid, which is checked. A run of an older program, whose folder began with its
// number, keeps that folder where it is there and holds the recipe of this very run. Throws Error
// when the uid is not 32 hexadecimal digits.
std::filesystem::path run_folder(const std::filesystem::path& store, const RunRecord& run);

}  // namespace quantbench
