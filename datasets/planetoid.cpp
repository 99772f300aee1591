// Cora, CiteSeer and PubMed as Yang, Cohen and Salakhutdinov (2016, "Planetoid") published them:
// eight files a graph, seven of them pickles of Python 2. Training nodes are those of x, validation
// nodes the 500 that follow, test nodes those of test.index; tx and ty are in the order of
// test.index.
#include <algorithm>
#include <charconv>

#include "base/file.h"
#include "base/sha256.h"
#include "datasets/node_graph.h"
#include "datasets/numpy_pickle.h"
#include "datasets/raw_files.h"

namespace quantbench {
namespace {
namespace fs = std::filesystem;

constexpr uint64_t most_bytes = uint64_t{1} << 28;   // of one file
constexpr int64_t most_elements = int64_t{1} << 26;  // of the dense feature matrix
constexpr int64_t validation_nodes = 500;
constexpr const char* parts[] = {"x", "tx", "allx", "y", "ty", "ally", "graph", "test.index"};

fs::path path_of(const fs::path& root, const std::string& name, const std::string& part) {
  return root / "planetoid" / name / "raw" / ("ind." + name + "." + part);
}

std::string missing(const fs::path& root, const std::string& name) {
  std::vector<fs::path> paths;
  for (const char* part : parts) paths.push_back(path_of(root, name, part));
  return missing_file(paths, name);
}

bool is_graph_name(const std::string& module, const std::string& name) {
  return (module == "collections" && name == "defaultdict") ||
         ((module == "__builtin__" || module == "builtins") && name == "list");
}

// Labels [nodes] from rows of which exactly one element is 1.
std::vector<int64_t> labels_of(const NumpyArray& one_hot, const std::string& what) {
  require(one_hot.shape.size() == 2 && one_hot.shape[1] > 0, "{} does not hold one-hot labels.",
          what);
  const size_t classes = static_cast<size_t>(one_hot.shape[1]);
  std::vector<int64_t> out;
  for (auto row = one_hot.values.begin(); row != one_hot.values.end(); row += one_hot.shape[1]) {
    const auto end = row + one_hot.shape[1];
    require(std::count(row, end, 1.0) == 1 &&
                std::count(row, end, 0.0) == static_cast<std::ptrdiff_t>(classes) - 1,
            "{}: row {} is not a one-hot label.", what, out.size());
    out.push_back(std::find(row, end, 1.0) - row);
  }
  return out;
}

std::vector<int64_t> parse_index(const std::string& text, const std::string& what) {
  std::vector<int64_t> out;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at != end) {
    int64_t node = 0;
    auto [stop, code] = std::from_chars(at, end, node);
    require(code == std::errc() && (stop == end || *stop == '\n' || *stop == '\r'),
            "{}: line {} is not a node number.", what, out.size() + 1);
    out.push_back(node);
    at = std::find_if(stop, end, [](char c) { return c != '\n' && c != '\r'; });
  }
  return out;
}

std::vector<std::pair<int64_t, int64_t>> edges_of(const pickle::Value& value, int64_t node_count,
                                                  const std::string& what) {
  const auto* object = std::get_if<pickle::Object>(&value.data);
  const auto* dict = std::get_if<pickle::Dict>(&value.data);
  require((object && object->type.name == "defaultdict") || dict,
          "{} does not hold a dict of neighbours.", what);
  const pickle::Dict& neighbours = dict ? *dict : object->entries;
  require(static_cast<int64_t>(neighbours.size()) == node_count,
          "{} has {} nodes, but the other files describe {}.", what, neighbours.size(), node_count);
  auto node_of = [&](const pickle::Value& item) {
    const auto* node = std::get_if<int64_t>(&item.data);
    require(node && *node >= 0 && *node < node_count, "{} names a node that is not 0..{}.", what,
            node_count - 1);
    return *node;
  };
  std::vector<std::pair<int64_t, int64_t>> edges;
  for (const auto& [key, value_of_key] : neighbours) {
    const auto* list = std::get_if<pickle::List>(&value_of_key->data);
    require(list, "{} does not hold a list of neighbours for every node.", what);
    for (const pickle::Ref& item : *list) edges.emplace_back(node_of(*key), node_of(*item));
  }
  return edges;
}

// The eight files of one graph, put together.
class Reader {
 public:
  Reader(fs::path root, std::string name) : root_(std::move(root)), name_(std::move(name)) {}

  NodeGraph read() {
    const CsrMatrix x = matrix("x"), tx = matrix("tx"), allx = matrix("allx");
    const std::vector<int64_t> y = labels("y"), ty = labels("ty"), ally = labels("ally");
    const std::vector<int64_t> test = parse_index(bytes("test.index"), what("test.index"));
    check_sizes(x, tx, allx);
    check_labels(y, x, "y");
    check_labels(ty, tx, "ty");
    check_labels(ally, allx, "ally");
    const int64_t node_count = count_nodes(test, tx, allx);

    NodeGraph graph;
    graph.class_count = class_count_;
    graph.topology = undirected(
        node_count, edges_of(*unpickle("graph", is_graph_name), node_count, what("graph")));
    graph.features = torch::zeros({node_count, allx.columns});
    graph.labels = torch::zeros({node_count}, torch::kLong);
    for (int64_t row = 0; row < allx.rows; ++row) set_node(graph, row, allx, ally, row);
    for (int64_t row = 0; row < tx.rows; ++row)
      set_node(graph, test[static_cast<size_t>(row)], tx, ty, row);
    for (int64_t node = 0; node < x.rows; ++node) graph.train.push_back(node);
    for (int64_t node = x.rows; node < x.rows + validation_nodes; ++node)
      graph.validation.push_back(node);
    graph.test = test;
    std::sort(graph.test.begin(), graph.test.end());
    graph.fingerprint = digest_.hex();
    return graph;
  }

