// Runs for other programs: CSV and JSON for notebooks, and the folders of an MLflow tracking store.
#pragma once

#include <filesystem>
#include <string>

#include "results/store.h"

namespace quantbench {

// One run a line, the keys of `runs --format json`, the settings and the contract as columns. RFC
// 4180; what a run does not have is empty.
std::string export_csv(const Store& store, const RunFilter& filter);

// A list of objects with the same keys, `recipe` as an object and `contract` as one.
std::string export_json(const Store& store, const RunFilter& filter);

// MLflow's file store: one experiment of the name `quantbench`, a folder a run with params (the
// recipe), metrics (with the epochs as steps) and tags. Whole or not there. Throws Error when
// something stands at `folder`.
void export_mlflow(const Store& store, const RunFilter& filter,
                   const std::filesystem::path& folder);

}  // namespace quantbench
