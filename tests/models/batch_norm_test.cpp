#include "models/batch_norm.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "models/builder.h"

namespace quantbench {
namespace {

// Two BatchNorms, the second behind the first, and a Dropout between them.
Network network() {
  GraphBuilder g("two", {2, 5, 5}, 3);
  int x = g.batch_norm("bn1", g.input());
  x = g.dropout("drop", g.relu("relu", x), 0.5);
  x = g.batch_norm("bn2", g.conv("conv", x, 4, 3));
  g.linear("fc", g.global_avg_pool("pool", x), 3);
  return Network(std::move(g).build());
}

std::vector<Batch> batches() {
  torch::manual_seed(5);
  std::vector<Batch> out(3);
  for (size_t i = 0; i < out.size(); ++i)
    out[i].input = torch::randn({4 + static_cast<int64_t>(i), 2, 5, 5}) * 2 + 1;
  return out;
}

Tensor buffer(const Network& network, const std::string& name) {
  for (const auto& [key, tensor] : network.state())
    if (key == name) return tensor;
  return {};
}

// By channel: [C, everything else], in float64.
Tensor by_channel(const Tensor& x) { return x.to(torch::kDouble).transpose(0, 1).flatten(1); }

TEST(ReestimatedBatchNorm, IsTheAverageOfTheBatchesOwnStatistics) {
  Network net = network();
  net.train();
  Tensor mean1 = torch::zeros({2}, torch::kDouble), variance1 = mean1.clone();
  Tensor mean2 = torch::zeros({4}, torch::kDouble), variance2 = mean2.clone();
  for (const Batch& batch : batches()) {
    const Tensor rows = by_channel(batch.input);
    mean1 += rows.mean(1) / 3;
    variance1 += rows.var(1, /*unbiased=*/true) / 3;
    // What goes on is normalised by this batch.
    const Tensor m = rows.mean(1).view({1, 2, 1, 1}), v = rows.var(1, false).view({1, 2, 1, 1});
    const Tensor x = torch::relu((batch.input.to(torch::kDouble) - m) / (v + 1e-5).sqrt());
    const Tensor sums = torch::conv2d(x, buffer(net, "conv.weight").to(torch::kDouble));
    mean2 += by_channel(sums).mean(1).detach() / 3;
    variance2 += by_channel(sums).var(1, true).detach() / 3;
  }

  reestimate_batch_norm(net, batches());

  const auto near = [&](const std::string& name, const Tensor& expected) {
    EXPECT_TRUE(torch::allclose(buffer(net, name).to(torch::kDouble), expected, 1e-5, 1e-6))
        << name;
  };
  near("bn1.running_mean", mean1);
  near("bn1.running_var", variance1);
  near("bn2.running_mean", mean2);
  near("bn2.running_var", variance2);
  EXPECT_TRUE(net.is_training());
}

TEST(ReestimatedBatchNorm, DoesNotDependOnWhatWasThereNorOnTheGenerator) {
  Network net = network();
  reestimate_batch_norm(net, batches());
  const Tensor first = buffer(net, "bn2.running_var").clone();
  {
    const torch::NoGradGuard no_grad;
    buffer(net, "bn2.running_var").fill_(77);
    buffer(net, "bn1.running_mean").fill_(-3);
  }
  torch::manual_seed(99);

  reestimate_batch_norm(net, batches());

  EXPECT_TRUE(torch::equal(buffer(net, "bn2.running_var"), first));
}

TEST(ReestimatedBatchNorm, KeepsTapsInEvaluation) {
  struct Watcher : Tap {
    Tensor forward(const Tensor& x, const TapContext&) override {
      trained |= is_training();
      ++calls;
      return x;
    }
    bool trained = false;
    int calls = 0;
  };
  Network net = network();
  const auto watcher = std::make_shared<Watcher>();
  for (size_t i = 0; i < net.graph().nodes.size(); ++i)
    net.set_tap({static_cast<int>(i), PointKind::Output}, watcher);
  net.train();

  reestimate_batch_norm(net, batches());

  EXPECT_GT(watcher->calls, 0);
  EXPECT_FALSE(watcher->trained);
  EXPECT_TRUE(watcher->is_training()) << "the mode is put back";
}

TEST(ReestimatedBatchNorm, NeedsABatch) {
  Network net = network();

  EXPECT_THROW(reestimate_batch_norm(net, {}), Error);
}

}  // namespace
}  // namespace quantbench
