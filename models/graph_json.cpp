#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "models/graph.h"

namespace quantbench {
namespace {

using Json = nlohmann::json;

const char* name_of(op::Reduce reduce) {
  switch (reduce) {
    case op::Reduce::Sum:
      return "sum";
    case op::Reduce::Mean:
      return "mean";
    case op::Reduce::Gcn:
      return "gcn";
  }
  return "sum";
}

// One list of fields an operation: calls visit(name, field) for each.
template <typename Op, typename Visit>
void fields(Op& o, Visit&& visit) {
  using T = std::remove_const_t<Op>;
  if constexpr (std::is_same_v<T, op::Conv2d>) {
    visit("in", o.in), visit("out", o.out), visit("kernel", o.kernel), visit("stride", o.stride);
    visit("padding", o.padding), visit("groups", o.groups), visit("bias", o.bias);
  } else if constexpr (std::is_same_v<T, op::Linear>) {
    visit("in", o.in), visit("out", o.out), visit("bias", o.bias);
  } else if constexpr (std::is_same_v<T, op::Bias>) {
    visit("features", o.features);
  } else if constexpr (std::is_same_v<T, op::BatchNorm>) {
    visit("features", o.features), visit("eps", o.eps), visit("momentum", o.momentum);
  } else if constexpr (std::is_same_v<T, op::Relu>) {
    visit("max", o.max);
  } else if constexpr (std::is_same_v<T, op::MaxPool>) {
    visit("kernel", o.kernel), visit("stride", o.stride), visit("padding", o.padding);
    visit("ceil", o.ceil);
  } else if constexpr (std::is_same_v<T, op::AvgPool>) {
    visit("kernel", o.kernel), visit("stride", o.stride), visit("padding", o.padding);
  } else if constexpr (std::is_same_v<T, op::Dropout>) {
    visit("p", o.p);
  } else if constexpr (std::is_same_v<T, op::PadShortcut>) {
    visit("stride", o.stride), visit("before", o.before), visit("after", o.after);
  } else if constexpr (std::is_same_v<T, op::Propagate>) {
    visit("reduce", o.reduce), visit("self_loops", o.self_loops);
  } else if constexpr (std::is_same_v<T, op::Attention>) {
    visit("heads", o.heads), visit("features", o.features);
    visit("negative_slope", o.negative_slope), visit("dropout", o.dropout);
    visit("concat", o.concat);
  } else if constexpr (std::is_same_v<T, op::GinUpdate>) {
    visit("train_eps", o.train_eps);
  } else if constexpr (std::is_same_v<T, op::ReadOut>) {
    visit("reduce", o.reduce);
  }
}

Json to_json(int64_t value) { return value; }
Json to_json(double value) { return value; }
Json to_json(bool value) { return value; }
Json to_json(op::Reduce value) { return name_of(value); }
template <size_t N>
Json to_json(const std::array<int64_t, N>& value) {
  return value;
}

void read(const Json& json, int64_t& value) { value = whole_number(json); }
void read(const Json& json, double& value) { value = json.get<double>(); }
void read(const Json& json, bool& value) { value = json.get<bool>(); }
void read(const Json& json, op::Reduce& value) {
  const auto text = json.get<std::string>();
  for (op::Reduce reduce : {op::Reduce::Sum, op::Reduce::Mean, op::Reduce::Gcn})
    if (text == name_of(reduce)) {
      value = reduce;
      return;
    }
  fail("'{}' is no way to reduce messages.", text);
}
template <size_t N>
void read(const Json& json, std::array<int64_t, N>& value) {
  require(json.is_array() && json.size() == N, "An attribute has {} numbers.", N);
  for (size_t i = 0; i < N; ++i) value[i] = whole_number(json[i]);
}

Json operation_to_json(const Operation& operation) {
  Json json = Json::object();
  std::visit(
      [&](const auto& o) {
        const std::decay_t<decltype(o)> defaults;
        std::vector<Json> plain;
        fields(defaults, [&](const char*, const auto& field) { plain.push_back(to_json(field)); });
        size_t i = 0;
        fields(o, [&](const char* name, const auto& field) {
          if (Json value = to_json(field); value != plain[i++]) json[name] = std::move(value);
        });
      },
      operation);
  return json;
}

template <size_t I = 0>
Operation operation_from_json(const std::string& name, const Json& json) {
  if constexpr (I < std::variant_size_v<Operation>) {
    std::variant_alternative_t<I, Operation> o;
    if (name != quantbench::name_of(Operation(o))) return operation_from_json<I + 1>(name, json);
    size_t known = 0;
    fields(o, [&](const char* field_name, auto& field) {
      if (auto found = json.find(field_name); found != json.end()) {
        read(*found, field);
        ++known;
      }
    });
    require(known == json.size(), "A {} has attributes that this version does not know.", name);
    return o;
  } else {
    fail("The operation '{}' is not known to this version.", name);
  }
}

}  // namespace

Json graph_to_json(const Graph& graph) {
  Json nodes = Json::array();
  for (const Node& node : graph.nodes) {
    Json json{{"name", node.name}, {"op", quantbench::name_of(node.operation)}};
    if (node.scope != node.name) json["scope"] = node.scope;
    if (!node.block.empty()) json["block"] = node.block;
    if (!node.inputs.empty()) json["in"] = node.inputs;
    if (Json attributes = operation_to_json(node.operation); !attributes.empty())
      json["with"] = std::move(attributes);
    nodes.push_back(std::move(json));
  }
  return {{"name", graph.name},
          {"input", graph.input_shape},
          {"classes", graph.class_count},
          {"nodes", std::move(nodes)}};
}

Graph graph_from_json(const Json& json) {
  Graph graph;
  try {
    graph.name = json.at("name").get<std::string>();
    for (const Json& size : json.at("input")) graph.input_shape.push_back(whole_number(size));
    graph.class_count = whole_number(json.at("classes"));
    std::set<std::string> names;
    for (const Json& entry : json.at("nodes")) {
      Node node;
      node.name = entry.at("name").get<std::string>();
      require(names.insert(node.name).second, "A graph has two nodes named '{}'.", node.name);
      node.scope = entry.value("scope", node.name);
      node.block = entry.value("block", "");
      for (const Json& input : entry.value("in", Json::array())) {
        const int64_t index = whole_number(input);
        require(index >= 0 && index <= INT32_MAX, "{} reads node {}.", node.name, index);
        node.inputs.push_back(static_cast<int>(index));
      }
      node.operation = operation_from_json(entry.at("op").get<std::string>(),
                                           entry.value("with", Json::object()));
      graph.nodes.push_back(std::move(node));
    }
  } catch (const Json::exception& problem) {
    fail("A graph's description is malformed: {}.", problem.what());
  }
  infer_shapes(graph);
  return graph;
}

}  // namespace quantbench
