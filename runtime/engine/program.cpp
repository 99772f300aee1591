#include "runtime/engine/program.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "runtime/engine/general.h"
#include "runtime/engine/kernel_step.h"
#include "runtime/engine/placement.h"

namespace quantbench::engine {
namespace {

constexpr size_t kLine = 64;

// Whether few of the numbers are not zero, by a sample of them.
bool mostly_zero(const Tensor& input) {
  constexpr int64_t kSample = 8192, kRarely = 8;
  const float* x = input.data_ptr<float>();
  const int64_t count = input.numel(), step = std::max<int64_t>(count / kSample, 1) | 1;
  int64_t seen = 0, nonzero = 0;
  for (int64_t i = 0; i < count; i += step) {
    ++seen;
    nonzero += x[i] != 0;
  }
  return nonzero * kRarely < seen;
}

// One thread's memory for one image, or all that there is for a graph.
class Arena {
 public:
  void place(const Placement& placement) {
    const size_t needed = static_cast<size_t>(placement.bytes) + 2 * kLine;
    if (bytes_.size() < needed) bytes_.assign(needed, 0);
    char* start = bytes_.data();
    start += kLine - reinterpret_cast<uintptr_t>(start) % kLine;
    frame_.values.clear();
    for (int64_t offset : placement.offsets)
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
  Placement placement;
  std::vector<Arena> arenas;  // of each thread
  int64_t classes = 0;
  std::vector<float> logit_scale, logit_start;  // of each class: from a code to its logit
  std::shared_ptr<const Topology> topology;     // that the steps are prepared for

  State(const Plan& from, const KernelTable& table, Bits bits)
      : plan(from), kernels(table), compiled(compile(plan, table, bits)) {
    const PlanValue& logits = plan.values[static_cast<size_t>(plan.output)];
    classes = logits.shape.at(0);
    logit_scale.assign(static_cast<size_t>(classes), logits.grid ? logits.grid->scale : 1.0f);
    logit_start.assign(static_cast<size_t>(classes), 0.0f);
    placement = place(compiled, plan.output, 1, 1);
  }

  void prepare(int threads) {
    while (arenas.size() < static_cast<size_t>(threads)) {
      arenas.emplace_back();
      arenas.back().place(placement);
    }
  }

  // The one frame of a network over graphs.
  const Frame& prepare(const Batch& batch) {
    const int64_t nodes = batch.topology->node_count(), graphs = batch.topology->graph_count();
    if (arenas.empty()) arenas.emplace_back();
    Frame& frame = arenas[0].at(batch.input.data_ptr<float>());
    frame.batch = &batch;
    frame.sparse = mostly_zero(batch.input);
    if (topology == batch.topology) return frame;
    placement = place(compiled, plan.output, nodes, graphs);
    arenas[0].place(placement);
    frame.nodes = nodes;
    frame.graphs = graphs;
    for (const auto& step : compiled.steps) step->prepare(*batch.topology);
    topology = batch.topology;
    return frame;
  }

  const Frame& prepare_one(const Batch& batch) {
    if (plan.needs_topology) return prepare(batch);
    prepare(1);
    return arenas[0].at(batch.input.data_ptr<float>());
  }

  int64_t image_elements() const {
    int64_t count = 1;
    for (int64_t size : plan.input_shape) count *= size;
    return count;
  }

  int64_t output_rows(const Frame& frame) const {
    return frame.count(compiled.layouts[static_cast<size_t>(plan.output)].per);
  }

  // The share of `worker` of the rows.
  void put_logits(const Frame& frame, float* logits, int worker, int workers) const {
    const auto v = static_cast<size_t>(plan.output);
    const Layout& layout = compiled.layouts[v];
    const int64_t rows = output_rows(frame);
    const Part part{share(rows, worker, workers), share(rows, worker + 1, workers), 0,
                    classes / kernels.lanes};
    const Input from = layout.of(rows, 1).input(frame.values[v]);
    if (from.cell != Cell::F32 && classes % kernels.lanes == 0) {
      // fma(scale, n, 0) is the rounded product.
      const float infinity = std::numeric_limits<float>::infinity();
      const Epilogue to_real{logit_scale.data(), logit_start.data(), 0,    {}, false,
                             -infinity,          infinity,           false};
      const int64_t row = classes * static_cast<int64_t>(sizeof(float));
      kernels.map(1, from, to_real, Output{reinterpret_cast<char*>(logits), row, row, Cell::F32, 0},
                  part);
      return;
    }
    for (int64_t r = part.row_begin; r < part.row_end; ++r)
      put_row(from.data + r * from.row, from, logits + r * classes);
  }

  void put_row(const char* from, const Input& input, float* logits) const {
    const float scale = logit_scale[0];
    const auto scaled = [&](const auto* cells, int32_t shift) {
      for (int64_t c = 0; c < classes; ++c)
        logits[c] = static_cast<float>(static_cast<int32_t>(cells[c]) - shift) * scale;
    };
    switch (input.cell) {
      case Cell::U8:
        return scaled(reinterpret_cast<const uint8_t*>(from), input.shift);
      case Cell::I16:
        return scaled(reinterpret_cast<const int16_t*>(from), 0);
      case Cell::I32:
        return scaled(reinterpret_cast<const int32_t*>(from), 0);
      case Cell::F32:
        std::memcpy(logits, from, static_cast<size_t>(classes) * sizeof(float));
    }
  }
};

Program::Program(const Plan& plan, const KernelTable& kernels, Bits bits)
    : state_(std::make_unique<State>(plan, kernels, bits)) {}
Program::~Program() = default;
Program::Program(Program&&) noexcept = default;

const KernelTable& Program::kernels() const { return state_->kernels; }
size_t Program::arena_bytes() const { return static_cast<size_t>(state_->placement.bytes); }
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
        team.meet(worker);
      }
      if (worker == 0) state.put_logits(frame, to, 0, 1);
    });
    return out;
  }
  std::atomic<int64_t> next{0};
  team.run([&](int worker) {
    for (int64_t n; (n = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
      const Frame& frame = state.arenas[static_cast<size_t>(worker)].at(from + n * elements);
      for (const auto& step : steps) step->run(frame, 0, 1);
      state.put_logits(frame, to + n * state.classes, 0, 1);
    }
  });
  return out;
}

