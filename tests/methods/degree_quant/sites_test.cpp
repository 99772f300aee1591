// Where Degree-Quant quantizes in a network, and what training and freezing make of it.
#include "methods/degree_quant/sites.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "methods/degree_quant/degree_quant.h"
#include "models/model.h"

namespace quantbench {
namespace {

std::vector<std::string> names(const std::vector<NodeSite>& sites, bool protects) {
  std::vector<std::string> out;
  for (const NodeSite& s : sites)
    if (s.protects == protects) out.push_back(s.site.name);
  return out;
}

TEST(Sites, OfGcnAreThoseOfTheTable) {
  const auto sites = node_sites(build_model("gcn2", {{20}, 3}), true);

  EXPECT_EQ(
      names(sites, true),
      (std::vector<std::string>{"conv1.lin.input", "conv1.lin.output", "conv1.propagate.message",
                                "conv1.propagate.output", "conv1.update.output", "conv2.lin.input",
                                "conv2.lin.output", "conv2.propagate.message",
                                "conv2.propagate.output", "conv2.update.output"}));
  EXPECT_EQ(names(sites, false),
            (std::vector<std::string>{"conv1.lin.weight", "conv1.propagate.edge_norm",
                                      "conv2.lin.weight", "conv2.propagate.edge_norm"}));
}

TEST(Sites, OfGatHaveItsAttention) {
  const auto sites = node_sites(build_model("gat2", {{20}, 3}), true);
  const auto unprotected = names(sites, false), protects = names(sites, true);

  EXPECT_EQ(unprotected,
            (std::vector<std::string>{"conv1.lin.weight", "conv1.attention.attention_vector",
                                      "conv2.lin.weight", "conv2.attention.attention_vector"}));
  for (const char* name : {"conv1.attention.attention_logit", "conv1.attention.message",
                           "conv1.attention.output", "conv1.update.output"})
    EXPECT_EQ(std::count(protects.begin(), protects.end(), name), 1) << name;
}

TEST(Sites, OfGinLeaveTheMlpUnmaskedAndItsFirstLinearInFloat) {
  const Graph graph = build_model("gin5", {{1}, 2});
  const auto sites = node_sites(graph, true);

  EXPECT_EQ(names(sites, true).size(), 15u) << "message, aggregate and update of five layers";
  EXPECT_EQ(names(sites, false).size(), 3 * 11u) << "twelve linears but the first";
  int64_t quantized = 0;
  for (const NodeSite& s : sites)
    if (s.site.is_weight()) quantized += s.site.elements;
  EXPECT_EQ(quantized, 41088);
  EXPECT_EQ(names(node_sites(graph, false), false).size(), 3 * 12u);
}

// A method on a network of the zoo and a random graph.
class Training : public testing::Test {
 protected:
  static constexpr int64_t kNodes = 60;

  Training() {
    torch::manual_seed(5);
    const Tensor ends = torch::randint(kNodes, {2, 300}, torch::kLong);
    batch_.input = torch::randn({kNodes, 12});
    batch_.target = torch::randint(3, {kNodes}, torch::kLong);
    batch_.topology = std::make_shared<Topology>(kNodes, ends[0], ends[1]);
  }

  // One training forward pass without dropout.
  Tensor forward(const std::map<std::string, std::string>& options, int64_t step = 0) {
    network_ = std::make_unique<Network>(build_model("gcn2", {{12}, 3}, {{"dropout", "0"}}),
                                         RandomStream(1, "init"));
    const MethodEntry& entry = methods().get("degree_quant");
    method_ = entry.make(OptionValues("method", entry.card.options, options));
    MethodContext context{*network_, {}, RandomStream(1, "method"), {}, {}};
    method_->plan(context);
    method_->attach(*network_);
    network_->train();
    method_->before_step(*network_, {0, 0, 1, step, 10});
    return network_->forward(batch_);
  }

  Batch batch_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Method> method_;
};

// Check 7.
TEST_F(Training, WithoutProtectionItIsQat) {
  const Tensor dq = forward({{"mode", "dq"}, {"p_change", "0"}});
  const Tensor qat = forward({{"mode", "qat"}, {"ranges", "per"}});

  EXPECT_TRUE(torch::equal(dq, qat));
}

TEST_F(Training, ProtectingAllNodesLeavesOnlyWeightsAndNormsQuantized) {
  const Tensor all = forward({{"p_min", "1"}, {"weight_bits", "4"}, {"activation_bits", "4"}});

  int with_range = 0;
  for (const NodeSite& s : node_sites(network_->graph(), true)) {
    const auto tap = std::dynamic_pointer_cast<SiteQuantizer>(network_->tap(s.site.point));
    EXPECT_EQ(tap->has_range(), !s.protects) << s.site.name;
    if (s.protects) network_->set_tap(s.site.point, nullptr);
    with_range += tap->has_range();
  }
  EXPECT_EQ(with_range, 4);
  EXPECT_TRUE(torch::equal(all, network_->forward(batch_)));

  network_->clear_taps();
  EXPECT_FALSE(torch::equal(all, network_->forward(batch_)));
}

TEST_F(Training, MasksChangeWithTheStepAndAreGoneInEvaluation) {
  const std::map<std::string, std::string> options{{"p_min", "0.5"}, {"activation_bits", "4"}};
  const Tensor first = forward(options, 0), again = forward(options, 0),
               second = forward(options, 1);

  EXPECT_TRUE(torch::equal(first, again));
  EXPECT_FALSE(torch::equal(first, second));
  network_->eval();
  const Tensor evaluated = network_->forward(batch_);
  method_->before_step(*network_, {0, 0, 1, 7, 10});
  EXPECT_TRUE(torch::equal(evaluated, network_->forward(batch_)));
}

TEST_F(Training, NoiseQuantizesItsShareOfTheElements) {
  const Tensor none = forward({{"mode", "nqat"}, {"noise", "0"}});
  network_->clear_taps();
  const Tensor real = network_->forward(batch_);
  const Tensor whole = forward({{"mode", "nqat"}, {"noise", "1"}});
  const Tensor qat = forward({{"mode", "qat"}});

  EXPECT_TRUE(torch::equal(none, real));
  EXPECT_TRUE(torch::equal(whole, qat));
  EXPECT_FALSE(torch::equal(forward({{"mode", "nqat"}, {"noise", "0.5"}}), qat));
}

TEST_F(Training, FreezingCalibratesWhatSawNoTraining) {
  forward({});
  method_->attach(*network_);  // as before any step
  network_->eval();
  EXPECT_THROW(network_->forward(batch_), Error);
  const std::vector<Batch> calibration{batch_};
  MethodContext context{*network_, calibration, RandomStream(1, "method"), {}, {}};

  method_->freeze(context);

  EXPECT_TRUE(torch::isfinite(network_->forward(batch_)).all().item<bool>());
}

}  // namespace
}  // namespace quantbench
