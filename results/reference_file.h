// A reference file: one configuration (a recipe without its seed, one version of its method) with
// the runs of its seeds, as JSON that people can read and put under version control. The format is
// described in results/reference/FORMAT.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "results/contract.h"
#include "results/store.h"

namespace quantbench {

struct ReferenceRun {
  RunRecord record;  // without number and repetition, which a store gives
  RunResult result;
  Contract contract;
  std::vector<LatencyRow> latencies;
};

// "METHOD_MODEL_DATASET_DIGEST.json": a configuration's file.
std::string reference_name(const RunRecord& run);

// The runs of one configuration, one a seed, by seed. Throws Error when they are not that.
std::string reference_text(std::vector<ReferenceRun> runs);

// Throws Error, a sentence that begins with `what`, when the text is not a reference file of this
// version: hashes and uids that are none, a seed twice, a mean that its seeds do not have, a digest
// that its recipe does not have, more than 64 KiB in one text, more than 10,000 runs.
std::vector<ReferenceRun> parse_reference(std::string_view text, const std::string& what);

}  // namespace quantbench
