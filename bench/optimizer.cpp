#include "bench/optimizer.h"

#include <torch/nn/utils/clip_grad.h>

#include "base/error.h"

namespace quantbench {
namespace {

using torch::optim::AdamOptions;
using torch::optim::AdamParamState;
using torch::optim::OptimizerParamGroup;
using torch::optim::SGDOptions;
using torch::optim::SGDParamState;

template <typename State>
State* state_of(torch::optim::Optimizer* optimizer, const Tensor& parameter) {
  auto found = optimizer->state().find(optimizer_state_key(parameter));
  return found == optimizer->state().end() ? nullptr : static_cast<State*>(found->second.get());
}

}  // namespace

PhaseOptimizer::PhaseOptimizer(const Phase& phase) : phase_(phase) {
  std::vector<OptimizerParamGroup> sgd, adam;
  for (const ParameterGroup& group : phase_.groups) {
    const OptimizerConfig& o = group.optimizer;
    if (o.kind == OptimizerConfig::Kind::Sgd) {
      sgd.emplace_back(group.parameters,
                       std::make_unique<SGDOptions>(SGDOptions(o.lr)
                                                        .momentum(o.momentum)
                                                        .nesterov(o.nesterov)
                                                        .weight_decay(o.weight_decay)));
    } else {
      adam.emplace_back(group.parameters,
                        std::make_unique<AdamOptions>(AdamOptions(o.lr)
                                                          .betas({o.beta1, o.beta2})
                                                          .eps(o.eps)
                                                          .amsgrad(o.amsgrad)
                                                          .weight_decay(o.weight_decay)));
    }
  }
  if (!sgd.empty()) sgd_ = std::make_unique<torch::optim::SGD>(std::move(sgd), SGDOptions(0.1));
  if (!adam.empty()) adam_ = std::make_unique<torch::optim::Adam>(std::move(adam), AdamOptions());
}

void PhaseOptimizer::zero_grad() {
  for (const ParameterGroup& group : phase_.groups)
    for (const Tensor& parameter : group.parameters) parameter.mutable_grad().reset();
}

void PhaseOptimizer::step(double factor) {
  if (phase_.clip_grad_norm > 0) {
    std::vector<Tensor> all;
    for (const ParameterGroup& group : phase_.groups)
      all.insert(all.end(), group.parameters.begin(), group.parameters.end());
    torch::nn::utils::clip_grad_norm_(all, phase_.clip_grad_norm);
  }
  size_t sgd = 0, adam = 0;
  for (const ParameterGroup& group : phase_.groups) {
    const double rate = group.optimizer.lr * factor;
    if (group.optimizer.kind == OptimizerConfig::Kind::Sgd)
      static_cast<SGDOptions&>(sgd_->param_groups()[sgd++].options()).lr(rate);
    else
      static_cast<AdamOptions&>(adam_->param_groups()[adam++].options()).lr(rate);
  }
  if (sgd_) sgd_->step();
  if (adam_) adam_->step();
}

std::map<std::string, Tensor> PhaseOptimizer::state() const {
  std::map<std::string, Tensor> out;
  for (const ParameterGroup& group : phase_.groups)
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      const std::string key = group.name + "." + std::to_string(i) + ".";
      const Tensor& parameter = group.parameters[i];
      if (group.optimizer.kind == OptimizerConfig::Kind::Sgd) {
        auto* s = state_of<SGDParamState>(sgd_.get(), parameter);
        if (s && s->momentum_buffer().defined()) out[key + "momentum"] = s->momentum_buffer();
      } else if (auto* s = state_of<AdamParamState>(adam_.get(), parameter)) {
        out[key + "step"] = torch::tensor({s->step()}, torch::kLong);
        out[key + "exp_avg"] = s->exp_avg();
        out[key + "exp_avg_sq"] = s->exp_avg_sq();
        if (s->max_exp_avg_sq().defined()) out[key + "max_exp_avg_sq"] = s->max_exp_avg_sq();
      }
    }
  return out;
}

void PhaseOptimizer::load(const std::map<std::string, Tensor>& state) {
  size_t used = 0;
  for (const ParameterGroup& group : phase_.groups)
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      const std::string key = group.name + "." + std::to_string(i) + ".";
      const Tensor& parameter = group.parameters[i];
      auto take = [&](const char* name) -> Tensor {
        auto found = state.find(key + name);
        if (found == state.end()) return {};
        ++used;
        const bool counter = std::string(name) == "step";
        require(counter || found->second.sizes() == parameter.sizes(),
                "The checkpoint's optimizer state {} does not fit its parameter.", found->first);
        return counter ? found->second : found->second.to(parameter.device()).clone();
      };
      if (group.optimizer.kind == OptimizerConfig::Kind::Sgd) {
        if (Tensor momentum = take("momentum"); momentum.defined()) {
          auto s = std::make_unique<SGDParamState>();
          s->momentum_buffer(momentum);
          sgd_->state()[optimizer_state_key(parameter)] = std::move(s);
        }
      } else if (Tensor step = take("step"); step.defined()) {
        auto s = std::make_unique<AdamParamState>();
        s->step(step.item<int64_t>());
        s->exp_avg(take("exp_avg"));
        s->exp_avg_sq(take("exp_avg_sq"));
        if (Tensor largest = take("max_exp_avg_sq"); largest.defined()) s->max_exp_avg_sq(largest);
        adam_->state()[optimizer_state_key(parameter)] = std::move(s);
      }
    }
  require(used == state.size(), "The checkpoint's optimizer state does not fit this phase.");
}

}  // namespace quantbench
