// Graph classification: collections of the TU Dortmund benchmark (Morris et al. 2020). A batch is
// many graphs laid side by side as one. Test is fold i, validation fold i-1, training the rest
// (Degree-Quant's protocol, after Fey et al.).
#include <algorithm>

#include "base/sha256.h"
#include "datasets/dataset.h"
#include "datasets/raw_files.h"
#include "datasets/stratified_folds.h"
#include "datasets/tu_files.h"

namespace quantbench {
namespace {
namespace fs = std::filesystem;

constexpr int64_t most_elements = int64_t{1} << 28;  // of the dense feature matrix
constexpr int64_t degree_is_number = 1000;           // from here on: standardised, one column

// [nodes, columns] with a 1 in the column that each node's position (0 .. columns-1) names.
Tensor one_hot(const std::vector<int64_t>& positions, int64_t columns, const std::string& what) {
  const auto rows = static_cast<int64_t>(positions.size());
  require(columns <= most_elements / std::max<int64_t>(rows, 1),
          "{}: one-hot features of {} nodes and {} values are too many.", what, rows, columns);
  Tensor out = torch::zeros({rows, columns});
  float* row = out.data_ptr<float>();
  for (int64_t position : positions) {
    row[position] = 1;
    row += columns;
  }
  return out;
}

// A column a distinct label, labels ascending.
Tensor one_hot_labels(std::vector<int64_t> labels, const std::string& what) {
  std::vector<int64_t> distinct = labels;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  for (int64_t& label : labels)
    label = std::lower_bound(distinct.begin(), distinct.end(), label) - distinct.begin();
  return one_hot(labels, static_cast<int64_t>(distinct.size()), what);
}

// A column a degree from 0 to the largest, whether a node has it or not (Fey et al.): IMDB-BINARY
// has 136 columns for 65 different degrees.
Tensor one_hot_degrees(const std::vector<int64_t>& degrees, const std::string& what) {
  const int64_t most = degrees.empty() ? 0 : *std::max_element(degrees.begin(), degrees.end());
  return one_hot(degrees, most + 1, what);
}

struct Features {
  Tensor value;  // float [nodes, features]
  std::string words;
};

Features features_of(const TuCollection& graphs, std::string kind, const std::string& name) {
  const std::vector<int64_t> degrees = graphs.in_degrees();
  if (kind == "auto") {
    const int64_t most = *std::max_element(degrees.begin(), degrees.end());
    kind = !graphs.node_labels.empty()   ? "labels"
           : graphs.attributes.defined() ? "attributes"
           : most < degree_is_number     ? "one_hot_degree"
                                         : "degree";
  }
  if (kind == "labels") {
    require(!graphs.node_labels.empty(), "The collection {} has no node labels.", name);
    return {one_hot_labels(graphs.node_labels, name), "node labels, one-hot"};
  }
  if (kind == "attributes") {
    require(graphs.attributes.defined(), "The collection {} has no node attributes.", name);
    return {graphs.attributes, "node attributes"};
  }
  if (kind == "one_hot_degree")
    return {one_hot_degrees(degrees, name), "in-degree, one-hot from 0 to the largest"};
  if (kind == "ones") return {torch::ones({graphs.node_count(), 1}), "every node 1"};
  const Tensor degree = torch::tensor(degrees, torch::kLong).to(torch::kDouble);
  const Tensor standardised = (degree - degree.mean()) / degree.std().clamp_min(1e-12);
  return {standardised.to(torch::kFloat).view({-1, 1}), "in-degree, standardised over all graphs"};
}

class TuDataset : public Dataset {
 public:
  TuDataset(TuCollection graphs, Features features, std::vector<std::vector<int64_t>> splits,
            std::string protocol)
      : graphs_(std::move(graphs)),
        features_(std::move(features)),
        splits_(std::move(splits)),
        protocol_(std::move(protocol)) {
    std::vector<int64_t> classes = graphs_.labels;
    std::sort(classes.begin(), classes.end());
    classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
    class_count_ = static_cast<int64_t>(classes.size());
    for (int64_t& label : graphs_.labels)
      label = std::lower_bound(classes.begin(), classes.end(), label) - classes.begin();
    Sha256 digest;
    digest.update(graphs_.fingerprint);
    for (const std::vector<int64_t>& split : splits_) {
      digest.update(" |");
      for (int64_t graph : split) digest.update(fmt::format(" {}", graph));
    }
    fingerprint_ = digest.hex();
  }

