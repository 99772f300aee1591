#include "datasets/node_graph.h"

#include <algorithm>

namespace quantbench {
namespace {

struct Scored {
  Tensor nodes, labels;
};

class NodeDataset : public Dataset {
 public:
  explicit NodeDataset(NodeGraph graph) : graph_(std::move(graph)) {
    for (const std::vector<int64_t>* nodes : {&graph_.train, &graph_.validation, &graph_.test}) {
      const Tensor rows = torch::tensor(*nodes, torch::kLong);
      scored_.push_back({rows, graph_.labels.index_select(0, rows)});
    }
  }

  int64_t size(Split) const override { return 1; }
  int64_t class_count() const override { return graph_.class_count; }
  std::vector<int64_t> input_shape() const override { return {graph_.features.size(1)}; }
  std::string fingerprint() const override { return graph_.fingerprint; }
  std::string preprocessing() const override { return graph_.preprocessing; }

  Batch batch(Split split, const BatchRequest& request) const override {
    require(request.positions == std::vector<int64_t>{0},
            "A dataset of one graph has one sample in each split, number 0.");
    const Scored& scored = scored_[static_cast<size_t>(split)];
    return {graph_.features, scored.labels, scored.nodes, scored.nodes, graph_.topology};
  }

 private:
  NodeGraph graph_;
  std::vector<Scored> scored_;  // by Split
};

}  // namespace

std::unique_ptr<Dataset> node_dataset(NodeGraph graph) {
  return std::make_unique<NodeDataset>(std::move(graph));
}

std::shared_ptr<const Topology> undirected(int64_t node_count,
                                           std::vector<std::pair<int64_t, int64_t>> edges) {
  const size_t given = edges.size();
  edges.reserve(2 * given);
  for (size_t i = 0; i < given; ++i) edges.emplace_back(edges[i].second, edges[i].first);
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  std::vector<int64_t> source, target;
  for (const auto& [from, to] : edges) {
    if (from == to) continue;
    source.push_back(from);
    target.push_back(to);
  }
  return std::make_shared<Topology>(node_count, torch::tensor(source, torch::kLong),
                                    torch::tensor(target, torch::kLong));
}

void normalize_rows(Tensor& features) {
  const Tensor sum = features.sum(1, /*keepdim=*/true);
  features.div_(torch::where(sum == 0, torch::ones_like(sum), sum));
}

}  // namespace quantbench
