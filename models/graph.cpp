#include "models/graph.h"

#include "base/error.h"

namespace quantbench {

int Graph::index_of(const std::string& node_name) const {
  for (size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i].name == node_name) return static_cast<int>(i);
  fail("The graph {} has no node named '{}'.", name, node_name);
}

std::vector<std::vector<int>> Graph::consumers() const {
  std::vector<std::vector<int>> out(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i)
    for (int input : nodes[i].inputs)
      out[static_cast<size_t>(input)].push_back(static_cast<int>(i));
  return out;
}

}  // namespace quantbench
