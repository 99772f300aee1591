#include "models/network.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

Batch images(int64_t count) {
  torch::manual_seed(1);
  Batch batch;
  batch.input = torch::randn({count, 3, 32, 32});
  batch.target = torch::arange(count) % 10;
  return batch;
}

Network resnet20(uint64_t seed = 0) {
  return Network(build_model("resnet20", {{3, 32, 32}, 10}), RandomStream(seed, "init"));
}

// Doubles what passes, and remembers what it was told.
struct Doubling : Tap {
  Tensor forward(const Tensor& x, const TapContext& context) override {
    rows = context.rows;
    seen = x.scalar_type();
    relu = context.relu;
    return 2 * (context.relu ? torch::relu(x) : x);
  }
  bool absorbs_relu() const override { return absorbs; }
  bool takes_bf16() const override { return narrow; }
  bool absorbs = false, relu = false, narrow = false;
  Rows rows = Rows::Parameter;
  torch::ScalarType seen = torch::kFloat;
};

TEST(Network, SameSeedSameWeightsOtherSeedOthers) {
  const auto a = resnet20(3).state(), b = resnet20(3).state(), c = resnet20(4).state();

  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(torch::equal(a[i].second, b[i].second));
  EXPECT_FALSE(torch::equal(a[0].second, c[0].second));
}

TEST(Network, StateBearsThePyTorchNames) {
  const Network network = resnet20();

  const auto state = network.state();

  ASSERT_EQ(state.size(), 19u + 19u * 4u + 2u);
  EXPECT_EQ(state[0].first, "conv1.weight");
  EXPECT_EQ(state[1].first, "bn1.weight");
  EXPECT_EQ(state[3].first, "bn1.running_mean");
  EXPECT_EQ(state[5].first, "layer1.0.conv1.weight");
  EXPECT_EQ(state.back().first, "linear.bias");
}

TEST(Network, MemoryFormatChangesRoundingOnly) {
  Network network = resnet20();
  network.eval();
  const Batch batch = images(4);

  network.compute().channels_last = false;
  const Tensor contiguous = network.forward(batch);
  network.compute().channels_last = true;
  const Tensor channels_last = network.forward(batch);

  EXPECT_TRUE(torch::allclose(contiguous, channels_last, 1e-4, 1e-4));
}

TEST(Network, EqualsTheSameNetworkWrittenByHand) {
  Network network = resnet20();
  network.eval();
  const Batch batch = images(2);
  std::map<std::string, Tensor> p;
  for (const auto& [name, tensor] : network.state()) p[name] = tensor;
  auto bn = [&](const Tensor& x, const std::string& n) {
    return torch::batch_norm(x, p[n + ".weight"], p[n + ".bias"], p[n + ".running_mean"],
                             p[n + ".running_var"], false, 0.1, 1e-5, true);
  };

  Tensor x = torch::relu(bn(torch::conv2d(batch.input, p["conv1.weight"], {}, 1, 1), "bn1"));
  for (int stage = 1; stage <= 3; ++stage)
    for (int i = 0; i < 3; ++i) {
      const std::string n = "layer" + std::to_string(stage) + "." + std::to_string(i);
      const int64_t stride = stage > 1 && i == 0 ? 2 : 1;
      Tensor y =
          torch::relu(bn(torch::conv2d(x, p[n + ".conv1.weight"], {}, stride, 1), n + ".bn1"));
      y = bn(torch::conv2d(y, p[n + ".conv2.weight"], {}, 1, 1), n + ".bn2");
      const int64_t pad = (y.size(1) - x.size(1)) / 2;
      const Tensor shortcut = stride == 1
                                  ? x
                                  : torch::constant_pad_nd(x.slice(2, 0, {}, 2).slice(3, 0, {}, 2),
                                                           {0, 0, 0, 0, pad, pad});
      x = torch::relu(y + shortcut);
    }
  const Tensor expected = torch::linear(x.mean({2, 3}), p["linear.weight"], p["linear.bias"]);

  EXPECT_TRUE(torch::allclose(network.forward(batch), expected, 1e-4, 1e-5));
}

TEST(Network, ATapActsWhereItIsPutAndNowhereElse) {
  Network network = resnet20();
  network.eval();
  const Batch batch = images(2);
  const Tensor before = network.forward(batch);
  const Graph& graph = network.graph();
  const int last = graph.output();

  network.set_tap({last, PointKind::Weight}, std::make_shared<Doubling>());
  const Tensor doubled = network.forward(batch);
  network.enable_taps(false);
  const Tensor off = network.forward(batch);
  network.enable_taps(true);
  network.clear_taps();
  const Tensor after = network.forward(batch);

  const Tensor bias = network.parameter(last, "bias");
  EXPECT_TRUE(torch::allclose(doubled, 2 * (before - bias) + bias, 1e-4, 1e-5));
  EXPECT_TRUE(torch::equal(off, before));
  EXPECT_TRUE(torch::equal(after, before));
}

TEST(Network, ATapThatAbsorbsTheReluReplacesIt) {
  Network network = resnet20();
  network.eval();
  const Batch batch = images(2);
  const int relu = network.graph().index_of("relu1");
  auto plain = std::make_shared<Doubling>(), absorbing = std::make_shared<Doubling>();
  absorbing->absorbs = true;

  network.set_tap({relu, PointKind::Output}, plain);
  const Tensor separate = network.forward(batch);
  network.set_tap({relu, PointKind::Output}, absorbing);
  const Tensor fused = network.forward(batch);

  EXPECT_FALSE(plain->relu);
  EXPECT_TRUE(absorbing->relu);
  EXPECT_EQ(absorbing->rows, Rows::Sample);
  EXPECT_TRUE(torch::equal(fused, separate));
}

