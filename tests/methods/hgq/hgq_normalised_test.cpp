// HGQ with a BatchNorm folded into every layer: against the same network with BatchNorms as nodes.
#include <gtest/gtest.h>

#include "base/error.h"
#include "methods/encoding.h"
#include "methods/hgq/hgq.h"
#include "models/builder.h"
#include "tests/methods/support.h"

namespace quantbench {
namespace {

Graph small(bool batch_norm, bool bias = true) {
  GraphBuilder g("small", {2, 8, 8}, 4);
  const auto normalised = [&](const std::string& name, int x) {
    return batch_norm ? g.batch_norm("bn_" + name, x, 1e-3) : x;
  };
  int x = g.conv("conv", g.input(), 6, 3, {2, 1, 1, bias && !batch_norm});
  x = g.flatten("flatten", g.relu("relu", normalised("conv", x)));
  normalised("fc", g.linear("fc", x, 4, bias && !batch_norm));
  return std::move(g).build();
}

Batch images(uint64_t seed) {
  Batch batch;
  batch.input = random_tensor({16, 2, 8, 8}, seed);
  batch.target = torch::arange(16, torch::kInt64).remainder(4);
  return batch;
}

Hgq make(std::map<std::string, std::string> options) {
  options["batch_norm"] = "yes";
  return Hgq(OptionValues("method hgq", hgq_card().options, options));
}

// Rounded so finely that nothing of it is seen.
const std::map<std::string, std::string> kFine{{"weight_init_bits", "18"},
                                               {"activation_init_bits", "18"}};

struct Both {
  SmallTask folded{small(false), 3, {images(1)}}, nodes{small(true), 3, {images(1)}};
  Hgq method;

  explicit Both(const std::map<std::string, std::string>& options = kFine) : method(make(options)) {
    const torch::NoGradGuard no_grad;
    for (const char* layer : {"conv", "fc"}) {
      const int at = folded.network.graph().index_of(layer);
      nodes.network.parameter(nodes.network.graph().index_of(layer), "weight")
          .copy_(folded.network.parameter(at, "weight"));
      const Tensor offset = nodes.network.parameter(norm(layer), "bias");
      offset.copy_(random_tensor({offset.size(0)}, 5));
      folded.network.parameter(at, "bias").copy_(offset);
    }
    folded.start(method);
    MethodContext context = folded.context();
    method.begin_phase(context, 0);
    folded.network.train();
    nodes.network.train();
  }

  int norm(const std::string& layer) const { return nodes.network.graph().index_of("bn_" + layer); }
  hgq::NormalisedWeight& weight(const char* layer) const {
    return dynamic_cast<hgq::NormalisedWeight&>(
        *folded.network.tap({folded.network.graph().index_of(layer), PointKind::Weight}));
  }
};

TEST(HgqBatchNorm, IsTheTextbooksInTrainingAndSoAreItsGradients) {
  Both both;
  const Batch batch = images(2);
  const Tensor ours = both.folded.network.forward(batch);
  const Tensor expected = both.nodes.network.forward(batch);
  EXPECT_TRUE(torch::allclose(ours, expected, 1e-3, 1e-3));

  const Tensor direction = random_tensor(ours.sizes(), 9);
  (ours * direction).sum().backward();
  (expected * direction).sum().backward();

  for (const char* layer : {"conv", "fc"}) {
    const int a = both.folded.network.graph().index_of(layer),
              b = both.nodes.network.graph().index_of(layer);
    const auto same = [](const Tensor& x, const Tensor& y) {
      return torch::allclose(x.grad(), y.grad(), 1e-2, 1e-2);
    };
    EXPECT_TRUE(
        same(both.folded.network.parameter(a, "weight"), both.nodes.network.parameter(b, "weight")))
        << layer;
    EXPECT_TRUE(same(both.folded.network.parameter(a, "bias"),
                     both.nodes.network.parameter(both.norm(layer), "bias")))
        << layer;
    EXPECT_TRUE(
        same(both.weight(layer).gain(), both.nodes.network.parameter(both.norm(layer), "weight")))
        << layer;
  }
}

TEST(HgqBatchNorm, StartsWithTheStatisticsOfABatchAndFollowsThemSlowly) {
  Both both;
  const Tensor in_training = both.folded.network.forward(images(1));
  both.folded.network.eval();
  EXPECT_TRUE(torch::allclose(both.folded.network.forward(images(1)), in_training, 1e-3, 1e-3));

  auto buffers = both.weight("conv").named_buffers();
  const Tensor before = buffers["running_mean"].clone();
  Batch shifted = images(1);
  shifted.input = torch::ones_like(shifted.input);
  both.folded.network.train();
  both.folded.network.forward(shifted);
  const Tensor moved = buffers["running_mean"] - before;
  EXPECT_GT(moved.abs().max().item<double>(), 0);
  const Tensor sums =
      torch::conv2d(shifted.input, both.folded.network.parameter(1, "weight"), Tensor(), 2, 1)
          .mean({0, 2, 3});
  EXPECT_TRUE(torch::allclose(moved, 0.01 * (sums - before), 1e-3, 1e-6));
}

TEST(HgqBatchNorm, FractionsStartFromTheFoldedWeights) {
  Both both({{"weight_init_bits", "3"}, {"activation_init_bits", "6"}});
  for (const char* layer : {"conv", "fc"}) {
    hgq::NormalisedWeight& weight = both.weight(layer);
    const Tensor own =
        both.folded.network.parameter(both.folded.network.graph().index_of(layer), "weight");
    const auto buffers = weight.named_buffers();
    const Tensor factor = torch::rsqrt(buffers["running_var"] + 1e-3);
    const Tensor folded =
        own.detach() * factor.view(own.dim() == 4 ? std::vector<int64_t>{-1, 1, 1, 1}
                                                  : std::vector<int64_t>{-1, 1});
    EXPECT_TRUE(torch::allclose(weight.fraction(),
                                hgq::WeightQuantizer::initial_fraction(folded, own.sizes(), 3), 0,
                                1e-4));
  }
}

TEST(HgqBatchNorm, ShipsWhatEvaluationComputes) {
  Both both({{"weight_init_bits", "3"}, {"activation_init_bits", "6"}});
  both.folded.network.forward(images(4));
  MethodContext context = both.folded.context();
  both.method.freeze(context);
  both.folded.network.eval();
  const Network& network = both.folded.network;
  const Batch none;
  for (const char* layer : {"conv", "fc"})
    for (const PointKind kind : {PointKind::Weight, PointKind::Bias}) {
      const Point point{network.graph().index_of(layer), kind};
      const Tensor own = network.parameter(point.node, name_of(kind));
      auto& quantizer = dynamic_cast<Quantizer&>(*network.tap(point));
      const Tensor seen = quantizer.forward(own, {none, nullptr, Rows::Parameter});
      EXPECT_TRUE(torch::equal(decode(quantizer.encode(own)), seen)) << layer;
      EXPECT_FALSE(torch::equal(seen, own)) << layer;
    }
}

TEST(HgqBatchNorm, RefusesWhereItCannotBe) {
  const auto start = [](const Graph& graph) {
    SmallTask task(graph, 1, {images(1)});
    Hgq method = make({});
    task.start(method);
  };
  EXPECT_THROW(start(small(true)), Error);
  EXPECT_THROW(start(small(false, /*bias=*/false)), Error);
  SmallTask task(small(false), 1, {images(1)});
  Hgq method = make({});
  task.start(method);
  EXPECT_THROW(method.phases(task.network, {}), Error);
}

}  // namespace
}  // namespace quantbench
