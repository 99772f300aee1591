// All runs of a store at once, as leaderboards and histories scan them: one short row a run, what
// many runs have in common once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "results/contract.h"
#include "results/store.h"

namespace quantbench {

struct BoardRow {
  int64_t id = 0;
  std::string status, method, model, dataset;
  int64_t started = -1;  // seconds since 1970; -1: unknown
  int64_t method_version = 0, repetition = 0, seed = 0;
  int64_t configuration = 0, contract = 0;  // contract 0: the run has no result
  std::optional<double> top1_fp32, top1_simulated, top1_shipped, size_bytes, weight_bits,
      activation_bits, bops, train_seconds;
  int64_t test_samples = 0;
  int64_t data = 0;     // into Board::fingerprints
  int64_t machine = 0;  // into Board::machines
  // Of the package where it was timed, else of the simulated network with quantizers, else in FP32.
  int64_t latency_kind = -1;     // into Board::latency_kinds; -1: not timed
  bool latency_shipped = false;  // of the package, not of a simulation
  double latency_ms = 0, latency_low = 0, latency_high = 0;

  std::optional<double> top1() const { return top1_shipped ? top1_shipped : top1_simulated; }
};

struct Board {
  std::vector<BoardRow> rows;  // by number
  // Subject, kind, engine, ISA, threads, batch and machine: times of one kind may be compared.
  std::vector<std::string> latency_kinds;
  std::vector<std::string> fingerprints;    // of data
  std::vector<std::string> machines;        // processor, GPU, vector unit and device
  std::map<int64_t, std::string> settings;  // of configurations
  std::map<int64_t, Contract> contracts;
};

Board read_board(const Store& store);

// Seconds since 1970 of "2026-01-31" or "2026-01-31T03:00:00Z"; -1 when it is neither.
int64_t seconds_of(std::string_view iso);

}  // namespace quantbench
