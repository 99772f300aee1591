#include "bench/optimizer.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace quantbench {
namespace {

Phase two_groups(std::vector<Tensor>& parameters) {
  parameters = {torch::ones({3}).requires_grad_(), torch::ones({2}).requires_grad_()};
  Phase phase;
  phase.groups.push_back({"weights", {parameters[0]}, {}});
  phase.groups[0].optimizer.lr = 0.1;
  phase.groups.push_back({"scales", {parameters[1]}, {}});
  phase.groups[1].optimizer.kind = OptimizerConfig::Kind::Adam;
  phase.groups[1].optimizer.lr = 0.01;
  return phase;
}

void take_steps(PhaseOptimizer& optimizer, std::vector<Tensor>& parameters, int count) {
  for (int i = 0; i < count; ++i) {
    optimizer.clear_gradients();
    (parameters[0].pow(2).sum() + parameters[1].pow(4).sum()).backward();
    optimizer.step(0);
  }
}

TEST(PhaseOptimizer, EachGroupFollowsItsOwnRule) {
  std::vector<Tensor> p;
  PhaseOptimizer optimizer(two_groups(p));

  take_steps(optimizer, p, 2);

  // SGD with momentum 0.9: 1 - 0.1*2 = 0.8; buffer 0.9*2 + 1.6 = 3.4; 0.8 - 0.34 = 0.46.
  EXPECT_NEAR(p[0][0].item<float>(), 0.46, 1e-6);
  // Adam's first steps are about the learning rate.
  EXPECT_NEAR(p[1][0].item<float>(), 0.98, 1e-4);
}

TEST(PhaseOptimizer, ASavedStateGoesOnWithTheSameBits) {
  std::vector<Tensor> a, b;
  PhaseOptimizer first(two_groups(a)), second(two_groups(b));
  take_steps(first, a, 3);

  for (size_t i = 0; i < a.size(); ++i) b[i].data().copy_(a[i].data());
  NamedTensors saved;
  for (const auto& [name, tensor] : first.state()) saved[name] = tensor.clone();
  second.load(saved);
  take_steps(first, a, 5);
  take_steps(second, b, 5);

  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(torch::equal(a[i], b[i]));
}

TEST(PhaseOptimizer, ClipsTheGlobalNorm) {
  std::vector<Tensor> p;
  Phase phase = two_groups(p);
  phase.groups.pop_back();
  phase.clip_grad_norm = 1e-3;
  PhaseOptimizer optimizer(phase);

  take_steps(optimizer, p, 1);

  EXPECT_NEAR((1 - p[0]).norm().item<float>(), 1e-4, 1e-6);
}

TEST(PhaseOptimizer, AGroupMayHaveAScheduleOfItsOwn) {
  std::vector<Tensor> p;
  Phase phase = two_groups(p);
  phase.groups[0].optimizer.momentum = 0;
  phase.groups[1].schedule = Schedule();
  phase.groups[1].schedule->kind = Schedule::Kind::Step;
  phase.groups[1].schedule->milestones = {1};
  phase.groups[1].schedule->gamma = 0;
  PhaseOptimizer optimizer(phase);
  EXPECT_DOUBLE_EQ(optimizer.learning_rate(1), 0.1);

  (p[0].sum() + p[1].sum()).backward();
  optimizer.step(1);

  EXPECT_NEAR(p[0][0].item<float>(), 0.9, 1e-6);
  EXPECT_EQ(p[1][0].item<float>(), 1);
}

TEST(PhaseOptimizer, OnlyWhatItNeedsGetsAGradient) {
  std::vector<Tensor> p;
  const Tensor watched = torch::ones({2}).requires_grad_(),
               idle = torch::ones({2}).requires_grad_(), fixed = torch::ones({2});
  Phase phase = two_groups(p);
  phase.watched = {watched};
  {
    PhaseOptimizer optimizer(phase, {p[0], watched, idle, fixed});
    EXPECT_FALSE(idle.requires_grad());
    for (int i = 0; i < 2; ++i) {
      optimizer.clear_gradients();
      ((p[0].sum() + p[1].sum()) * (watched + idle + fixed).sum()).backward();
    }
    EXPECT_FALSE(idle.grad().defined());
    EXPECT_EQ(watched.grad()[0].item<float>(), 5) << "one step's gradient, not two";
    EXPECT_EQ(p[0].grad()[0].item<float>(), 6);
  }
  EXPECT_TRUE(idle.requires_grad());
  EXPECT_FALSE(fixed.requires_grad());
  EXPECT_FALSE(watched.grad().defined());
}

TEST(PhaseOptimizer, RefusesTwoGroupsOfOneName) {
  std::vector<Tensor> p;
  Phase phase = two_groups(p);
  phase.groups[1].name = phase.groups[0].name;

  EXPECT_THROW(PhaseOptimizer{phase}, Error);
}

TEST(PhaseOptimizer, RefusesAStateThatDoesNotFit) {
  std::vector<Tensor> p;
  PhaseOptimizer optimizer(two_groups(p));

  EXPECT_THROW(optimizer.load({{"weights.0.momentum", torch::zeros({7})}}), Error);
  EXPECT_THROW(optimizer.load({{"nobody.0.momentum", torch::zeros({3})}}), Error);
}

}  // namespace
}  // namespace quantbench
