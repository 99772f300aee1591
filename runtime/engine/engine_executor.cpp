#include "runtime/engine/engine_executor.h"

#include <cmath>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "runtime/engine/isa.h"
#include "runtime/float_kernel.h"

namespace quantbench {

struct EngineExecutor::State {
  Plan plan;
  std::optional<engine::Program> program;
  engine::ThreadTeam team;
  std::mutex mutex;  // a program has one memory

  State(Plan made, const std::string& isa, int threads)
      : plan(std::move(made)), team(threads > 0 ? threads : torch::get_num_threads()) {
    program.emplace(plan, engine::choose_kernels(isa));
  }
};

EngineExecutor::EngineExecutor(const Package& package, const std::string& isa, int threads)
    : EngineExecutor(make_plan(package), isa, threads) {}

EngineExecutor::EngineExecutor(Plan plan, const std::string& isa, int threads)
    : state_(std::make_unique<State>(std::move(plan), isa, threads)) {}

EngineExecutor::~EngineExecutor() = default;

Tensor EngineExecutor::forward(const Batch& batch) const {
  const torch::NoGradGuard no_grad;
  const Plan& plan = state_->plan;
  Batch here;
  here.input = batch.input.to(torch::kCPU, torch::kFloat).contiguous();
  require(here.input.dim() == static_cast<int64_t>(plan.input_shape.size()) + 1 &&
              here.input.sizes().slice(1) == torch::IntArrayRef(plan.input_shape),
          "The network {} does not take inputs of that shape.", plan.name);
  const std::lock_guard<std::mutex> lock(state_->mutex);
  // Integers have no room for NaN; it must stay visible.
  const bool broken = has_nan(here.input.data_ptr<float>(), here.input.numel());
  if (!plan.needs_topology) {
    Tensor out = state_->program->run(here.input, state_->team);
    if (broken) out.masked_fill_(here.input.flatten(1).isnan().any(1).unsqueeze(1), NAN);
    return out;
  }
  require(batch.topology != nullptr, "The network {} passes messages, but the batch has no graph.",
          plan.name);
  require(batch.topology->node_count() == here.input.size(0),
          "The network {} gets features of {} nodes and a graph of {}.", plan.name,
          here.input.size(0), batch.topology->node_count());
  here.topology =
      batch.topology->source().is_cpu() ? batch.topology : batch.topology->to(torch::kCPU);
  Tensor out = state_->program->run(here, state_->team);
  if (broken) out.fill_(NAN);
  return out;
}

std::string EngineExecutor::name() const {
  return std::string("engine ") + state_->program->kernels().name;
}

double EngineExecutor::integer_share() const { return quantbench::integer_share(state_->plan); }
const Plan& EngineExecutor::plan() const { return state_->plan; }
engine::Program* EngineExecutor::program() const { return &*state_->program; }
engine::ThreadTeam& EngineExecutor::team() const { return state_->team; }

}  // namespace quantbench
