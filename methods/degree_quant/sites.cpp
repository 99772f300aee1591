#include "methods/degree_quant/sites.h"

#include <algorithm>
#include <map>
#include <string>

#include "models/operations.h"

namespace quantbench {
namespace {

template <typename... Ops>
bool is_one_of(const Operation& operation) {
  return (std::holds_alternative<Ops>(operation) || ...);
}

class Reader {
 public:
  Reader(const Graph& graph, bool first_in_float)
      : graph_(graph), consumers_(graph.consumers()), first_in_float_(first_in_float) {
    for (Site& site : all_sites(graph)) sites_.emplace(site.point, std::move(site));
    for (int i = 0; i <= graph.output(); ++i)
      if (passes_messages(operation(i))) {
        const int layer = static_cast<int>(layers_.size()) + 1;
        layers_.emplace(node(i).block, layer);
      }
    for (int i = 0; i <= graph.output(); ++i) {
      // The update: the last node with parameters in the layer.
      const bool has_parameters =
          is_one_of<op::Bias, op::BatchNorm, op::GinUpdate, op::Linear>(operation(i));
      if (has_parameters && layer(i) > 0) update_[layer(i)] = i;
    }
  }

  std::vector<NodeSite> read() {
    for (int i = 0; i <= graph_.output(); ++i) {
      const Operation& o = operation(i);
      if (multiplies(o)) add_product(i);
      if (passes_messages(o)) {
        add(i, PointKind::EdgeNorm, false);
        add(i, PointKind::AttentionVector, false);
        add(i, PointKind::AttentionLogit, true);
        add(i, PointKind::Message, true);
        add(i, PointKind::Output, true);
      }
      const auto update = update_.find(layer(i));
      if (update != update_.end() && update->second == i) add(i, PointKind::Output, true);
    }
    return std::move(out_);
  }

 private:
  const Node& node(int i) const { return graph_.nodes[static_cast<size_t>(i)]; }
  const Operation& operation(int i) const { return node(i).operation; }
  int layer(int i) const {
    const auto found = layers_.find(node(i).block);
    return found == layers_.end() ? 0 : found->second;
  }

  // Where the graph has that point and it is not there yet.
  void add(int i, PointKind kind, bool protects) {
    const auto found = sites_.find({i, kind});
    const bool known = std::any_of(out_.begin(), out_.end(), [&](const NodeSite& s) {
      return s.site.point == Point{i, kind};
    });
    if (found != sites_.end() && !known) out_.push_back({found->second, protects, layer(i)});
  }

  void add_product(int i) {
    const std::vector<int>& next = consumers_[static_cast<size_t>(i)];
    const bool feeds_messages = !next.empty() && std::all_of(next.begin(), next.end(), [&](int c) {
      return passes_messages(operation(c));
    });
    if (!feeds_messages && layer(i) > 0 && !std::exchange(seen_inner_, true) && first_in_float_)
      return;
    add(i, PointKind::Input, feeds_messages);
    add(i, PointKind::Weight, false);
    add(i, PointKind::Output, feeds_messages);
  }

  const Graph& graph_;
  std::vector<std::vector<int>> consumers_;
  bool first_in_float_, seen_inner_ = false;
  std::map<Point, Site> sites_;
  std::map<std::string, int> layers_;  // by block
  std::map<int, int> update_;          // layer -> node
  std::vector<NodeSite> out_;
};

}  // namespace

std::vector<NodeSite> node_sites(const Graph& graph, bool first_in_float) {
  return Reader(graph, first_in_float).read();
}

}  // namespace quantbench
