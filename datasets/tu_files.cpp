#include "datasets/tu_files.h"

#include <algorithm>
#include <charconv>

#include "base/file.h"
#include "base/sha256.h"
#include "datasets/raw_files.h"

namespace quantbench {
namespace {
namespace fs = std::filesystem;

constexpr uint64_t most_bytes = uint64_t{1} << 31;  // of one file
constexpr int64_t most_columns = 10000;             // attributes of a node
constexpr const char* parts[] = {"A", "graph_indicator", "graph_labels"};

fs::path folder_of(const fs::path& root, const std::string& name) {
  return root / "TUDataset" / name;
}

fs::path path_of(const fs::path& root, const std::string& name, const std::string& part) {
  return folder_of(root, name) / "raw" / (name + "_" + part + ".txt");
}

// Numbers of a text, row by row; every row has as many as the first.
template <typename Number>
struct Table {
  int64_t columns = 0;
  std::vector<Number> values;
  int64_t rows() const { return columns ? static_cast<int64_t>(values.size()) / columns : 0; }
};

template <typename Number>
Table<Number> parse(const std::string& text, const std::string& what) {
  Table<Number> out;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  for (int64_t line = 1; at != end; ++line) {
    int64_t columns = 0;
    for (bool more = true; more; ++columns) {
      at = std::find_if_not(at, end, blank);
      Number value{};
      const auto [stop, code] = std::from_chars(at, end, value);
      require(code == std::errc(), "{}: line {} does not hold numbers parted by commas.", what,
              line);
      at = std::find_if_not(stop, end, blank);
      out.values.push_back(value);
      more = at != end && *at == ',';
      if (more) ++at;
    }
    require(at == end || *at == '\n', "{}: line {} does not hold numbers parted by commas.", what,
            line);
    if (at != end) ++at;
    if (line == 1) out.columns = columns;
    require(columns == out.columns && columns <= most_columns,
            "{}: line {} holds {} numbers, but the first line {}.", what, line, columns,
            out.columns);
  }
  return out;
}

class Reader {
 public:
  Reader(const fs::path& root, const std::string& name) : root_(root), name_(name) {}

  TuCollection read() {
    TuCollection out;
    out.labels = column("graph_labels").values;
    require(!out.labels.empty(), "{} is empty.", what("graph_labels"));
    const std::vector<int64_t> graph_of_node = nodes(out);
    edges(out, graph_of_node);
    const auto count = static_cast<int64_t>(graph_of_node.size());
    if (there("node_labels")) {
      // Some collections give a node several labels; the first is the one in use.
      const Table<int64_t> table = numbers<int64_t>("node_labels");
      check_rows(table, count, "node_labels");
      for (int64_t row = 0; row < count; ++row)
        out.node_labels.push_back(table.values[static_cast<size_t>(row * table.columns)]);
    }
    if (there("node_attributes")) {
      const Table<float> table = numbers<float>("node_attributes");
      check_rows(table, count, "node_attributes");
      out.attributes = torch::tensor(table.values).view({count, table.columns});
      require(torch::isfinite(out.attributes).all().item<bool>(),
              "{} holds a number that is not finite.", what("node_attributes"));
    }
    out.fingerprint = digest_.hex();
    return out;
  }

 private:
  std::string what(const std::string& part) const { return path_of(root_, name_, part).string(); }
  bool there(const std::string& part) const { return fs::exists(path_of(root_, name_, part)); }

  template <typename Number>
  Table<Number> numbers(const std::string& part) {
    const std::string text = read_file(path_of(root_, name_, part), most_bytes);
    digest_.update(part).update(text);
    return parse<Number>(text, what(part));
  }

  Table<int64_t> column(const std::string& part) {
    Table<int64_t> out = numbers<int64_t>(part);
    require(out.columns <= 1, "{} holds {} numbers a line, not one.", what(part), out.columns);
    return out;
  }

  template <typename Number>
  void check_rows(const Table<Number>& table, int64_t nodes, const std::string& part) const {
    require(table.rows() == nodes, "{} has {} lines for {} nodes.", what(part), table.rows(),
            nodes);
  }