TEST(Network, ObservesTheValueBeforeTheTap) {
  Network network = resnet20();
  network.eval();
  const Batch batch = images(2);
  const Point point{network.graph().index_of("pool"), PointKind::Output};
  Tensor without, with;

  network.observe(batch, {point},
                  [&](const Point&, const Tensor& x, const TapContext&) { without = x; });
  network.set_tap(point, std::make_shared<Doubling>());
  network.observe(batch, {point},
                  [&](const Point&, const Tensor& x, const TapContext&) { with = x; });

  EXPECT_TRUE(torch::equal(with, without));
}

TEST(Network, CanBeCutBetweenNodes) {
  Network network = resnet20();
  network.eval();
  const Batch batch = images(2);
  std::vector<Tensor> values;

  network.run(batch, values, 0, 20);
  network.run(batch, values, 21, network.graph().output());

  EXPECT_TRUE(torch::equal(values.back(), network.forward(batch)));
}

TEST(Network, RefusesAPointThatTheNodeDoesNotHave) {
  Network network = resnet20();
  const int relu = network.graph().index_of("relu1");

  EXPECT_THROW(network.set_tap({relu, PointKind::Weight}, std::make_shared<Doubling>()), Error);
  EXPECT_THROW(network.set_tap({relu, PointKind::Message}, std::make_shared<Doubling>()), Error);
  EXPECT_THROW(network.set_tap({9999, PointKind::Output}, std::make_shared<Doubling>()), Error);
}

TEST(Network, Bf16StaysCloseAndGivesFloatLogits) {
  Network network = resnet20();
  network.eval();
  const Batch batch = images(2);
  const Tensor exact = network.forward(batch);

  network.compute().bf16 = true;
  const Tensor rounded = network.forward(batch);

  EXPECT_EQ(rounded.scalar_type(), torch::kFloat);
  EXPECT_TRUE(torch::allclose(rounded, exact, 0.1, 0.1));
  EXPECT_FALSE(torch::equal(rounded, exact));
}

TEST(Network, UnderBf16ATapSeesWhatItTakes) {
  Network network = resnet20();
  network.eval();
  network.compute().bf16 = true;
  const int relu = network.graph().index_of("relu1");
  auto tap = std::make_shared<Doubling>();
  network.set_tap({relu, PointKind::Output}, tap);

  const Tensor widened = network.forward(images(2));
  EXPECT_EQ(tap->seen, torch::kFloat);
  tap->narrow = true;
  const Tensor narrow = network.forward(images(2));

  EXPECT_EQ(tap->seen, torch::kBFloat16);
  EXPECT_TRUE(torch::equal(narrow, widened));  // doubling is exact in either
}

TEST(Network, ATapOnAMessageSeesEdges) {
  Network network(build_model("gcn2", {{6}, 3}));
  network.eval();
  Batch batch;
  batch.input = torch::randn({4, 6});
  batch.topology =
      std::make_shared<Topology>(4, torch::tensor({0, 1, 2, 3}), torch::tensor({1, 0, 3, 2}));
  const int propagate = network.graph().index_of("conv1.propagate");
  auto on_message = std::make_shared<Doubling>(), on_norm = std::make_shared<Doubling>();

  network.set_tap({propagate, PointKind::Message}, on_message);
  network.set_tap({propagate, PointKind::EdgeNorm}, on_norm);
  network.forward(batch);

  EXPECT_EQ(on_message->rows, Rows::Edge);
  EXPECT_EQ(on_norm->rows, Rows::Edge);
}

TEST(Network, PoolsCountTheBordersZerosAndHangOverTheEdge) {
  GraphBuilder g("pools", {1, 4, 4}, 2);
  const int mean = g.node("mean", op::AvgPool{3, 1, 1}, {g.input()});
  g.node("most", op::MaxPool{3, 2, 0, /*ceil=*/true}, {mean});
  Network network(std::move(g).build());
  Batch batch;
  batch.input = torch::ones({1, 1, 4, 4});
  std::vector<Tensor> values;

  network.run(batch, values, 0, 2, /*keep=*/true);

  EXPECT_NEAR(values[1][0][0][0][0].item<float>(), 4.0 / 9, 1e-6) << "a corner has four pixels";
  EXPECT_NEAR(values[1][0][0][0][1].item<float>(), 6.0 / 9, 1e-6);
  ASSERT_EQ(values[2].sizes(), (std::vector<int64_t>{1, 1, 2, 2}));
  EXPECT_NEAR(values[2][0][0][1][1].item<float>(), 1, 1e-6);
}

TEST(Network, ObserversSeeAReluWithinItsLimitWhereATapDoesItsWork) {
  GraphBuilder g("relu6", {1}, 2);
  const int relu = g.relu("relu", g.input(), 6);
  g.linear("fc", relu, 2);
  Network network(std::move(g).build());
  network.eval();
  auto tap = std::make_shared<Doubling>();
  tap->absorbs = true;
  network.set_tap({1, PointKind::Output}, tap);
  Batch batch;
  batch.input = torch::tensor({-1.0f, 3.0f, 9.0f}).view({3, 1});
  Tensor seen;

  network.observe(batch, {{1, PointKind::Output}},
                  [&](const Point&, const Tensor& x, const TapContext&) { seen = x.clone(); });

  EXPECT_TRUE(torch::equal(seen, torch::tensor({0.0f, 3.0f, 6.0f}).view({3, 1})));
}

}  // namespace
}  // namespace quantbench