 private:
  std::string what(const std::string& part) const { return path_of(root_, name_, part).string(); }

  std::string bytes(const std::string& part) {
    std::string content = read_file(path_of(root_, name_, part), most_bytes);
    digest_.update(content);
    return content;
  }

  pickle::Ref unpickle(const std::string& part,
                       bool (*accepts)(const std::string&, const std::string&)) {
    const std::string content = bytes(part);
    const pickle::Result result = pickle::load(content, what(part), {accepts, false});
    require(result.consumed == content.size(), "{} has {} bytes after its end.", what(part),
            content.size() - result.consumed);
    return result.value;
  }

  CsrMatrix matrix(const std::string& part) {
    return read_csr(*unpickle(part, is_numpy_name), what(part));
  }

  std::vector<int64_t> labels(const std::string& part) {
    const NumpyArray one_hot = read_array(*unpickle(part, is_numpy_name), what(part));
    std::vector<int64_t> out = labels_of(one_hot, what(part));
    require(class_count_ == 0 || class_count_ == one_hot.shape[1],
            "{} has {} classes, another file has {}.", what(part), one_hot.shape[1], class_count_);
    class_count_ = one_hot.shape[1];
    return out;
  }

  void check_labels(const std::vector<int64_t>& labels, const CsrMatrix& features,
                    const std::string& part) const {
    require(static_cast<int64_t>(labels.size()) == features.rows, "{} has {} labels for {} nodes.",
            what(part), labels.size(), features.rows);
  }

  void check_sizes(const CsrMatrix& x, const CsrMatrix& tx, const CsrMatrix& allx) const {
    require(x.columns == allx.columns && tx.columns == allx.columns,
            "{} has {} features, but x has {} and tx {}.", what("allx"), allx.columns, x.columns,
            tx.columns);
    require(x.rows + validation_nodes <= allx.rows,
            "{} has {} nodes; {} training and {} validation nodes do not fit.", what("allx"),
            allx.rows, x.rows, validation_nodes);
    require(x.rows > 0 && allx.columns > 0, "{} is empty.", what("x"));
  }

  // Test nodes follow those of allx. CiteSeer has gaps there: nodes without features and label.
  int64_t count_nodes(const std::vector<int64_t>& test, const CsrMatrix& tx,
                      const CsrMatrix& allx) const {
    const std::string file = what("test.index");
    require(!test.empty() && static_cast<int64_t>(test.size()) == tx.rows,
            "{} has {} lines, but tx has {} rows.", file, test.size(), tx.rows);
    std::vector<int64_t> sorted = test;
    std::sort(sorted.begin(), sorted.end());
    require(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end(),
            "{} names a node twice.", file);
    require(sorted.front() >= allx.rows, "{} names node {}, which is not a test node.", file,
            sorted.front());
    require(sorted.back() < most_elements / allx.columns,
            "{} names node {}; a graph of that size is not read.", file, sorted.back());
    return sorted.back() + 1;
  }

  static void set_node(NodeGraph& graph, int64_t node, const CsrMatrix& features,
                       const std::vector<int64_t>& labels, int64_t row) {
    const size_t at = static_cast<size_t>(row);
    float* out = graph.features.data_ptr<float>() + node * features.columns;
    for (int64_t i = features.row_start[at]; i < features.row_start[at + 1]; ++i)
      out[features.column[static_cast<size_t>(i)]] += features.value[static_cast<size_t>(i)];
    graph.labels.data_ptr<int64_t>()[node] = labels[at];
  }

  fs::path root_;
  std::string name_;
  Sha256 digest_;
  int64_t class_count_ = 0;
};

std::unique_ptr<Dataset> open(const std::string& name, const DatasetConfig& config) {
  const std::string gap = missing(config.root, name);
  require(gap.empty(), "{}", gap);
  NodeGraph graph = reading(name, [&] { return Reader(config.root, name).read(); });
  graph.preprocessing = "bag of words";
  if (config.options.flag("normalize_features")) {
    normalize_rows(graph.features);
    graph.preprocessing += ", rows divided by their sum";
  }
  graph.preprocessing += "; undirected edges without self-loops and duplicates";
  return node_dataset(std::move(graph));
}

DatasetEntry entry(const std::string& name, const std::string& help) {
  DatasetEntry made;
  made.name = name;
  made.help = help;
  made.graphs = true;
  made.options = {
      Option::flag("normalize_features", true, "divide every node's bag of words by its sum")};
  made.open = [name](const DatasetConfig& config) { return open(name, config); };
  made.missing = [name](const fs::path& root) { return missing(root, name); };
  return made;
}

}  // namespace

QUANTBENCH_DATASET(entry("cora", "Cora citations (Planetoid split): 2,708 nodes, 7 classes"));
QUANTBENCH_DATASET(entry("citeseer",
                         "CiteSeer citations (Planetoid split): 3,327 nodes, 6 classes"));
QUANTBENCH_DATASET(entry("pubmed", "PubMed citations (Planetoid split): 19,717 nodes, 3 classes"));

}  // namespace quantbench
