// The JSON form of runs, as `runs` and `show` print it. Keys are documented in results/SCHEMA.md;
// what a run does not have is null.
#pragma once

#include <nlohmann/json.hpp>

#include "results/store.h"

namespace quantbench {

// "; 2.0 % of the test split" where a result stands for a part of it only, else "": such a result
// is never ranked with whole ones (results/contract.h).
std::string partial_note(const RunResult& result);

// One run in a line: id, identity, method, model, dataset, seed, status, top1_simulated,
// top1_shipped, size_bytes, weight_bits_average, ...
nlohmann::ordered_json summary_json(const RunRecord& run, const RunResult& result);

// What makes a run comparable (results/contract.h); empty texts while it has no result.
nlohmann::ordered_json contract_json(const Store& store, int64_t run);

// Every timing of a run, in its order.
nlohmann::ordered_json latencies_json(const Store& store, int64_t run);

// summary_json with recipe, provenance, contract, sites, epochs, latencies and artefacts.
nlohmann::ordered_json details_json(const Store& store, int64_t run);

}  // namespace quantbench
