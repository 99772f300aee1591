// Runs for other programs: CSV and JSON for notebooks, and the folders of an MLflow tracking store.
#pragma once

#include <filesystem>
#include <string>

#include "results/store.h"

namespace quantbench {

// One run a line; columns are the keys of `runs --format json`, the settings, the contract, and
// every key of any run's recipe ("recipe.uniform.weight_bits"). RFC 4180; what a run does not have
// is empty.
std::string export_csv(const Store& store, const RunFilter& filter);

// A list of objects with the same keys, `recipe` as an object and `contract` as one.
std::string export_json(const Store& store, const RunFilter& filter);

// MLflow's file store: an experiment of the name `quantbench`, a folder a run with params (the
// recipe), metrics (epochs as steps, at the time when each ended), tags, and artefacts: those of
// the run, its package and its recipe, from its folder beside the store's file `store_path`. A
// store of MLflow that is there gets the runs that it does not have; each appears whole. Throws
// Error when `folder` holds something else.
void export_mlflow(const Store& store, const RunFilter& filter, const std::filesystem::path& folder,
                   const std::filesystem::path& store_path);

// TensorBoard's event files, a folder a run: curves over epochs, and the results as figures at step
// 0. Files of the same runs are replaced.
void export_tensorboard(const Store& store, const RunFilter& filter,
                        const std::filesystem::path& folder);

}  // namespace quantbench
