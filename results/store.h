// The store: one SQLite database that many processes may write at once. Everything a report shows
// is read from here; reports never know a tensor. The schema is described in results/SCHEMA.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace quantbench {

// Where a figure comes from (DESIGN rule 3). Everything that could change it.
struct Provenance {
  std::string source_revision;  // of quantbench; "unknown" outside a checkout
  bool source_dirty = false;
  std::string compiler, compiler_flags, build_type;
  std::map<std::string, std::string> libraries;  // "LibTorch" -> "1.13.1"
  std::string cpu, gpu, isa, blas, os;
  int threads = 0;
  std::string device = "cpu";
};

enum class RunStatus { Running, Ok, Mistrusted, Failed, Interrupted };
const char* name_of(RunStatus status);  // "running", "ok", "mistrusted", "failed", "interrupted"

// What a run is, before it starts.
struct RunRecord {
  int64_t id = 0;
  std::string uid;       // this run among those of all stores; set by the store
  std::string identity;  // SHA-256 of canonical recipe, dataset fingerprint and seed
  int repetition = 0;    // 0, 1, ... of this identity; set by the store
  std::string recipe;    // canonical text
  std::string method;
  int method_version = 0;
  std::string model, dataset, dataset_fingerprint, preprocessing;
  uint64_t seed = 0;
  std::string folder;  // where its checkpoints and package lay when a store kept that
  std::string name;    // of its recipe: for people, no part of its identity
  std::vector<std::string> tags;  // words that people gave it, without blanks
  Provenance provenance;

  RunStatus status = RunStatus::Running;
  std::string reason;             // why it is not ok: a sentence
  std::string started, finished;  // UTC, ISO 8601
};

// The outcome. Fields that do not apply stay empty. Accuracies are shares 0..1.
struct RunResult {
  std::optional<double> top1_fp32, top1_simulated, top1_shipped, top5_simulated;
  std::optional<double> validation_top1, test_loss;
  std::optional<int64_t> test_samples;
  std::optional<int64_t> size_bytes;             // the package file's length
  std::optional<int64_t> size_paper_bits;        // by the convention of the method's paper
  std::optional<int64_t> size_paper_parameters;  // that it counts; compression is 32 of them / bits
  std::optional<double> weight_bits_average, activation_bits_average;
  std::optional<int64_t> macs, bops;    // for one sample
  std::optional<double> integer_share;  // of the MACs, in the shipped package
  std::optional<double> train_seconds, total_seconds;
  std::optional<double> overhead;  // share of the training loop's time that is not in steps
  std::vector<std::pair<std::string, double>> figures;  // the method's own ("ebops"), in its order
  std::string weights_hash;                             // of the final simulated network
  std::string package_hash;                             // of the package file
  std::string predictions_hash;                         // of the simulated test predictions
};

struct EpochRow {
  std::string stage;  // "fp32", or the method's phase
  int64_t epoch = 0;
  double train_loss = 0, train_top1 = 0, validation_loss = 0, validation_top1 = 0;
  double learning_rate = 0, seconds = 0;
};

struct SiteRow {
  std::string name, kind;                      // kind: "weight", "output", ...
  double bits = 32;                            // mean, where elements differ
  int64_t elements = 0, macs = 0, levels = 0;  // levels: distinct codes in use (weights)
  std::string encoding;                        // "uniform", "codebook", "multi_bit", "float"
};

struct LatencyRow {
  std::string subject;  // "fp32", "fake_quantized", "package"
  std::string kind;     // "simulated", "integer with dequantized parts", "fused integer"
  std::string engine, isa;
  int threads = 0;
  int64_t batch = 0;
  double median_ms = 0, low_ms = 0, high_ms = 0;  // of one batch, over repetitions
  int64_t repetitions = 0;
  // Percentiles of one batch over all calls, and samples a second in batches of `offline_batch`;
  // absent where they were not taken.
  std::optional<double> p50_ms{}, p90_ms{}, p99_ms{};
  std::optional<int64_t> offline_batch{};
  std::optional<double> offline_per_second{};
};

struct PredictionRow {
  std::string kind;                                // "simulated" or "shipped"
  std::vector<int32_t> sample, predicted, target;  // sample: position in the test split
};

class Connection;

struct RunFilter {
  std::string method, model, dataset, status;  // empty: any
  int64_t limit = 0;                           // newest first; 0: all
  std::string tag = {};                        // empty: any
};

// Used by one thread at a time; every process (a forked one too) opens its own.
class Store {
 public:
  enum class Access {
    Write,  // created when missing; refused when it cannot be written
    Read,   // must be there; may be read-only, and is then refused by the first change
  };

  // Opens or creates the database, and brings an older schema up to date in one transaction; a
  // reader brings a copy up to date that is its own. Throws Error when the file is not a quantbench
  // database, is of a newer schema, holds views or triggers, or cannot be opened so.
  explicit Store(const std::filesystem::path& path, Access access = Access::Write);
  ~Store();
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;

  static int schema_version();
  static std::string sqlite_version();

  // One transaction each; waits for other writers. begin() assigns id, repetition and `started`.
  RunRecord begin(RunRecord run);
  void add_epochs(int64_t run, const std::vector<EpochRow>& rows);  // same (stage, epoch): replaced
  // A running run's outcome with everything that belongs to it, all or nothing. NaN is kept as
  // absent (std::nullopt in a RunResult, NaN again in rows).
  void finish(int64_t run, RunStatus status, const std::string& reason, const RunResult& result,
              const std::vector<SiteRow>& sites, const std::vector<LatencyRow>& latencies,
              const std::vector<PredictionRow>& predictions,
              const std::map<std::string, std::string>& artefacts);
  // Failed or Interrupted, of a running run: the epochs it has are kept.
  void end(int64_t run, RunStatus status, const std::string& reason);
  void reopen(int64_t run);  // Interrupted / Failed / Running -> Running, for a resume
  void tag(int64_t run, const std::vector<std::string>& tags);  // instead of those that it has
  void remove(int64_t run);                                     // with everything that hangs on it

  // Throws Error when there is no such run.
  RunRecord run(int64_t id) const;
  RunResult result(int64_t id) const;
  std::vector<RunRecord> runs(const RunFilter& filter = {}) const;
  std::vector<RunRecord> repetitions(const std::string& identity) const;
  std::vector<EpochRow> epochs(int64_t run) const;
  std::vector<SiteRow> sites(int64_t run) const;
  std::vector<LatencyRow> latencies(int64_t run) const;
  std::vector<PredictionRow> predictions(int64_t run) const;
  std::map<std::string, std::string> artefacts(int64_t run) const;

  // For the reports in results/, which scan more rows than a RunRecord each would be good for.
  const Connection& connection() const;

 private:
  struct Database;
  std::unique_ptr<Database> database_;
};

}  // namespace quantbench
