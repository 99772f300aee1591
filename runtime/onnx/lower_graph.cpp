// Work along the edges of graphs: rows are gathered at the edges' sources and scattered with a sum
// at their targets.
#include "base/error.h"
#include "runtime/onnx/lowering.h"

namespace quantbench {
namespace {

constexpr int64_t kScatterMaxOpset = 18;
constexpr float kLeastFloat = -3.4028234663852886e38f;

Tensor vector_of(const std::vector<int64_t>& numbers) { return torch::tensor(numbers); }

}  // namespace

std::string Lowering::graph_input(const char* name, const char* dimension) {
  writer_.input(name, OnnxType::Int64, {std::string(dimension)});
  return name;
}

std::string Lowering::unsqueezed(const std::string& x, const std::string& wish) {
  return writer_.node("Unsqueeze", {x, writer_.constant("last_axis", vector_of({-1}))}, wish);
}

std::string Lowering::scattered(const std::string& rows, const std::string& index,
                                const std::string& shape, const std::string& wish,
                                const char* reduction) {
  const bool sums = std::string(reduction) == "add";
  const std::string start =
      sums ? writer_.node("ConstantOfShape", {shape}, wish + ".zeros")
           : writer_.node("Expand", {writer_.scalar("least", kLeastFloat), shape}, wish + ".least");
  return writer_.node("ScatterND", {start, unsqueezed(index, wish + ".index"), rows}, wish,
                      {{"reduction", std::string(reduction)}});
}

Lowering::Edges& Lowering::edges(bool self_loops) {
  std::optional<Edges>& made = edges_[self_loops ? 1 : 0];
  if (made) return *made;
  made.emplace();
  made->source =
      graph_input(self_loops ? "loop_source" : "source", self_loops ? "loop_edges" : "edges");
  made->target =
      graph_input(self_loops ? "loop_target" : "target", self_loops ? "loop_edges" : "edges");
  const std::string wish = made->target + ".degree";
  const std::string shape = writer_.node("Shape", {"input"}, wish + ".shape");
  const std::string nodes = writer_.node("Slice",
                                         {shape, writer_.constant("zeroth", vector_of({0})),
                                          writer_.constant("first", vector_of({1}))},
                                         wish + ".nodes");
  const std::string ones = writer_.node(
      "Expand", {writer_.scalar("one", 1), writer_.node("Shape", {made->target}, wish + ".edges")},
      wish + ".ones");
  const std::string count = scattered(ones, made->target, nodes, wish + ".count");
  made->degree = writer_.node("Max", {count, writer_.scalar("one", 1)}, wish);
  return *made;
}

std::string Lowering::graph_sum(const Step& step, bool quantize) {
  if (std::holds_alternative<Aggregate>(step.work)) return aggregate(step, quantize);
  if (std::holds_alternative<Attend>(step.work)) return attend(step, quantize);
  require(std::holds_alternative<ReadOut>(step.work), "Step {} cannot be written to ONNX.",
          step.name);
  return read_out(step, quantize);
}

std::string Lowering::aggregate(const Step& step, bool quantize) {
  const auto& work = std::get<Aggregate>(step.work);
  const int in = step.inputs[0];
  const std::string name = name_of_value(step.output);
  const bool gcn = work.reduce == op::Reduce::Gcn;
  Edges& along = edges(work.self_loops);
  const std::string x = quantize && work.products ? integers(in) : real(in);
  std::string message = writer_.node("Gather", {x, along.source}, name + ".message");
  if (gcn) {
    if (along.norm.empty()) {
      const std::string inverse = writer_.node(
          "Div", {writer_.scalar("one", 1), writer_.node("Sqrt", {along.degree}, name + ".root")},
          name + ".inverse");
      along.norm =
          writer_.node("Mul",
                       {writer_.node("Gather", {inverse, along.source}, name + ".of_source"),
                        writer_.node("Gather", {inverse, along.target}, name + ".of_target")},
                       name + ".norm");
    }
    std::string norm = along.norm;
    if (quantize && work.norm_format) {
      norm = on_grid(norm, work.norm_a, work.norm_b, *work.norm_format, name + ".norm");
      if (work.norm_on_grid && !work.products)
        norm = writer_.node("Mul", {norm, writer_.scalar("norm_scale", work.norm_scale)},
                            name + ".norm_real");
    }
    message =
        writer_.node("Mul", {message, unsqueezed(norm, name + ".norm_column")}, name + ".weighted");
  }
  if (quantize && work.message_format) {
    message =
        on_grid(message, work.message_a, work.message_b, *work.message_format, name + ".message");
  }
  const std::string shape = writer_.node("Shape", {x}, name + ".shape");
  const std::string sum = scattered(message, along.target, shape, name + ".scattered");
  if (work.reduce != op::Reduce::Mean) return sum;
  return writer_.node("Div", {sum, unsqueezed(along.degree, name + ".degree_column")},
                      name + ".mean");
}

std::string Lowering::on_grid(const std::string& x, float a, float b, const Quantization& how,
                              const std::string& wish) {
  std::string u = writer_.node("Mul", {x, writer_.scalar("factor", a)}, wish + "_steps");
  if (b != 0) u = writer_.node("Add", {u, writer_.scalar("shift", b)}, wish + "_shifted");
  return quantized(u, how, false, wish);
}

std::string Lowering::attend(const Step& step, bool quantize) {
  writer_.needs_opset(kScatterMaxOpset);
  const auto& work = std::get<Attend>(step.work);
  const std::string name = name_of_value(step.output);
  Edges& along = edges(true);
  const std::vector<int64_t> by_head{-1, work.heads, work.features};
  const std::string x = writer_.node(
      "Reshape", {real(step.inputs[0]), writer_.constant("by_head", vector_of(by_head))},
      name + ".heads");
  const auto projected = [&](const Tensor& vector, const char* what) {
    const std::string products =
        writer_.node("Mul", {x, writer_.constant(name + what, vector)}, name + what + ".products");
    return writer_.node("ReduceSum", {products, writer_.constant("last_axis", vector_of({-1}))},
                        name + what + ".sum", {{"keepdims", int64_t{0}}});
  };
  const std::string at_source = projected(work.source, ".source");
  const std::string at_target = projected(work.target, ".target");
  std::string logit =
      writer_.node("Add",
                   {writer_.node("Gather", {at_source, along.source}, name + ".from_source"),
                    writer_.node("Gather", {at_target, along.target}, name + ".from_target")},
                   name + ".logit");
  if (quantize && work.logit_format) {
    logit = on_grid(logit, work.logit_a, work.logit_b, *work.logit_format, name + ".logit");
    if (work.logit_on_grid)
      logit = writer_.node("Mul", {logit, writer_.scalar("logit_scale", work.logit_scale)},
                           name + ".logit_real");
  }
  logit = writer_.node("LeakyRelu", {logit}, name + ".leaky", {{"alpha", work.negative_slope}});
  const std::string shape = writer_.node("Shape", {at_source}, name + ".logit_shape");
  const std::string most = scattered(logit, along.target, shape, name + ".most", "max");
  const std::string weight = writer_.node(
      "Exp",
      {writer_.node("Sub",
                    {logit, writer_.node("Gather", {most, along.target}, name + ".most_of_edge")},
                    name + ".below_most")},
      name + ".exp");
  const std::string total = scattered(weight, along.target, shape, name + ".total");
  const std::string share = writer_.node(
      "Div", {weight, writer_.node("Gather", {total, along.target}, name + ".total_of_edge")},
      name + ".share");
  std::string message =
      writer_.node("Mul",
                   {writer_.node("Gather", {x, along.source}, name + ".of_source"),
                    unsqueezed(share, name + ".share_column")},
                   name + ".message");
  const std::vector<int64_t> flat{-1, work.heads * work.features};
  message =
      writer_.node("Reshape", {message, writer_.constant("flat", vector_of(flat))}, name + ".flat");
  if (quantize && work.message_format) {
    message =
        on_grid(message, work.message_a, work.message_b, *work.message_format, name + ".message");
  }
  const std::string rows = writer_.node("Shape", {real(step.inputs[0])}, name + ".shape");
  const std::string sum = scattered(message, along.target, rows, name + ".scattered");
  if (work.concat) return sum;
  return writer_.node(
      "ReduceSum",
      {writer_.node("Reshape", {sum, writer_.constant("by_head", vector_of(by_head))},
                    name + ".sum_by_head"),
       writer_.constant("axis_of_heads", vector_of({1}))},
      name + ".over_heads", {{"keepdims", int64_t{0}}});
}

std::string Lowering::read_out(const Step& step, bool quantize) {
  const int in = step.inputs[0];
  const std::string name = name_of_value(step.output);
  const std::string x = quantize && value(in).grid ? integers(in) : real(in);
  if (graphs_.empty()) {
    graphs_ = graph_input("graph_of_node", "nodes");
    node_counts_ = graph_input("node_counts", "graphs");
  }
  const std::string shape =
      writer_.node("Concat",
                   {writer_.node("Shape", {node_counts_}, name + ".graphs"),
                    writer_.constant(name + ".features", vector_of({value(in).shape[0]}))},
                   name + ".shape", {{"axis", int64_t{0}}});
  const std::string sum = scattered(x, graphs_, shape, name + ".scattered");
  if (std::get<ReadOut>(step.work).reduce != op::Reduce::Mean) return sum;
  const std::string count =
      writer_.node("Max",
                   {writer_.node("Cast", {node_counts_}, name + ".count", {{"to", int64_t{1}}}),
                    writer_.scalar("one", 1)},
                   name + ".divisor");
  return writer_.node("Div", {sum, unsqueezed(count, name + ".divisor_column")}, name + ".mean");
}

}  // namespace quantbench
