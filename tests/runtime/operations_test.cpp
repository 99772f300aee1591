// What graphs are known to consist of, over every model of the zoo: points, sites, parameters, in
// the order and under the names that stored runs and packages already bear.
#include "models/operations.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/sha256.h"
#include "methods/site.h"
#include "models/builder.h"
#include "models/model.h"
#include "models/network.h"
#include "runtime/slots.h"

namespace quantbench {
namespace {

constexpr PointKind kKinds[] = {
    PointKind::Weight,   PointKind::Bias,    PointKind::Input,           PointKind::Output,
    PointKind::EdgeNorm, PointKind::Message, PointKind::AttentionVector, PointKind::AttentionLogit};

class Nothing : public Tap {
 public:
  Tensor forward(const Tensor& x, const TapContext&) override { return x; }
};

bool takes_tap(Network& network, const Point& point) {
  try {
    network.set_tap(point, std::make_shared<Nothing>());
  } catch (const Error&) {
    return false;
  }
  network.set_tap(point, nullptr);
  return true;
}

std::string text_of(const Site& site) {
  return fmt::format("{} [{}] {} {}\n", site.name, fmt::join(site.shape, ","), site.elements,
                     site.macs);
}

std::string text_of(const Graph& graph) {
  Network network(graph);
  const auto shapes = infer_shapes(graph);
  std::string out;
  for (int i = 0; i <= graph.output(); ++i)
    for (PointKind kind : kKinds)
      for (int port = 0; port < 3; ++port) {
        const Point point{i, kind, port};
        if (port > 0 && kind != PointKind::Input) continue;
        const auto shape = activation_shape(graph, point, shapes);
        out += fmt::format("{} {} {} {} {}\n", i, name_of(kind), port, takes_tap(network, point),
                           shape ? fmt::format("[{}]", fmt::join(*shape, ",")) : "-");
      }
  for (const Site& site : all_sites(graph)) out += text_of(site);
  for (const Site& site : bias_sites(graph)) out += text_of(site);
  for (const Site& site : operand_sites(graph))
    out += text_of(site) + (is_relu(graph, site) ? "r" : "");
  for (const ParameterSlot& slot : parameter_slots(graph))
    out += fmt::format("{} {} {} [{}] {}\n", slot.name, slot.local, slot.node,
                       fmt::join(slot.shape, ","), slot.kind ? name_of(*slot.kind) : "-");
  for (const auto& entry : network.named_parameters()) {
    const Tensor& values = entry.value();
    const std::string_view bytes(static_cast<const char*>(values.data_ptr()), values.nbytes());
    out += fmt::format("p {} {}\n", entry.key(), sha256(bytes));
  }
  for (const auto& entry : network.named_buffers()) out += "b " + entry.key() + "\n";
  for (const auto& [name, tensor] : network.state())
    out += fmt::format("s {} [{}]\n", name, fmt::join(tensor.sizes(), ","));
  out += fmt::format("{}\n", fmt::join(count_macs(graph), ","));
  return out;
}

// One node of every operation.
Graph everything() {
  GraphBuilder g("everything", {3, 16, 16}, 4);
  int x = g.node("conv", op::Conv2d{3, 8, {3, 3}, {1, 1}, {1, 1, 1, 1}, 1, true}, {g.input()});
  x = g.node("bn", op::BatchNorm{8}, {x});
  x = g.node("relu", op::Relu{}, {x});
  x = g.node("grouped", op::Conv2d{8, 8, {3, 1}, {1, 1}, {1, 0, 1, 0}, 4, false}, {x});
  x = g.node("relu6", op::Relu{6}, {x});
  x = g.node("max_pool", op::MaxPool{3, 2, 1}, {x});
  const int shortcut = g.node("shortcut", op::PadShortcut{2, 2, 2}, {x});
  const int pooled = g.node("avg_pool", op::AvgPool{2, 2}, {x});
  x = g.node("concat", op::Concat{}, {pooled, shortcut});
  x = g.node("global", op::GlobalAvgPool{}, {x});
  x = g.node("flatten", op::Flatten{}, {x});
  x = g.node("fc", op::Linear{20, 12, true}, {x});
  x = g.node("elu", op::Elu{}, {x});
  x = g.node("drop", op::Dropout{0.5}, {x});
  x = g.node("plain", op::Linear{12, 12, false}, {x});
  x = g.node("gat", op::Attention{3, 4, 0.2, 0.1, true}, {x});
  x = g.node("bias", op::Bias{12}, {x});
  const int gcn = g.node("gcn", op::Propagate{op::Reduce::Gcn, true}, {x});
  const int mean = g.node("mean", op::Propagate{op::Reduce::Mean, false}, {gcn});
  const int sum = g.node("sum", op::Propagate{op::Reduce::Sum, false}, {mean});
  x = g.node("gin", op::GinUpdate{true}, {mean, sum});
  x = g.node("fixed_gin", op::GinUpdate{false}, {x, sum});
  x = g.node("add", op::Add{}, {x, mean});
  x = g.node("heads", op::Attention{3, 4, 0.2, 0, false}, {x});
  g.node("read_out", op::ReadOut{}, {x});
  return std::move(g).build();
}

struct Known {
  const char* model;
  std::vector<int64_t> input;
  const char* digest;  // of text_of()
};

TEST(Operations, AreAllInTheGraphOfTheNextTest) {
  std::set<size_t> seen;
  for (const Node& node : everything().nodes) seen.insert(node.operation.index());
  EXPECT_EQ(std::variant_size_v<Operation>, seen.size());
}

TEST(Operations, PassOnTheirInputsNumbersOrMakeNewOnes) {
  std::map<std::string, Passes> passing;
  for (const Node& node : everything().nodes) passing[node.name] = passes(node.operation);
  std::set<std::string> on, positive;
  for (const auto& [name, how] : passing) {
    if (how == Passes::Everything) on.insert(name);
    if (how == Passes::PositivePart) positive.insert(name);
  }
  EXPECT_EQ((std::set<std::string>{"drop", "flatten", "max_pool", "shortcut"}), on);
  EXPECT_EQ((std::set<std::string>{"relu"}), positive);
  EXPECT_FALSE(passes_on(op::Relu{}));
  EXPECT_TRUE(keeps_grid(op::Relu{}));
  EXPECT_FALSE(keeps_grid(op::Relu{6}));
}

TEST(Operations, OfferTheValuesThatATapSees) {
  const Graph graph = everything();
  Network network(graph);
  const auto shapes = infer_shapes(graph);
  Batch batch;
  batch.input = torch::rand({5, 3, 16, 16});
  batch.topology = std::make_shared<Topology>(5, torch::tensor({0, 1, 2, 3, 4, 0}),
                                              torch::tensor({1, 2, 3, 4, 0, 2}));
  std::vector<Point> points;
  std::map<Point, std::vector<int64_t>> expected, seen;
  for (int i = 0; i <= graph.output(); ++i)
    for (const PointValue& value : points_of(graph, i, shapes)) {
      points.push_back(value.point);
      expected[value.point] = value.shape;
    }
  network.eval();
  network.observe(batch, points,
                  [&](const Point& point, const Tensor& x, const TapContext& context) {
                    const auto sizes = x.sizes().slice(context.rows == Rows::Parameter ? 0 : 1);
                    seen[point] = sizes.vec();
                  });
  EXPECT_EQ(expected, seen);
}

TEST(Operations, EveryModelOfTheZooKeepsItsPointsSitesAndParameters) {
  const std::vector<Known> known{
      {"lenet5", {1, 28, 28}, "15b8664c185c9e6e7aa9ef1f05113d127509a52807608a802657a3172fd9e355"},
      {"convnet_svhn",
       {3, 32, 32},
       "727ed04c8ed5649877daadedcbaa7e14043291a014afa083fd455b354433a83f"},
      {"resnet20", {3, 32, 32}, "6dadc9f5fa972669e264b21b0499017222498d367eeab3eb0bb1b0fc1aa24de1"},
      {"gcn2", {24}, "604f519705904e05a96376210869d60a75372ba1d8dd81f6cfd35067f7f82e5b"},
      {"gat2", {24}, "8b6fc6ce418b334607a4f52908c838b4e9ee3b442db0422a2d3eeb391a63255c"},
      {"gin2", {24}, "342d1c2c06bd2f49cbe46bdd0d445053f2b9494bc197b1ba2dae30b47834e579"},
      {"gin5", {24}, "404a9fe502ee391caf7e759bed0668a33bcfae2a682e08c31ee02dd95234eed5"}};
  for (const Known& each : known) {
    const std::string text = text_of(build_model(each.model, {each.input, 10}));
    EXPECT_EQ(each.digest, sha256(text)) << each.model << "\n" << text;
  }
}

TEST(Operations, EveryOperationKeepsItsPointsSitesAndParameters) {
  const std::string text = text_of(everything());
  EXPECT_EQ("06b3edcbfc46f777c424bd838c2f8628134ebb2b3f3ada75f4a4cbd001799dc9", sha256(text))
      << text;
}

}  // namespace
}  // namespace quantbench
