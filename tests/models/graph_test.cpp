#include "models/graph.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "models/builder.h"
#include "models/model.h"
#include "tests/models/zoo_inputs.h"

namespace quantbench {
namespace {

Graph small() {
  GraphBuilder g("small", {3, 8, 8}, 4);
  int x = g.conv("conv", g.input(), 6, 3, {2, 1, 3, true});
  x = g.relu("relu", g.batch_norm("bn", x), 6);
  x = g.add("add", x, g.pad_shortcut("shortcut", g.input(), 6, 2));
  g.linear("fc", g.global_avg_pool("pool", x), 4);
  return std::move(g).build();
}

TEST(Graph, InfersTheShapeOfEveryNode) {
  const Graph graph = small();

  const auto shapes = infer_shapes(graph);

  EXPECT_EQ(shapes[static_cast<size_t>(graph.index_of("conv"))], (std::vector<int64_t>{6, 4, 4}));
  EXPECT_EQ(shapes[static_cast<size_t>(graph.index_of("shortcut"))],
            (std::vector<int64_t>{6, 4, 4}));
  EXPECT_EQ(shapes.back(), std::vector<int64_t>{4});
}

TEST(Graph, PoolsReachBeyondTheImageWhereTheyMay) {
  const auto pooled = [](const Operation& pool, int64_t size) {
    GraphBuilder g("pool", {1, size, 1 << 10}, 2);
    return g.size(g.node("pool", pool, {g.input()}), 1);
  };
  EXPECT_EQ(pooled(op::MaxPool{3, 2}, 112), 55);
  EXPECT_EQ(pooled(op::MaxPool{3, 2, 0, true}, 112), 56);
  EXPECT_EQ(pooled(op::MaxPool{3, 2, 0, true}, 111), 55) << "nothing is left over";
  EXPECT_EQ(pooled(op::MaxPool{2, 2, 1, true}, 4), 3);
  EXPECT_EQ(pooled(op::MaxPool{2, 2, 1, true}, 3), 2) << "a window within the border behind";
  EXPECT_EQ(pooled(op::MaxPool{2, 3, 0, true}, 3), 1) << "as PyTorch: it would begin beyond";
  EXPECT_EQ(pooled(op::AvgPool{3, 1, 1}, 35), 35);
  EXPECT_THROW(pooled(op::AvgPool{3, 1, 2}, 35), Error);
}

TEST(GraphBuilder, SameBordersGiveOneOutputAStride) {
  GraphBuilder g("same", {1, 7, 8}, 2);
  const auto padding = [&](int node) {
    return std::get<op::Conv2d>(g.graph().nodes[static_cast<size_t>(node)].operation).padding;
  };
  using Padding = std::array<int64_t, 4>;
  const int by_two = g.conv_same("by_two", g.input(), 1, 3, {2});
  EXPECT_EQ(padding(by_two), (Padding{1, 0, 1, 1}));
  EXPECT_EQ(g.size(by_two, 1), 4);
  EXPECT_EQ(g.size(by_two, 2), 4);
  const int row = g.conv_same("row", g.input(), 1, {1, 4});
  EXPECT_EQ(padding(row), (Padding{0, 1, 0, 2}));
  EXPECT_EQ(padding(g.conv_same("point", g.input(), 1, 1, {2})), (Padding{0, 0, 0, 0}));
}

TEST(Graph, CountsTheMacsOfConvolutionsAndLinearLayersOnly) {
  const Graph graph = small();

  const auto macs = count_macs(graph);

  EXPECT_EQ(macs[static_cast<size_t>(graph.index_of("conv"))], 6 * 4 * 4 * 1 * 3 * 3);
  EXPECT_EQ(macs[static_cast<size_t>(graph.index_of("fc"))], 24);
  EXPECT_EQ(macs[static_cast<size_t>(graph.index_of("bn"))], 0);
}

TEST(Graph, ResNet20HasThePublishedWeightsAndMacs) {
  const Graph graph = build_model("resnet20", {{3, 32, 32}, 10});

  int64_t weights = 0, macs = 0;
  for (const Node& node : graph.nodes) {
    if (auto* c = std::get_if<op::Conv2d>(&node.operation)) weights += c->in * c->out * 9;
    if (auto* l = std::get_if<op::Linear>(&node.operation)) weights += l->in * l->out;
  }
  for (int64_t m : count_macs(graph)) macs += m;

  EXPECT_EQ(weights, 268336);  // HAWQ dossier, A4
  EXPECT_EQ(macs, 40551040);
}

TEST(GraphJson, GivesBackTheSameGraph) {
  for (const std::string& name : models().names()) {
    const Graph graph = build_model(name, {small_input(name), 7});

    const auto json = graph_to_json(graph);
    const Graph back = graph_from_json(json);

    EXPECT_EQ(graph_to_json(back), json) << name;
    EXPECT_EQ(infer_shapes(back), infer_shapes(graph)) << name;
  }
}

TEST(GraphJson, RefusesWhatIsNoGraph) {
  const auto good = graph_to_json(small());
  auto refuse = [&](const char* what, auto change) {
    auto bad = good;
    change(bad);
    EXPECT_THROW(graph_from_json(bad), Error) << what;
  };

  refuse("unknown operation", [](auto& j) { j["nodes"][1]["op"] = "Sorcery"; });
  refuse("forward reference", [](auto& j) { j["nodes"][1]["in"] = {5}; });
  refuse("negative reference", [](auto& j) { j["nodes"][1]["in"] = {-1}; });
  refuse("absurd size", [](auto& j) { j["nodes"][1]["with"]["out"] = int64_t{1} << 60; });
  refuse("zero stride", [](auto& j) { j["nodes"][1]["with"]["stride"] = {0, 0}; });
  refuse("channels that do not fit", [](auto& j) { j["nodes"][1]["with"]["in"] = 5; });
  refuse("an attribute that is not known", [](auto& j) { j["nodes"][1]["with"]["colour"] = 1; });
  refuse("a name used twice", [](auto& j) { j["nodes"][2]["name"] = "conv"; });
  refuse("a wrong type", [](auto& j) { j["nodes"] = "none"; });
  refuse("no nodes", [](auto& j) { j["nodes"] = nlohmann::json::array(); });
  refuse("a negative input", [](auto& j) { j["input"] = {3, -8, 8}; });
}

TEST(GraphBuilder, NamesTheNodeThatDoesNotFit) {
  GraphBuilder g("bad", {3, 4, 4}, 2);

  try {
    g.conv("too_large", g.input(), 8, 7);
    FAIL() << "a 7x7 window fits no 4x4 image";
  } catch (const Error& problem) {
    EXPECT_NE(std::string(problem.what()).find("too_large"), std::string::npos) << problem.what();
  }
}

TEST(Models, AnImageModelRefusesGraphData) {
  EXPECT_THROW(build_model("resnet20", {{1433}, 7}), Error);
  EXPECT_THROW(build_model("gcn2", {{3, 32, 32}, 10}), Error);
}

}  // namespace
}  // namespace quantbench
