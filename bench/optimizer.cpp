#include "bench/optimizer.h"

#include <set>

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

PhaseOptimizer::PhaseOptimizer(const Phase& phase, const std::vector<Tensor>& network)
    : phase_(phase) {
  std::vector<OptimizerParamGroup> sgd, adam;
  std::set<std::string> names;
  for (const ParameterGroup& group : phase_.groups) {
    require(names.insert(group.name).second, "Phase {} has two parameter groups called '{}'.",
            phase_.name, group.name);
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

  std::set<const void*> needed;
  const auto need = [&](const Tensor& x) {
    if (needed.insert(x.unsafeGetTensorImpl()).second) cleared_.push_back(x);
  };
  for (const ParameterGroup& group : phase_.groups)
    for (const Tensor& parameter : group.parameters) need(parameter);
  for (const Tensor& tensor : phase_.watched) need(tensor);
  for (const Tensor& parameter : network) {
    if (needed.count(parameter.unsafeGetTensorImpl()) > 0) continue;
    cleared_.push_back(parameter);
    if (!parameter.requires_grad()) continue;
    silenced_.push_back(parameter);
    parameter.set_requires_grad(false);
  }
}

PhaseOptimizer::~PhaseOptimizer() {
  clear_gradients();
  for (const Tensor& parameter : silenced_) parameter.set_requires_grad(true);
}

void PhaseOptimizer::clear_gradients() {
  for (const Tensor& tensor : cleared_) tensor.mutable_grad().reset();
}

double PhaseOptimizer::rate(const ParameterGroup& group, double epoch) const {
  return group.optimizer.lr * (group.schedule ? *group.schedule : phase_.schedule).factor(epoch);
}

double PhaseOptimizer::learning_rate(double epoch) const {
  return phase_.groups.empty() ? 0 : rate(phase_.groups[0], epoch);
}

// Without the library's own, which waits for the norm's value in every step.
void PhaseOptimizer::clip_gradients() {
  const torch::NoGradGuard no_grad;
  std::vector<Tensor> gradients, norms;
  for (const ParameterGroup& group : phase_.groups)
    for (const Tensor& parameter : group.parameters)
      if (const Tensor& gradient = parameter.grad(); gradient.defined()) {
        gradients.push_back(gradient);
        norms.push_back(gradient.norm());
      }
  if (norms.empty()) return;
  const Tensor factor =
      (phase_.clip_grad_norm / (torch::stack(norms).norm() + 1e-6)).clamp_max(1.0);
  for (Tensor& gradient : gradients) gradient.mul_(factor);
}

void PhaseOptimizer::step(double epoch) {
  if (phase_.clip_grad_norm > 0) clip_gradients();
  size_t sgd = 0, adam = 0;
  for (const ParameterGroup& group : phase_.groups) {
    const double now = rate(group, epoch);
    if (group.optimizer.kind == OptimizerConfig::Kind::Sgd)
      static_cast<SGDOptions&>(sgd_->param_groups()[sgd++].options()).lr(now);
    else
      static_cast<AdamOptions&>(adam_->param_groups()[adam++].options()).lr(now);
  }
  if (sgd_) sgd_->step();
  if (adam_) adam_->step();
}

NamedTensors PhaseOptimizer::state() const {
  NamedTensors out;
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

void PhaseOptimizer::load(const NamedTensors& state) {
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
