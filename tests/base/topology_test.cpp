#include "base/topology.h"

#include "base/batch.h"
#include "tests/base/support.h"

namespace quantbench {
namespace {

Tensor longs(const std::vector<int64_t>& values) { return torch::tensor(values, torch::kLong); }

std::vector<int64_t> list(const Tensor& t) {
  const Tensor flat = t.contiguous();
  return {flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel()};
}

using Longs = std::vector<int64_t>;

// 0 -> 1, 2 -> 1, 1 -> 0, 2 -> 2, and node 3 alone.
Topology example() { return Topology(4, longs({0, 2, 1, 2}), longs({1, 1, 0, 2})); }

TEST(Topology, SortsEdgesByTarget) {
  const Topology graph = example();

  EXPECT_EQ(list(graph.target()), (Longs{0, 1, 1, 2}));
  EXPECT_EQ(list(graph.source()), (Longs{1, 0, 2, 2}));
  EXPECT_EQ(list(graph.offsets()), (Longs{0, 1, 3, 4, 4}));
}

TEST(Topology, FindsTheEdgesThatLeaveANode) {
  const Topology graph = example();

  EXPECT_EQ(list(graph.source().index_select(0, graph.by_source())), (Longs{0, 1, 2, 2}));
  EXPECT_EQ(list(graph.source_offsets()), (Longs{0, 1, 2, 4, 4}));
}

TEST(Topology, CountsIncomingEdges) { EXPECT_EQ(list(example().in_degree()), (Longs{1, 2, 1, 0})); }

TEST(Topology, GivesEveryNodeExactlyOneSelfLoop) {
  const Topology graph = example();

  const auto looped = graph.with_self_loops();

  EXPECT_EQ(looped->edge_count(), 3 + 4);
  EXPECT_EQ(looped->source().eq(looped->target()).sum().item<int64_t>(), 4);
  EXPECT_EQ(looped, graph.with_self_loops());
}

TEST(Topology, NormalisesAsTheDenseFormulaDoes) {
  const auto graph = Topology(3, longs({0, 1, 1, 2}), longs({1, 0, 2, 1})).with_self_loops();
  const Tensor adjacency = torch::tensor({{1.f, 1.f, 0.f}, {1.f, 1.f, 1.f}, {0.f, 1.f, 1.f}});
  const Tensor scale = torch::diag(adjacency.sum(1).rsqrt());
  const Tensor expected = scale.mm(adjacency).mm(scale);

  Tensor dense = torch::zeros({3, 3});
  dense.index_put_({graph->target(), graph->source()}, graph->gcn_norm());

  EXPECT_TRUE(torch::allclose(dense, expected, 1e-6, 1e-7));
}

TEST(Topology, CountsTheGraphsOfABatch) {
  const Topology batch(3, longs({0}), longs({1}), longs({0, 0, 1}));

  EXPECT_EQ(batch.graph_count(), 2);
  EXPECT_EQ(example().graph_count(), 1);
}

TEST(Topology, MayHaveNoEdges) {
  const Topology graph(2, longs({}), longs({}));

  EXPECT_EQ(graph.edge_count(), 0);
  EXPECT_EQ(graph.with_self_loops()->edge_count(), 2);
}

TEST(Topology, RefusesAnEdgeToANodeThatIsNotThere) {
  const std::string sentence = error_of([] { Topology(2, longs({0}), longs({2})); });

  EXPECT_THAT(sentence, testing::HasSubstr("node 2"));
  EXPECT_THROW(Topology(2, longs({-1}), longs({0})), Error);
}

TEST(Topology, RefusesSourcesWithoutTargets) {
  EXPECT_THROW(Topology(2, longs({0, 1}), longs({1})), Error);
}

TEST(Batch, PicksTheScoredRows) {
  Batch batch;
  batch.scored_rows = longs({2, 0});
  const Tensor output = torch::arange(6).reshape({3, 2});

  EXPECT_EQ(list(batch.scored(output)), (Longs{4, 5, 0, 1}));
  EXPECT_EQ(list(Batch().scored(output)), (Longs{0, 1, 2, 3, 4, 5}));
}

}  // namespace
}  // namespace quantbench
