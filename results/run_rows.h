// The rows that a run consists of, as a store writes them and as a merge does. Every function adds
// to the transaction that is open; whatever many runs share is found by a digest computed here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "results/sqlite.h"
#include "results/store.h"

namespace quantbench {

// The run with all its columns but `repetition`, which is the next of its identity. A new number
// where `run.id` is 0; returns the number.
int64_t insert_run(const Connection& connection, const RunRecord& run);

// Rows of the same stage and epoch are replaced.
void insert_epochs(const Connection& connection, int64_t run, const std::vector<EpochRow>& rows);

// The outcome, its sites, and the contract that follows from them and from the epochs, which must
// be there already.
void insert_result(const Connection& connection, int64_t run, const RunResult& result,
                   const std::vector<SiteRow>& sites);

void insert_latencies(const Connection& connection, int64_t run,
                      const std::vector<LatencyRow>& rows);
void insert_artefacts(const Connection& connection, int64_t run,
                      const std::map<std::string, std::string>& artefacts);

}  // namespace quantbench
