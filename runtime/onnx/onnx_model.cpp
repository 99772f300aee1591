#include "runtime/onnx/onnx_model.h"

#include <onnx/onnx_pb.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"

namespace quantbench {
namespace fs = std::filesystem;

OnnxModel::OnnxModel(std::shared_ptr<const OnnxRuntime> runtime, std::string_view model,
                     const OnnxSessionOptions& options)
    : version_(runtime->version()), session_(std::move(runtime), model, options) {
  static const std::map<std::string, int> known{{"source", 0},        {"target", 0},
                                                {"loop_source", 0},   {"loop_target", 0},
                                                {"graph_of_node", 0}, {"node_counts", 0}};
  for (size_t i = 1; i < session_.inputs().size(); ++i)
    require(known.count(session_.inputs()[i]) > 0,
            "The model takes an input '{}' that no dataset has.", session_.inputs()[i]);
  require(session_.outputs().size() == 1,
          "The model has {} outputs; one, the logits, is read here.", session_.outputs().size());
}

std::vector<Tensor> OnnxModel::inputs(const Batch& batch) const {
  std::vector<Tensor> out{batch.input};
  for (size_t i = 1; i < session_.inputs().size(); ++i) {
    const std::string& name = session_.inputs()[i];
    require(batch.topology != nullptr, "The model takes '{}', and the batch has no graph.", name);
    const Topology& graph = *batch.topology;
    const bool loops = name.rfind("loop_", 0) == 0;
    const auto edges = loops ? graph.with_self_loops() : batch.topology;
    if (name == "source" || name == "loop_source")
      out.push_back(edges->source());
    else if (name == "target" || name == "loop_target")
      out.push_back(edges->target());
    else if (name == "graph_of_node")
      out.push_back(graph.graph_of_node().defined()
                        ? graph.graph_of_node()
                        : torch::zeros({graph.node_count()}, torch::kLong));
    else
      out.push_back(graph.graph_of_node().defined()
                        ? torch::bincount(graph.graph_of_node(), {}, graph.graph_count())
                        : torch::full({1}, graph.node_count(), torch::kLong));
  }
  return out;
}

Tensor OnnxModel::forward(const Batch& batch) const { return session_.run(inputs(batch))[0]; }

std::map<std::string, int64_t> operator_counts(std::string_view model, const std::string& what) {
  onnx::ModelProto proto;
  require(model.size() < INT32_MAX &&
              proto.ParseFromArray(model.data(), static_cast<int>(model.size())),
          "{} is no ONNX model, or is truncated.", what);
  std::map<std::string, int64_t> out;
  for (const onnx::NodeProto& node : proto.graph().node()) ++out[node.op_type()];
  return out;
}

std::string text_of(const std::map<std::string, int64_t>& operators) {
  std::vector<std::pair<std::string, int64_t>> all(operators.begin(), operators.end());
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string out;
  for (const auto& [name, count] : all)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, count);
  return out;
}

std::map<std::string, int64_t> optimized_operators(std::shared_ptr<const OnnxRuntime> runtime,
                                                   std::string_view model) {
  std::string name = (fs::temp_directory_path() / "quantbench_optimized_XXXXXX").string();
  const int descriptor = mkstemp(name.data());
  require(descriptor >= 0, "No temporary file can be made at {}.", name);
  close(descriptor);
  OnnxSessionOptions options;
  options.optimized_model = name;
  std::string bytes;
  try {
    const OnnxSession session(std::move(runtime), model, options);
    bytes = read_file(name);
  } catch (...) {
    fs::remove(name);
    throw;
  }
  fs::remove(name);
  return operator_counts(bytes, "The optimized model");
}

}  // namespace quantbench
