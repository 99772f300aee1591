#include "runtime/engine/engine_executor.h"

#include <cmath>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "runtime/engine/isa.h"
#include "runtime/reference_executor.h"

namespace quantbench {

struct EngineExecutor::State {
  Plan plan;
  std::optional<engine::Program> program;
  std::unique_ptr<ReferenceExecutor> reference;  // where there is no program
  engine::ThreadTeam team;
  std::mutex mutex;  // a program has one memory

  State(Plan made, const std::string& isa, int threads)
      : plan(std::move(made)), team(threads > 0 ? threads : torch::get_num_threads()) {
    const engine::KernelTable& kernels = engine::choose_kernels(isa);
    if (plan.needs_topology)
      reference = std::make_unique<ReferenceExecutor>(plan);
    else
      program.emplace(plan, kernels);
  }
};

EngineExecutor::EngineExecutor(const Package& package, const std::string& isa, int threads)
    : EngineExecutor(make_plan(package), isa, threads) {}

EngineExecutor::EngineExecutor(Plan plan, const std::string& isa, int threads)
    : state_(std::make_unique<State>(std::move(plan), isa, threads)) {}

EngineExecutor::~EngineExecutor() = default;

Tensor EngineExecutor::forward(const Batch& batch) const {
  if (state_->reference) return state_->reference->forward(batch);
  const torch::NoGradGuard no_grad;
  const Tensor images = batch.input.to(torch::kCPU, torch::kFloat).contiguous();
  const std::vector<int64_t>& shape = state_->plan.input_shape;
  require(images.dim() == static_cast<int64_t>(shape.size()) + 1 &&
              images.sizes().slice(1) == torch::IntArrayRef(shape),
          "The network {} does not take inputs of that shape.", state_->plan.name);
  const std::lock_guard<std::mutex> lock(state_->mutex);
  Tensor out = state_->program->run(images, state_->team);
  // Integers have no room for NaN; it must stay visible.
  const Tensor broken = images.flatten(1).isnan().any(1);
  if (broken.any().item<bool>()) out.masked_fill_(broken.unsqueeze(1), NAN);
  return out;
}

std::string EngineExecutor::name() const {
  return state_->program ? std::string("engine ") + state_->program->kernels().name : "reference";
}

double EngineExecutor::integer_share() const { return quantbench::integer_share(state_->plan); }
const Plan& EngineExecutor::plan() const { return state_->plan; }
engine::Program* EngineExecutor::program() const {
  return state_->program ? &*state_->program : nullptr;
}
engine::ThreadTeam& EngineExecutor::team() const { return state_->team; }

}  // namespace quantbench
