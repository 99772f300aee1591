#include "runtime/package.h"

#include "base/error.h"
#include "runtime/reference_executor.h"
#include "tests/fuzz/target.h"

namespace quantbench::fuzz {
namespace {

// Whether one sample runs in little time and memory; graphs need a topology and are left out.
bool is_small(const Graph& graph) {
  int64_t most = 0;
  for (const auto& shape : infer_shapes(graph)) {
    int64_t elements = 1;
    for (int64_t size : shape) elements *= size;
    most = std::max(most, elements);
  }
  for (int64_t macs : count_macs(graph)) most = std::max(most, macs >> 4);
  for (const Node& node : graph.nodes)
    if (std::holds_alternative<op::Propagate>(node.operation) ||
        std::holds_alternative<op::Attention>(node.operation) ||
        std::holds_alternative<op::ReadOut>(node.operation))
      return false;
  return most <= 1 << 20;
}

}  // namespace

const Registration package("package", [](std::string_view bytes) {
  const Package read = read_package(file_of("package", bytes));
  if (!is_small(read.graph)) return;
  const ReferenceExecutor executor(read);
  std::vector<int64_t> shape = read.graph.input_shape;
  shape.insert(shape.begin(), 2);
  Batch batch;
  batch.input = torch::zeros(shape);
  batch.target = torch::zeros({2}, torch::kLong);
  executor.forward(batch);
});

}  // namespace quantbench::fuzz