  int64_t size(Split split) const override {
    return static_cast<int64_t>(splits_[static_cast<size_t>(split)].size());
  }
  int64_t class_count() const override { return class_count_; }
  std::vector<int64_t> input_shape() const override { return {features_.value.size(1)}; }
  std::string fingerprint() const override { return fingerprint_; }
  std::string preprocessing() const override {
    return features_.words + "; edges without self-loops and duplicates; " + protocol_;
  }

  Batch batch(Split split, const BatchRequest& request) const override {
    const std::vector<int64_t>& members = splits_[static_cast<size_t>(split)];
    std::vector<int64_t> chosen, source, target, graph_of_node, labels;
    std::vector<Tensor> rows;
    int64_t nodes = 0;
    for (int64_t position : request.positions) {
      require(position >= 0 && position < size(split), "There is no {} graph {}; there are {}.",
              name_of(split), position, size(split));
      const int64_t graph = members[static_cast<size_t>(position)];
      const auto g = static_cast<size_t>(graph);
      const int64_t first = graphs_.first_node[g], count = graphs_.first_node[g + 1] - first;
      for (int64_t e = graphs_.first_edge[g]; e < graphs_.first_edge[g + 1]; ++e) {
        source.push_back(graphs_.source[static_cast<size_t>(e)] - first + nodes);
        target.push_back(graphs_.target[static_cast<size_t>(e)] - first + nodes);
      }
      graph_of_node.insert(graph_of_node.end(), static_cast<size_t>(count),
                           static_cast<int64_t>(chosen.size()));
      rows.push_back(features_.value.narrow(0, first, count));
      labels.push_back(graphs_.labels[g]);
      chosen.push_back(graph);
      nodes += count;
    }
    return {torch::cat(rows), torch::tensor(labels, torch::kLong), Tensor(),
            torch::tensor(chosen, torch::kLong),
            std::make_shared<Topology>(nodes, torch::tensor(source, torch::kLong),
                                       torch::tensor(target, torch::kLong),
                                       torch::tensor(graph_of_node, torch::kLong))};
  }

