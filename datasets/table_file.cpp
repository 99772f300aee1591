// A table of your own: a CSV file with a column of labels, or an .npz with arrays x and y. Test
// rows stand in a file of their own (arrays x_test and y_test), or a seed draws them.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "datasets/csv_rows.h"
#include "datasets/npz.h"
#include "datasets/table.h"

namespace quantbench {
namespace {
namespace fs = std::filesystem;

constexpr char kName[] = "table";
constexpr uint64_t kMostBytes = uint64_t{1} << 31;
constexpr int64_t kMostClasses = 65536;

// Rows of one source: their labels are words, or numbers already.
struct Source {
  Tensor features;
  std::vector<std::string> labels;
};

fs::path found(const fs::path& root, const std::string& name) {
  std::error_code code;
  const fs::path path = fs::exists(name, code) ? fs::path(name) : root / name;
  require(fs::is_regular_file(path, code), "Dataset {}: there is no file {}.", kName,
          path.string());
  return path;
}

// Numbers go before words, and by their value.
bool label_before(const std::string& a, const std::string& b) {
  const auto number = [](const std::string& text, double& out) {
    char* end = nullptr;
    out = std::strtod(text.c_str(), &end);
    return *end == '\0';
  };
  double x = 0, y = 0;
  const bool is_x = number(a, x), is_y = number(b, y);
  if (is_x != is_y) return is_x;
  return is_x && x != y ? x < y : a < b;
}

Source arrays(std::map<std::string, Tensor>& all, const std::string& suffix,
              const std::string& what) {
  Source out;
  const auto x = all.find("x" + suffix), y = all.find("y" + suffix);
  require(x != all.end() && y != all.end(), "{} has no arrays x{} and y{}.", what, suffix, suffix);
  require(x->second.dim() == 2 && y->second.dim() == 1 && x->second.size(0) == y->second.size(0) &&
              y->second.dtype() == torch::kLong,
          "{}: x{} must be rows of numbers, and y{} an integer for each of them.", what, suffix,
          suffix);
  out.features = x->second.to(torch::kFloat);
  require(torch::isfinite(out.features).all().item<bool>(),
          "{}: x{} has numbers that are not finite.", what, suffix);
  const int64_t* label = y->second.data_ptr<int64_t>();
  for (int64_t i = 0; i < y->second.size(0); ++i) out.labels.push_back(std::to_string(label[i]));
  return out;
}

struct Sources {
  Source rows;
  std::optional<Source> test;
};

Sources read_sources(const DatasetConfig& config, Sha256& digest) {
  const OptionValues& options = config.options;
  require(!options.text("path").empty(), "Dataset {}: --{}.path=FILE names a .csv or .npz file.",
          kName, kName);
  const fs::path path = found(config.root, options.text("path"));
  digest.update(read_file(path, kMostBytes));
  Sources out;
  const std::string& test = options.text("test");
  if (path.extension() == ".npz") {
    auto all = read_npz(path);
    const bool apart = all.count("x_test") > 0;
    out.rows = arrays(all, all.count("x_train") ? "_train" : "", path.string());
    if (apart) out.test = arrays(all, "_test", path.string());
    require(test.empty(), "Dataset {}: option test is for CSV files.", kName);
    return out;
  }
  const auto csv = [&](const fs::path& file) {
    const std::string text = read_file(file, kMostBytes);
    CsvRows rows = parse_csv_rows(text, options.text("label"), file.string());
    return Source{rows.features, std::move(rows.labels)};
  };
  out.rows = csv(path);
  if (!test.empty()) {
    const fs::path file = found(config.root, test);
    digest.update(read_file(file, kMostBytes));
    out.test = csv(file);
    require(out.test->features.size(1) == out.rows.features.size(1),
            "Dataset {}: {} and {} have different columns.", kName, path.string(), file.string());
  }
  return out;
}

Table table_of(const Source& source, const std::vector<std::string>& classes) {
  Table out;
  out.features = source.features;
  std::vector<int64_t> labels;
  for (const std::string& label : source.labels) {
    const auto at = std::lower_bound(classes.begin(), classes.end(), label, label_before);
    labels.push_back(at - classes.begin());
  }
  out.labels = torch::tensor(labels, torch::kLong);
  for (int64_t i = 0; i < static_cast<int64_t>(labels.size()); ++i) out.ids.push_back(i);
  return out;
}

int64_t share(double percent, int64_t of) {
  return static_cast<int64_t>(std::llround(percent / 100 * static_cast<double>(of)));
}

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  Sha256 digest;
  const Sources sources = read_sources(config, digest);
  std::set<std::string, decltype(&label_before)> names(&label_before);
  names.insert(sources.rows.labels.begin(), sources.rows.labels.end());
  const auto known = static_cast<int64_t>(names.size());
  require(known >= 2 && known <= kMostClasses,
          "Dataset {}: the labels are of {} class(es); there must be 2 to {}.", kName, known,
          kMostClasses);
  if (sources.test) names.insert(sources.test->labels.begin(), sources.test->labels.end());
  require(static_cast<int64_t>(names.size()) == known,
          "Dataset {}: the test rows have a label that the training rows lack.", kName);
  const std::vector<std::string> classes(names.begin(), names.end());
  const Table all = table_of(sources.rows, classes);
  const int64_t rows = all.labels.size(0);
  const OptionValues& options = config.options;
  const int64_t tests = sources.test ? 0 : share(options.real("test_percent"), rows),
                held = share(options.real("validation_percent"), rows - tests);
  require((sources.test || tests > 0) && rows > tests + held,
          "Dataset {}: {} rows are too few for its splits.", kName, rows);
  const int64_t seed = options.integer("split_seed");
  const std::vector<int64_t> order = permutation(
      rows, RandomStream(seed < 0 ? config.seed : static_cast<uint64_t>(seed), "split"));
  const auto part = [&](int64_t first, int64_t last) {
    return select(all, {order.begin() + first, order.begin() + last});
  };
  std::array<Table, 3> tables{part(tests + held, rows), part(tests, tests + held),
                              sources.test ? table_of(*sources.test, classes) : part(0, tests)};
  if (options.flag("standardise")) {
    const Table training = tables[0];
    standardise(training, {&tables[0], &tables[1], &tables[2]});
  }
  for (const int64_t position : order) digest.update(fmt::format(" {}", position));
  digest.update(fmt::format(" {} {}", tests, held));
  return std::make_unique<TableDataset>(
      std::move(tables), known, digest.hex(),
      fmt::format("{}{} validation rows drawn by seed{}",
                  sources.test ? "" : fmt::format("{} test and ", tests), held,
                  options.flag("standardise")
                      ? "; mean 0 and deviation 1 of each column over the training rows"
                      : ""));
}

DatasetEntry entry() {
  DatasetEntry made;
  made.name = kName;
  made.help =
      "your own rows of numbers: a CSV file with a column of labels, or an .npz with arrays x and "
      "y "
      "(or x_train, y_train, x_test, y_test)";
  made.options = {
      Option::text("path", "", "the file; relative to here or to the data root"),
      Option::text("test", "", "a CSV file with the test rows"),
      Option::text("label", "", "CSV: the label's column by name, or by number from 1; the last"),
      Option::real("test_percent", 20, 0, 90, "test rows where none are given"),
      Option::real("validation_percent", 15, 0, 90, "validation rows, of the others"),
      Option::integer("split_seed", 0, -1, int64_t{1} << 31,
                      "seed that draws them; -1: the run's seed"),
      Option::flag("standardise", true, "mean 0 and deviation 1 of each column")};
  made.open = open;
  made.rows = true;
  return made;
}

QUANTBENCH_DATASET(entry());

}  // namespace
}  // namespace quantbench
