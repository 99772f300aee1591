#include "runtime/engine/program.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "runtime/engine/compile.h"
#include "runtime/engine/general.h"

namespace quantbench::engine {
namespace {

constexpr size_t kLine = 64;

// One thread's memory for one image.
class Arena {
 public:
  Arena(const Compiled& program) : bytes_(static_cast<size_t>(program.arena) + 2 * kLine, 0) {
    char* start = bytes_.data();
    start += kLine - reinterpret_cast<uintptr_t>(start) % kLine;
    for (int64_t offset : program.offsets)
      frame_.values.push_back(offset < 0 ? nullptr : start + offset);
  }

  Frame& at(const float* input) {
    frame_.input = input;
    return frame_;
  }

 private:
  std::vector<char> bytes_;
  Frame frame_;
};

}  // namespace

struct Program::State {
  Plan plan;
  const KernelTable& kernels;
  Compiled compiled;
  std::vector<Arena> arenas;  // of each thread
  int64_t classes = 0;

  State(const Plan& from, const KernelTable& table)
      : plan(from), kernels(table), compiled(compile(plan, table)) {
    classes = plan.values[static_cast<size_t>(plan.output)].shape.at(0);
  }

  void prepare(int threads) {
    while (arenas.size() < static_cast<size_t>(threads)) arenas.emplace_back(compiled);
  }

  int64_t image_elements() const {
    int64_t count = 1;
    for (int64_t size : plan.input_shape) count *= size;
    return count;
  }

  void put_logits(const Frame& frame, float* logits) const {
    const auto v = static_cast<size_t>(plan.output);
    const Layout& layout = compiled.layouts[v];
    const Input from = layout.input(frame.values[v]);
    const PlanValue& value = plan.values[v];
    if (!value.grid) {
      std::memcpy(logits, from.data, static_cast<size_t>(classes) * sizeof(float));
      return;
    }
    const Data data = gather(layout, frame.values[v]);
    for (size_t i = 0; i < data.n.size(); ++i)
      logits[i] = static_cast<float>(data.n[i]) * value.grid->scale;
  }
};

Program::Program(const Plan& plan, const KernelTable& kernels)
    : state_(std::make_unique<State>(plan, kernels)) {}
Program::~Program() = default;
Program::Program(Program&&) noexcept = default;

const KernelTable& Program::kernels() const { return state_->kernels; }
size_t Program::arena_bytes() const { return static_cast<size_t>(state_->compiled.arena); }
size_t Program::weight_bytes() const {
  size_t bytes = 0;
  for (const auto& step : state_->compiled.steps) bytes += step->weight_bytes;
  return bytes;
}

std::vector<StepInfo> Program::steps() const {
  std::vector<StepInfo> out;
  for (const auto& step : state_->compiled.steps)
    out.push_back({step->name, step->kernel, step->macs, step->integer});
  return out;
}

Tensor Program::run(const Tensor& images, ThreadTeam& team) {
  State& state = *state_;
  const int64_t count = images.size(0), elements = state.image_elements();
  Tensor out = torch::empty({count, state.classes});
  const float* from = images.data_ptr<float>();
  float* to = out.data_ptr<float>();
  state.prepare(team.size());
  const auto& steps = state.compiled.steps;
  if (count == 1) {
    const Frame& frame = state.arenas[0].at(from);
    team.run([&](int worker) {
      for (const auto& step : steps) {
        step->run(frame, worker, team.size());
        team.meet();
      }
      if (worker == 0) state.put_logits(frame, to);
    });
    return out;
  }
  std::atomic<int64_t> next{0};
  team.run([&](int worker) {
    for (int64_t n; (n = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
      const Frame& frame = state.arenas[static_cast<size_t>(worker)].at(from + n * elements);
      for (const auto& step : steps) step->run(frame, 0, 1);
      state.put_logits(frame, to + n * state.classes);
    }
  });
  return out;
}

std::vector<double> Program::time_steps(const Tensor& image, int repeats) {
  using Clock = std::chrono::steady_clock;
  State& state = *state_;
  state.prepare(1);
  const Frame& frame = state.arenas[0].at(image.data_ptr<float>());
  std::vector<double> seconds;
  for (const auto& step : state.compiled.steps) {
    double least = std::numeric_limits<double>::infinity();
    for (int i = 0; i < repeats; ++i) {
      const auto begin = Clock::now();
      step->run(frame, 0, 1);
      least = std::min(least, std::chrono::duration<double>(Clock::now() - begin).count());
    }
    seconds.push_back(least);
  }
  return seconds;
}

std::vector<Tensor> Program::trace(const Tensor& image) {
  State& state = *state_;
  state.prepare(1);
  const Frame& frame = state.arenas[0].at(image.data_ptr<float>());
  std::vector<Tensor> out(state.plan.values.size());
  for (const auto& step : state.compiled.steps) {
    step->run(frame, 0, 1);
    const auto v = static_cast<size_t>(step->value);
    if (v >= out.size()) continue;
    const Layout& layout = state.compiled.layouts[v];
    const Data data = gather(layout, frame.values[v]);
    const Tensor flat =
        data.on_grid ? torch::tensor(data.n, torch::kInt) : torch::tensor(data.x, torch::kFloat);
    out[v] = flat.view({1, layout.height, layout.width, layout.channels})
                 .permute({0, 3, 1, 2})
                 .contiguous();
  }
  return out;
}

}  // namespace quantbench::engine