 private:
  TuCollection graphs_;
  Features features_;
  std::vector<std::vector<int64_t>> splits_;  // by Split
  std::string protocol_, fingerprint_;
  int64_t class_count_ = 0;
};

// Training, validation and test graphs.
std::vector<std::vector<int64_t>> split_of(const TuCollection& graphs, const std::string& name,
                                           const DatasetConfig& config, int64_t folds,
                                           int64_t fold) {
  const int64_t before = (fold + folds - 1) % folds;
  std::vector<int64_t> of_graph;
  if (config.options.text("folds_from") == "files") {
    require(folds == 10, "The published folds are 10, not {}.", folds);
    of_graph.assign(graphs.labels.size(), -1);
    for (int64_t i = 0; i < folds; ++i)
      for (int64_t graph : read_tu_fold(config.root, name, "test", i, graphs.graph_count()))
        of_graph[static_cast<size_t>(graph)] = i;
  } else {
    of_graph = stratified_folds(graphs.labels, folds,
                                static_cast<uint32_t>(config.options.integer("fold_seed")));
  }
  std::vector<std::vector<int64_t>> out(3);
  for (int64_t graph = 0; graph < graphs.graph_count(); ++graph) {
    const int64_t of = of_graph[static_cast<size_t>(graph)];
    if (of < 0) continue;
    const Split split = of == fold ? Split::Test : of == before ? Split::Validation : Split::Train;
    out[static_cast<size_t>(split)].push_back(graph);
  }
  require(!out[0].empty() && !out[1].empty() && !out[2].empty(),
          "Fold {} of {} leaves a split of {} without graphs.", fold, folds, name);
  return out;
}

std::unique_ptr<Dataset> open(const std::string& name, const DatasetConfig& config) {
  const std::string gap = missing_tu(config.root, name);
  require(gap.empty(), "{}", gap);
  TuCollection graphs = read_tu(config.root, name);
  const int64_t folds = config.options.integer("folds");
  int64_t fold = config.options.integer("fold");
  if (fold < 0) fold = static_cast<int64_t>(config.seed % static_cast<uint64_t>(folds));
  require(fold < folds, "Option fold is {}, but there are {} folds, 0..{}.", fold, folds,
          folds - 1);
  auto splits = split_of(graphs, name, config, folds, fold);
  Features features = features_of(graphs, config.options.text("features"), name);
  return std::make_unique<TuDataset>(
      std::move(graphs), std::move(features), std::move(splits),
      fmt::format("{} {} folds", config.options.text("folds_from"), folds));
}

std::vector<Option> options() {
  return {Option::choice("features", "auto",
                         {"auto", "labels", "attributes", "one_hot_degree", "degree", "ones"},
                         "of a node; auto: labels, else attributes, else the in-degree, one-hot "
                         "below 1,000 and standardised from there on"),
          Option::integer("folds", 10, 3, 1000, "parts of the collection"),
          Option::integer("fold", -1, -1, 999, "the part for testing; -1: the run's seed, modulo"),
          Option::choice("folds_from", "stratified", {"stratified", "files"},
                         "scikit-learn's stratified folds, or GIN's published ones"),
          Option::integer("fold_seed", 12345, 0, 4294967295, "seed of the stratified folds")};
}

DatasetEntry entry(const std::string& name, const std::string& collection,
                   const std::string& help) {
  DatasetEntry made;
  made.name = name;
  made.help = help;
  made.graphs = true;
  made.options = options();
  made.open = [collection](const DatasetConfig& config) { return open(collection, config); };
  made.missing = [collection](const fs::path& root) { return missing_tu(root, collection); };
  return made;
}

// Any other collection: its name is an option.
DatasetEntry any() {
  DatasetEntry made =
      entry("tu", "", "any collection in TU format under TUDataset (option collection)");
  made.options.push_back(Option::text("collection", "MUTAG", "name of its folder and files"));
  made.open = [](const DatasetConfig& config) {
    const std::string& name = config.options.text("collection");
    require(name.find_first_of("/\\") == std::string::npos && name != ".." && !name.empty(),
            "Option collection is the name of a folder in TUDataset, not '{}'.", name);
    return open(name, config);
  };
  made.missing = [](const fs::path& root) { return missing_tu(root, "MUTAG"); };
  return made;
}

}  // namespace

QUANTBENCH_DATASET(entry("reddit_binary", "REDDIT-BINARY", "2,000 discussion threads, 2 classes"));
QUANTBENCH_DATASET(entry("mutag", "MUTAG", "188 molecules, 2 classes"));
QUANTBENCH_DATASET(entry("proteins", "PROTEINS", "1,113 proteins, 2 classes"));
QUANTBENCH_DATASET(entry("enzymes", "ENZYMES", "600 proteins, 6 classes"));
QUANTBENCH_DATASET(entry("imdb_binary", "IMDB-BINARY", "1,000 ego networks of actors, 2 classes"));
QUANTBENCH_DATASET(entry("nci1", "NCI1", "4,110 molecules, 2 classes"));
QUANTBENCH_DATASET(any());

}  // namespace quantbench