  // Sets first_node; returns the graph of each node, 0-based.
  std::vector<int64_t> nodes(TuCollection& out) {
    std::vector<int64_t> graph_of_node = column("graph_indicator").values;
    const std::string file = what("graph_indicator");
    const int64_t graphs = out.graph_count();
    int64_t graph = 0;
    for (size_t node = 0; node < graph_of_node.size(); ++node) {
      const int64_t named = graph_of_node[node];
      require(named > 0 && named <= graphs, "{}: line {} names graph {}, but there are {}.", file,
              node + 1, named, graphs);
      const int64_t next = graph_of_node[node] = named - 1;
      require(node == 0 || next >= graph, "{}: line {} goes back from graph {} to graph {}.", file,
              node + 1, graph + 1, next + 1);
      graph = next;
    }
    out.first_node.assign(static_cast<size_t>(graphs) + 1, 0);
    for (int64_t of : graph_of_node) ++out.first_node[static_cast<size_t>(of) + 1];
    for (size_t g = 0; g < static_cast<size_t>(graphs); ++g) {
      require(out.first_node[g + 1] > 0, "{}: graph {} has no node.", file, g + 1);
      out.first_node[g + 1] += out.first_node[g];
    }
    return graph_of_node;
  }

  void edges(TuCollection& out, const std::vector<int64_t>& graph_of_node) {
    const Table<int64_t> table = numbers<int64_t>("A");
    const std::string file = what("A");
    require(table.columns == 2 || table.values.empty(), "{} holds {} numbers a line, not two.",
            file, table.columns);
    const auto nodes = static_cast<int64_t>(graph_of_node.size());
    std::vector<std::pair<int64_t, int64_t>> pairs;  // target, source
    for (int64_t row = 0; row < table.rows(); ++row) {
      const auto node_at = [&](int64_t position) {
        const int64_t node = table.values[static_cast<size_t>(position)];
        require(node > 0 && node <= nodes, "{}: line {} names node {}, but there are {}.", file,
                row + 1, node, nodes);
        return node - 1;
      };
      const int64_t source = node_at(2 * row), target = node_at(2 * row + 1);
      require(
          graph_of_node[static_cast<size_t>(source)] == graph_of_node[static_cast<size_t>(target)],
          "{}: line {} links nodes of two graphs.", file, row + 1);
      if (source != target) pairs.emplace_back(target, source);
    }
    std::sort(pairs.begin(), pairs.end());
    pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
    out.first_edge.assign(out.first_node.size(), 0);
    for (const auto& [target, source] : pairs) {
      out.target.push_back(target);
      out.source.push_back(source);
      ++out.first_edge[static_cast<size_t>(graph_of_node[static_cast<size_t>(target)]) + 1];
    }
    for (size_t g = 1; g < out.first_edge.size(); ++g) out.first_edge[g] += out.first_edge[g - 1];
  }

  const fs::path& root_;
  const std::string& name_;
  Sha256 digest_;
};

}  // namespace

std::vector<int64_t> TuCollection::in_degrees() const {
  std::vector<int64_t> out(static_cast<size_t>(node_count()), 0);
  for (int64_t node : target) ++out[static_cast<size_t>(node)];
  return out;
}

std::string missing_tu(const fs::path& root, const std::string& name) {
  std::vector<fs::path> paths;
  for (const char* part : parts) paths.push_back(path_of(root, name, part));
  return missing_file(paths, "tu:" + name);
}

TuCollection read_tu(const fs::path& root, const std::string& name) {
  return Reader(root, name).read();
}

std::vector<int64_t> read_tu_fold(const fs::path& root, const std::string& name,
                                  const std::string& part, int64_t fold, int64_t graph_count) {
  const fs::path path =
      folder_of(root, name) / "10fold_idx" / fmt::format("{}_idx-{}.txt", part, fold + 1);
  const Table<int64_t> table = parse<int64_t>(read_file(path, most_bytes), path.string());
  require(table.columns <= 1, "{} does not hold one graph a line.", path.string());
  for (int64_t graph : table.values)
    require(graph >= 0 && graph < graph_count, "{} names graph {}, but there are {}.",
            path.string(), graph, graph_count);
  return table.values;
}

}  // namespace quantbench
