// The interface of a dataset. A dataset reads one real format (or makes a synthetic stand-in),
// keeps its three splits apart, and yields batches. It knows no network and no method.
//
// Adding one: a .cpp in this folder that ends in QUANTBENCH_DATASET(...) and a line in
// CMakeLists.txt.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/batch.h"
#include "base/options.h"
#include "base/random.h"
#include "base/registry.h"

namespace quantbench {

// Model selection may look at Validation, never at Test.
enum class Split { Train, Validation, Test };
const char* name_of(Split split);

// What one batch is made of: positions within a split, and how images are varied.
struct BatchRequest {
  std::vector<int64_t> positions;  // into the split
  bool augment = false;            // the dataset's standard training augmentation
  RandomStream random{0, ""};  // of this epoch; keyed further by position, so order cannot matter
};

class Dataset {
 public:
  virtual ~Dataset() = default;

  // Number of samples of a split; Validation may have none. A dataset of one graph (node
  // classification) has one sample in each split: the whole graph, with that split's rows scored.
  virtual int64_t size(Split split) const = 0;
  virtual int64_t class_count() const = 0;
  // Without the batch dimension: {C, H, W} of images, {features} of graph nodes and rows.
  virtual std::vector<int64_t> input_shape() const = 0;
  // Safe to call from several threads at once. Throws Error when a position is not in the split.
  virtual Batch batch(Split split, const BatchRequest& request) const = 0;
  // SHA-256 of the bytes that were read, decompressed (of the parameters, for synthetic data), and
  // of what chose the split.
  virtual std::string fingerprint() const = 0;
  // Mean, deviation, crop, ...: what was done to the raw numbers, in words (part of comparability).
  virtual std::string preprocessing() const = 0;

  // The name under which lists know a sample: of its file, where it has one.
  virtual std::string sample_name(Split split, int64_t position) const;
  // batch() uses several threads itself, so that a loader need not make several batches at a time.
  virtual bool is_parallel() const { return false; }
  // What people should know of the samples read so far, a sentence each: which were left out.
  virtual std::vector<std::string> remarks() const { return {}; }
};

struct DatasetConfig {
  std::filesystem::path root;  // the folder that holds all datasets
  OptionValues options;
  uint64_t seed = 0;  // the run's; it chooses the validation split when option split_seed is -1
  int threads = 1;    // that one batch() may use; what it gives does not depend on them
};

struct DatasetEntry {
  std::string name, help;
  bool graphs = false;
  std::vector<Option> options;
  // Throws Error when files are missing or wrong.
  std::function<std::unique_ptr<Dataset>(const DatasetConfig&)> open;
  // Whether its files lie under the root: "" or a sentence that says what is missing. None: it
  // needs no files.
  std::function<std::string(const std::filesystem::path& root)> missing;
  bool rows = false;  // of features: neither graphs nor images
};

Registry<DatasetEntry>& datasets();

// The data root: `option` if not empty, else $QUANTBENCH_DATA, else ./data.
std::filesystem::path data_root(const std::string& option);

// The fingerprint of data that is made on the spot: of its name, the version of the code that makes
// it, and its options.
std::string synthetic_fingerprint(const std::string& name, int version,
                                  const OptionValues& options);

#define QUANTBENCH_DATASET(entry) QUANTBENCH_DATASET_AT(entry, __LINE__)
#define QUANTBENCH_DATASET_AT(entry, line) QUANTBENCH_DATASET_NAMED(entry, line)
#define QUANTBENCH_DATASET_NAMED(entry, line)                     \
  static const bool quantbench_dataset_registered_##line = []() { \
    ::quantbench::DatasetEntry made = entry;                      \
    return ::quantbench::datasets().add(made.name, made);         \
  }()

}  // namespace quantbench
