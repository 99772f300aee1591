#include "models/graph_ops.h"

#include <gtest/gtest.h>

namespace quantbench {
namespace {

Topology path_of_three() {  // 0 - 1 - 2, both directions
  return Topology(3, torch::tensor({0, 1, 1, 2}), torch::tensor({1, 0, 2, 1}));
}

Topology random_graph(int64_t nodes, int64_t edges) {
  torch::manual_seed(5);
  return Topology(nodes, torch::randint(0, nodes, {edges}), torch::randint(0, nodes, {edges}));
}

TEST(GraphOps, SumsMessagesAtTheirTargets) {
  const Topology graph = random_graph(40, 300);
  const Tensor x = torch::randn({40, 5});

  const Tensor sum = sum_at_target(gather_source(x, graph), graph);

  Tensor expected = torch::zeros({40, 40});
  for (int64_t e = 0; e < 300; ++e)
    expected[graph.target()[e].item<int64_t>()][graph.source()[e].item<int64_t>()] += 1;
  EXPECT_TRUE(torch::allclose(sum, expected.matmul(x), 1e-5, 1e-5));
}

TEST(GraphOps, GradientsAreThoseOfTheDenseProduct) {
  const Topology graph = random_graph(20, 80);
  const Tensor x = torch::randn({20, 3}).requires_grad_();
  Tensor adjacency = torch::zeros({20, 20});
  for (int64_t e = 0; e < 80; ++e)
    adjacency[graph.target()[e].item<int64_t>()][graph.source()[e].item<int64_t>()] += 1;

  const Tensor ours = torch::autograd::grad(
      {sum_at_target(gather_source(x, graph), graph).pow(3).sum()}, {x}, {}, {}, true)[0];
  const Tensor dense =
      torch::autograd::grad({adjacency.matmul(x).pow(3).sum()}, {x}, {}, {}, true)[0];
  const Tensor ours2 = torch::autograd::grad({ours.pow(2).sum()}, {x})[0];
  const Tensor dense2 = torch::autograd::grad({dense.pow(2).sum()}, {x})[0];

  EXPECT_TRUE(torch::allclose(ours, dense, 1e-4, 1e-4));
  EXPECT_TRUE(torch::allclose(ours2, dense2, 1e-4, 1e-2 * dense2.abs().max().item<double>()));
}

// Values, first and second derivatives, bit for bit: the fused product against its two steps.
TEST(GraphOps, WeightedMessagesEqualGatheringThenScaling) {
  const auto graph = random_graph(50, 400).with_self_loops();
  const Tensor weight = graph->gcn_norm();
  const Tensor x = torch::randn({50, 7}).requires_grad_();
  const auto all = [&](const Tensor& messages) {
    const Tensor sum = sum_at_target(messages, *graph).pow(3).sum();
    const Tensor first = torch::autograd::grad({sum}, {x}, {}, true, true)[0];
    const Tensor second = torch::autograd::grad({first.pow(2).sum()}, {x})[0];
    return std::vector<Tensor>{messages, first, second};
  };

  const auto fused = all(gather_source(x, weight, *graph));
  const auto steps = all(gather_source(x, *graph) * weight.unsqueeze(1));

  for (size_t i = 0; i < fused.size(); ++i) EXPECT_TRUE(torch::equal(fused[i], steps[i])) << i;
}

// Values, first and second derivatives, bit for bit, without a tensor of the edges' length.
TEST(GraphOps, PropagationEqualsGatheringThenSumming) {
  const auto graph = random_graph(700, 4000).with_self_loops();
  const Tensor x = torch::randn({700, 7}).requires_grad_();
  const auto all = [&](const Tensor& value) {
    const Tensor sum = value.pow(3).sum();
    const Tensor first = torch::autograd::grad({sum}, {x}, {}, true, true)[0];
    const Tensor second = torch::autograd::grad({first.pow(2).sum()}, {x})[0];
    return std::vector<Tensor>{value, first, second};
  };
  for (const Tensor& weight : {Tensor(), graph->gcn_norm()}) {
    const auto fused = all(propagate(x, weight, *graph));
    const auto steps = all(sum_at_target(messages(x, weight, *graph), *graph));

    for (size_t i = 0; i < fused.size(); ++i)
      EXPECT_TRUE(torch::equal(fused[i], steps[i])) << i << " weighted " << weight.defined();
  }
}

TEST(GraphOps, AWeightOfMessagesThatLearnsHasItsGradient) {
  const Topology graph = path_of_three();
  const Tensor x = torch::tensor({{1.0f}, {2.0f}, {4.0f}});
  const Tensor weight = torch::ones({4}).requires_grad_();

  gather_source(x, weight, graph).sum().backward();

  EXPECT_TRUE(torch::equal(weight.grad(), gather_source(x, graph).flatten()));
  weight.mutable_grad() = Tensor();
  propagate(x, weight, graph).sum().backward();
  EXPECT_TRUE(torch::equal(weight.grad(), gather_source(x, graph).flatten()));
}

TEST(GraphOps, SoftmaxSumsToOneAtEveryTarget) {
  const auto graph = random_graph(30, 200).with_self_loops();
  const Tensor logits = torch::randn({graph->edge_count(), 4}) * 50;

  const Tensor share = sum_at_target(softmax_at_target(logits, *graph), *graph);

  EXPECT_TRUE(torch::allclose(share, torch::ones({30, 4})));
}

TEST(GraphOps, GcnNormOfAPathWithSelfLoops) {
  const auto graph = path_of_three().with_self_loops();

  const Tensor norm = graph->gcn_norm();

  ASSERT_EQ(graph->edge_count(), 7);
  for (int64_t e = 0; e < 7; ++e) {
    if (graph->source()[e].item<int64_t>() == 0 && graph->target()[e].item<int64_t>() == 1) {
      EXPECT_NEAR(norm[e].item<float>(), 0.408248, 1e-6);  // 1/sqrt(2*3)
    }
  }
}

TEST(GraphOps, ReadOutKeepsGraphsApart) {
  const Topology two(4, torch::empty({0}, torch::kLong), torch::empty({0}, torch::kLong),
                     torch::tensor({0, 0, 0, 1}));
  const Tensor x = torch::tensor({{1.0f}, {2.0f}, {6.0f}, {10.0f}});

  EXPECT_TRUE(torch::equal(read_out(x, two, true), torch::tensor({{3.0f}, {10.0f}})));
  EXPECT_TRUE(torch::equal(read_out(x, two, false), torch::tensor({{9.0f}, {10.0f}})));
}

}  // namespace
}  // namespace quantbench
