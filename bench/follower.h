// A process that helps to train the runs of another one (data_parallel.h): it has no store, writes
// nothing, and says nothing but why it had to end.
#pragma once

#include "bench/runner.h"

namespace quantbench {

// Who takes part in a run, for the recipe and its limits. Throws Error when the recipe asks for
// another number of processes, or when its batches cannot be shared among them.
void require_processes(const Recipe& recipe, const DataParallel* parallel);

// Rank 0: what the others need to know of a run. They have its dataset, plug-ins and model files
// themselves, where this process has them. Throws Error when one cannot take part.
void call_followers(DataParallel& parallel, const RunRecord& run,
                    const std::vector<std::string>& calibration, bool resume);

// The others: takes part in every run until rank 0 ends; the exit code.
int follow(const RunnerConfig& config);

}  // namespace quantbench
