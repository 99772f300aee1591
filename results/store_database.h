// What is behind a Store: shared by its writing and its reading half.
#pragma once

#include "results/sqlite.h"
#include "results/store.h"

namespace quantbench {

// Every column of `results` but the key, in the order in which both halves go through RunResult.
constexpr const char* kResultColumns =
    "top1_fp32, top1_simulated, top1_shipped, top5_simulated, validation_top1, test_loss, "
    "test_samples, size_bytes, size_paper_bits, size_paper_parameters, weight_bits_average, "
    "activation_bits_average, macs, bops, integer_share, train_seconds, total_seconds, overhead, "
    "weights_hash, package_hash, predictions_hash";

struct Store::Database {
  Connection connection;

  // The status of a run. Throws Error when there is no such run.
  RunStatus status(int64_t run) const;
};

// Throws Error on a word that is no status.
RunStatus run_status(const std::string& name);

// A PredictionRow's three columns as one zlib stream of little-endian int32: the samples as
// differences, then the predictions, then the targets. unpack throws Error, naming `what`, unless
// the stream is whole and holds exactly `count` of each.
std::string pack_predictions(const PredictionRow& row);
PredictionRow unpack_predictions(const std::string& kind, int64_t count, const std::string& data,
                                 const std::string& what);

}  // namespace quantbench