Tensor Program::run(const Batch& graphs, ThreadTeam& team) {
  State& state = *state_;
  const Frame& frame = state.prepare(graphs);
  Tensor out = torch::empty({state.output_rows(frame), state.classes});
  team.run([&](int worker) {
    for (const auto& step : state.compiled.steps) {
      if (frame.sparse && step->dense) continue;
      step->run(frame, worker, team.size());
      team.meet(worker);
    }
    state.put_logits(frame, out.data_ptr<float>(), worker, team.size());
  });
  return out;
}

std::vector<double> Program::time_steps(const Batch& batch, int repeats) {
  using Clock = std::chrono::steady_clock;
  State& state = *state_;
  const Frame& frame = state.prepare_one(batch);
  std::vector<double> seconds;
  for (const auto& step : state.compiled.steps) {
    if (frame.sparse && step->dense) {
      seconds.push_back(0);
      continue;
    }
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

std::vector<Tensor> Program::trace(const Batch& batch) {
  State& state = *state_;
  const Frame& frame = state.prepare_one(batch);
  std::vector<Tensor> out(state.plan.values.size());
  for (const auto& step : state.compiled.steps) {
    if (frame.sparse && step->dense) continue;
    step->run(frame, 0, 1);
    const auto v = static_cast<size_t>(step->value);
    if (v >= out.size()) continue;
    const Layout& layout = state.compiled.layouts[v];
    const int64_t rows = frame.count(layout.per);
    const Data data = gather(layout.of(rows, 1), frame.values[v]);
    const Tensor flat =
        data.on_grid ? torch::tensor(data.n, torch::kInt) : torch::tensor(data.x, torch::kFloat);
    out[v] = layout.per != Per::Image ? flat.view({rows, layout.channels})
                                      : flat.view({1, layout.height, layout.width, layout.channels})
                                            .permute({0, 3, 1, 2})
                                            .contiguous();
  }
  return out;
}

}  // namespace quantbench::engine
