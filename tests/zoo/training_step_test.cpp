// Training steps of every network with every method lower the loss on one small batch.
#include <gtest/gtest.h>

#include "base/error.h"
#include "bench/step.h"
#include "models/batch_norm.h"
#include "models/model.h"
#include "tests/models/zoo_inputs.h"

namespace quantbench {
namespace {

constexpr int64_t kClasses = 4;
// In FP32: methods that look at curvature want a network that has learned, and one that knows the
// batch by heart has nothing left to lower.
constexpr int kStepsBefore = 12, kStepsToLearn = 400;  // at most; SqueezeNet needs 180
constexpr double kLearned = 1;                         // loss, of log(4) = 1.39 to begin with
constexpr int kSteps = 12;

using Pair = std::tuple<std::string, std::string>;  // model, method

// Whether a network gives one answer a graph, rather than one a node.
bool reads_out(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return std::holds_alternative<op::ReadOut>(node.operation);
  });
}

// Something to learn: a class raises its own part of the numbers.
void raise(const Tensor& rows, const Tensor& classes) {
  const int64_t share = std::max<int64_t>(1, rows.size(1) / kClasses);
  for (int64_t i = 0; i < rows.size(0); ++i)
    rows[i].narrow(0, classes[i].item<int64_t>() * share % rows.size(1), share) += 1;
}

Batch small_batch(const std::string& model, bool answers_a_graph) {
  torch::manual_seed(5);
  const bool graphs = models().get(model).graphs;
  const int64_t count = graphs ? 24 : 8, nodes_a_graph = 4;
  std::vector<int64_t> sizes{count};
  for (int64_t size : small_input(model)) sizes.push_back(size);
  Batch batch;
  batch.input = torch::randn(sizes);
  if (!graphs) {
    batch.target = torch::arange(count) % kClasses;
    raise(batch.input.view({count, -1}), batch.target);
    return batch;
  }
  const Tensor node = torch::arange(count), graph = node.div(nodes_a_graph, "floor");
  const Tensor next = answers_a_graph ? graph * nodes_a_graph + (node + 1) % nodes_a_graph
                                      : (node + kClasses) % count;
  const Tensor classes = (answers_a_graph ? graph : node) % kClasses;
  raise(batch.input, classes);
  batch.topology =
      std::make_shared<Topology>(count, torch::cat({node, next}), torch::cat({next, node}),
                                 answers_a_graph ? graph : Tensor());
  batch.target =
      answers_a_graph ? torch::arange(batch.topology->graph_count()) % kClasses : classes;
  return batch;
}

// In evaluation: a few steps leave BatchNorm's running statistics near their start.
double evaluated_loss(Network& network, const Batch& batch) {
  const torch::NoGradGuard no_grad;
  reestimate_batch_norm(network, {batch});
  network.eval();
  return torch::cross_entropy_loss(batch.scored(network.forward(batch)), batch.target)
      .item<double>();
}

void train_in_fp32(Network& network, const Batch& batch, int most_steps) {
  torch::optim::Adam adam(network.parameters(),
                          torch::optim::AdamOptions(batch.topology ? 1e-2 : 3e-4));
  for (int step = 0; step < most_steps && evaluated_loss(network, batch) > kLearned; ++step) {
    network.train();
    adam.zero_grad();
    torch::cross_entropy_loss(batch.scored(network.forward(batch)), batch.target).backward();
    adam.step();
  }
  network.eval();
}

class TrainingStep : public testing::TestWithParam<Pair> {};

TEST_P(TrainingStep, LowersTheLossOnOneSmallBatch) {
  const auto& [model, name] = GetParam();
  Network network(build_model(model, {small_input(model), kClasses}), RandomStream(3, "init"));
  const Batch batch = small_batch(model, reads_out(network.graph()));
  const MethodEntry& entry = methods().get(name);
  std::map<std::string, std::string> trained;
  for (const Option& option : entry.card.options)
    if (option.name == "mode") trained["mode"] = "qat";
  const auto method = entry.make(OptionValues("method " + name, entry.card.options, trained));
  const std::vector<Batch> calibration{batch};
  MethodContext context{network, calibration, RandomStream(1, "method"),
                        [&](const Batch& b) {
                          return torch::cross_entropy_loss(b.scored(network.forward(b)), b.target);
                        },
                        [](const std::string&) {}};
  train_in_fp32(network, batch, name.rfind("hawq", 0) == 0 ? kStepsToLearn : kStepsBefore);
  TrainingBudget budget;
  budget.epochs = 10;
  budget.optimizer.kind = OptimizerConfig::Kind::Adam;
  // Planes of bits move by plain descent.
  budget.optimizer.lr = name == "bsq" ? 1e-4 : 1e-3;
  try {
    method->plan(context);
    method->attach(network);
  } catch (const Error& problem) {
    GTEST_SKIP() << problem.what();
  }
  std::vector<Phase> phases = method->phases(network, budget);
  if (phases.empty()) GTEST_SKIP() << "the method does not train by default";
  method->begin_phase(context, 0);
  phases = method->phases(network, budget);
  PhaseOptimizer optimizer(phases[0], network.parameters());
  network.train(phases[0].train_mode);
  Progress progress;
  progress.epochs = phases[0].epochs;
  progress.steps = kSteps;
  std::vector<double> losses;
  for (; progress.step < kSteps; ++progress.step, ++progress.global_step) {
    progress.learning_rate = optimizer.learning_rate(epochs_into_phase(progress));
    progress.random = RandomStream(2, "hooks").child(static_cast<uint64_t>(progress.step));
    losses.push_back(
        training_step(network, *method, optimizer, batch, progress, 7).task_loss.item<double>());
  }
  EXPECT_LT(*std::min_element(losses.begin() + 1, losses.end()), losses.front())
      << testing::PrintToString(losses);
}

INSTANTIATE_TEST_SUITE_P(Zoo, TrainingStep,
                         testing::Combine(testing::ValuesIn(models().names()),
                                          testing::ValuesIn(methods().names())),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" + std::get<1>(info.param);
                         });

}  // namespace
}  // namespace quantbench
