// LHC jets by 16 high-level features, 5 classes (gluon, quark, W, Z, top): the data set
// hls4ml_lhc_jets_hlf of OpenML (number 42468), as an ARFF file.
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "datasets/arff.h"
#include "datasets/numpy_random.h"
#include "datasets/table.h"

namespace quantbench {
namespace {
namespace fs = std::filesystem;

constexpr size_t kFeatures = 16, kClasses = 5;
constexpr uint64_t kMostBytes = uint64_t{1} << 31;
constexpr double kTestShare = 0.2, kValidationShare = 0.15;  // the second of what the first leaves

fs::path file(const fs::path& root) { return root / "jet_hlf" / "hls4ml_lhc_jets_hlf.arff"; }

std::string missing(const fs::path& root) {
  std::error_code code;
  if (fs::exists(file(root), code)) return "";
  return fmt::format(
      "{} is missing; download data set 42468 (hls4ml_lhc_jets_hlf) from openml.org as ARFF and "
      "put it there, or say with --data where it lies.",
      file(root).string());
}

Table read_table(const fs::path& path, Sha256& digest) {
  const std::string text = read_file(path, kMostBytes);
  digest.update(text);
  const ArffTable arff = parse_arff(text, path.string());
  size_t label = kFeatures + 1;
  size_t nominal = 0;
  for (size_t i = 0; i < arff.columns.size(); ++i)
    if (!arff.columns[i].categories.empty()) {
      label = i;
      ++nominal;
    }
  require(arff.columns.size() == kFeatures + 1 && nominal == 1 &&
              arff.columns[label].categories.size() == kClasses,
          "{} does not have {} numeric columns and one of {} classes.", path.string(), kFeatures,
          kClasses);
  const int64_t rows = arff.rows();
  Table out{torch::empty({rows, static_cast<int64_t>(kFeatures)}),
            torch::empty({rows}, torch::kLong),
            {}};
  float* feature = out.features.data_ptr<float>();
  int64_t* target = out.labels.data_ptr<int64_t>();
  for (size_t i = 0; i < arff.values.size(); ++i) {
    if (i % arff.columns.size() == label)
      *target++ = static_cast<int64_t>(arff.values[i]);
    else
      *feature++ = arff.values[i];
  }
  return out;
}

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  const std::string gap = missing(config.root);
  require(gap.empty(), "{}", gap);
  Sha256 digest;
  const Table all = read_table(file(config.root), digest);
  const int64_t rows = all.labels.size(0);
  const auto share = [](double part, int64_t of) {
    return static_cast<int64_t>(std::llround(part * static_cast<double>(of)));
  };
  // As scikit-learn's train_test_split(test_size=0.2, random_state=seed), which rounds up.
  const auto test = static_cast<int64_t>(std::ceil(kTestShare * static_cast<double>(rows)));
  const int64_t validation = share(kValidationShare, rows - test);
  require(test > 0 && validation > 0 && rows > test + validation,
          "{} has {} samples, too few for three splits.", file(config.root).string(), rows);
  const int64_t seed = config.options.integer("split_seed");
  const std::vector<int64_t> order = NumpyRandom(static_cast<uint32_t>(seed)).permutation(rows);
  const auto part = [&](int64_t first, int64_t last) {
    return select(all, {order.begin() + first, order.begin() + last});
  };
  std::array<Table, 3> tables{part(test, rows - validation), part(rows - validation, rows),
                              part(0, test)};
  const Table both = part(test, rows);
  standardise(both, {&tables[0], &tables[1], &tables[2]});
  digest.update(fmt::format(" train_test_split {}", seed));
  return std::make_unique<TableDataset>(
      std::move(tables), static_cast<int64_t>(kClasses), digest.hex(),
      fmt::format("20 % test by scikit-learn's train_test_split with random_state {}, the last 15 "
                  "% of the rest validation; mean 0 and deviation 1 of each feature over training "
                  "and validation",
                  seed));
}

DatasetEntry entry() {
  return {"jet_hlf",
          "LHC jets, 16 high-level features, 5 classes: OpenML 42468, 830,000 samples, ARFF",
          false,
          {Option::integer("split_seed", 42, 0, int64_t{1} << 31, "seed that chooses the splits")},
          open,
          missing,
          true};
}

}  // namespace

QUANTBENCH_DATASET(entry());

}  // namespace quantbench
