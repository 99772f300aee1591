#include "runtime/reference_executor.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "runtime/float_math.h"
#include "runtime/reference_graph.h"
#include "runtime/reference_products.h"
#include "runtime/reference_step.h"

namespace quantbench {
namespace {

// Images that go through the network together: few enough to stay in a core's cache.
constexpr int64_t kImagesAtOnce = 8;

Data data_of(const Tensor& input) {
  Data out;
  out.rows = input.size(0);
  Tensor last = input.to(torch::kFloat);
  if (last.dim() == 4) last = last.permute({0, 2, 3, 1});
  last = last.contiguous();
  out.x.assign(last.data_ptr<float>(), last.data_ptr<float>() + last.numel());
  return out;
}

Tensor tensor_of(const Data& data, const std::vector<int64_t>& shape) {
  std::vector<int64_t> sizes{data.rows};
  if (shape.size() == 3)
    sizes.insert(sizes.end(), {shape[1], shape[2], shape[0]});
  else
    sizes.insert(sizes.end(), shape.begin(), shape.end());
  Tensor out = torch::empty(sizes, data.on_grid ? torch::kInt : torch::kFloat);
  if (data.on_grid)
    std::copy(data.n.begin(), data.n.end(), out.data_ptr<int32_t>());
  else
    std::copy(data.x.begin(), data.x.end(), out.data_ptr<float>());
  return shape.size() == 3 ? out.permute({0, 3, 1, 2}).contiguous() : out;
}

// Moves of numbers and sums of windows, over integers and floats alike.
template <typename T>
struct Mover {
  std::vector<const T*> from;
  std::vector<Extent> in;
  Extent to;
  int64_t rows = 0;
  T* out = nullptr;

  void operator()(const op::Flatten&) const {
    for (int64_t n = 0; n < rows; ++n)
      for (int64_t c = 0; c < in[0].channels; ++c)
        for (int64_t p = 0; p < in[0].pixels(); ++p)
          out[n * to.channels + c * in[0].pixels() + p] =
              from[0][(n * in[0].pixels() + p) * in[0].channels + c];
  }

  void operator()(const op::Concat&) const {
    for (int64_t p = 0; p < rows * to.pixels(); ++p) {
      T* next = out + p * to.channels;
      for (size_t k = 0; k < from.size(); ++k)
        next = std::copy_n(from[k] + p * in[k].channels, in[k].channels, next);
    }
  }

  void operator()(const op::PadShortcut& o) const {
    for (int64_t n = 0; n < rows; ++n)
      for (int64_t y = 0; y < to.height; ++y)
        for (int64_t x = 0; x < to.width; ++x)
          std::copy_n(from[0] + ((n * in[0].height + y * o.stride) * in[0].width + x * o.stride) *
                                    in[0].channels,
                      in[0].channels,
                      out + ((n * to.height + y) * to.width + x) * to.channels + o.before);
  }

  void operator()(const op::MaxPool& o) const {
    for (int64_t n = 0; n < rows; ++n)
      for (int64_t y = 0; y < to.height; ++y)
        for (int64_t x = 0; x < to.width; ++x)
          for (int64_t c = 0; c < to.channels; ++c) {
            const int64_t top = y * o.stride - o.padding, left = x * o.stride - o.padding;
            T best{};
            bool any = false;
            for (int64_t i = std::max<int64_t>(top, 0); i < std::min(top + o.kernel, in[0].height);
                 ++i)
              for (int64_t j = std::max<int64_t>(left, 0);
                   j < std::min(left + o.kernel, in[0].width); ++j) {
                const T value =
                    from[0][((n * in[0].height + i) * in[0].width + j) * to.channels + c];
                if (!any || value > best || value != value) best = value;
                any = true;
              }
            out[((n * to.height + y) * to.width + x) * to.channels + c] = best;
          }
  }

  template <typename Other>
  void operator()(const Other& o) const {
    fail("{} moves no numbers.", name_of(Operation(o)));
  }
};

template <typename T>
const std::vector<T>& numbers_of(const Data& data) {
  if constexpr (std::is_same_v<T, int32_t>)
    return data.n;
  else
    return data.x;
}

template <typename T>
void move(const Operation& operation, const std::vector<int>& inputs, const Plan& plan,
          const std::vector<Data>& values, const Extent& to, std::vector<T>& out) {
  Mover<T> mover;
  mover.to = to;
  mover.rows = values[static_cast<size_t>(inputs[0])].rows;
  for (int v : inputs) {
    mover.from.push_back(numbers_of<T>(values[static_cast<size_t>(v)]).data());
    mover.in.push_back(Extent::of(plan.values[static_cast<size_t>(v)].shape));
  }
  out.assign(static_cast<size_t>(mover.rows * to.elements()), T(0));
  mover.out = out.data();
  std::visit(mover, operation);
}

template <typename T, typename Acc>
void pool(const SumPool& work, const Data& data, const Extent& in, const Extent& to,
          const std::vector<Data>& values, const Finisher& finish, Data& out) {
  const T* from = numbers_of<T>(data).data();
  const int64_t height = work.kernel > 0 ? work.kernel : in.height;
  const int64_t width = work.kernel > 0 ? work.kernel : in.width;
  std::vector<Acc> acc(static_cast<size_t>(to.elements()));
  for (int64_t n = 0; n < data.rows; ++n) {
    std::fill(acc.begin(), acc.end(), Acc(0));
    for (int64_t y = 0; y < to.height; ++y)
      for (int64_t x = 0; x < to.width; ++x)
        for (int64_t i = 0; i < height; ++i)
          for (int64_t j = 0; j < width; ++j) {
            const int64_t row = y * work.stride - work.padding + i;
            const int64_t column = x * work.stride - work.padding + j;
            if (row < 0 || row >= in.height || column < 0 || column >= in.width) continue;
            for (int64_t c = 0; c < to.channels; ++c)
              acc[static_cast<size_t>((y * to.width + x) * to.channels + c)] +=
                  from[((n * in.height + row) * in.width + column) * in.channels + c];
          }
    finish.apply(acc.data(), n, 0, to.elements(), values, out);
  }
}

const Topology& topology_of(const Batch& batch, const Step& step) {
  require(batch.topology != nullptr, "Step {} passes messages, but the batch has no graph.",
          step.name);
  return *batch.topology;
}

}  // namespace

ReferenceStep reference_step(const Plan& plan, const Step& step) {
  const PlanValue& output = plan.values[static_cast<size_t>(step.output)];
  if (auto* work = std::get_if<Move>(&step.work))
    return [&plan, &step, &output, work](const std::vector<Data>& values, const Batch&) {
      Data out;
      out.rows = values[static_cast<size_t>(step.inputs[0])].rows;
      out.on_grid = output.grid.has_value();
      const Extent to = Extent::of(output.shape);
      if (out.on_grid)
        move(work->operation, step.inputs, plan, values, to, out.n);
      else
        move(work->operation, step.inputs, plan, values, to, out.x);
      return out;
    };

  const auto finish = std::make_shared<Finisher>(step.finish, output);
  const PlanValue& input = plan.values[static_cast<size_t>(step.inputs[0])];
  const auto of_input = [&step](const std::vector<Data>& values) -> const Data& {
    return values[static_cast<size_t>(step.inputs[0])];
  };
  if (std::holds_alternative<Product>(step.work))
    return [product = std::make_shared<ReferenceProduct>(step, plan), finish](
               const std::vector<Data>& values, const Batch&) {
      return product->run(values, *finish);
    };
  if (std::holds_alternative<Aggregate>(step.work))
    return [work = std::make_shared<ReferenceAggregate>(step, plan), finish, &step](
               const std::vector<Data>& values, const Batch& batch) {
      return work->run(values, topology_of(batch, step), *finish);
    };
  if (std::holds_alternative<Attend>(step.work))
    return [work = std::make_shared<ReferenceAttention>(step, plan), finish, &step](
               const std::vector<Data>& values, const Batch& batch) {
      return work->run(values, topology_of(batch, step), *finish);
    };
  if (std::holds_alternative<ReadOut>(step.work))
    return [finish, &step](const std::vector<Data>& values, const Batch& batch) {
      return read_out(step, values, topology_of(batch, step), *finish);
    };
  if (auto* work = std::get_if<SumPool>(&step.work))
    return [work, finish, of_input, in = Extent::of(input.shape), to = Extent::of(output.shape),
            wide = step.accumulator == Accumulator::Int64](const std::vector<Data>& values,
                                                           const Batch&) {
      const Data& x = of_input(values);
      Data out = finish->prepare(x.rows);
      if (!x.on_grid)
        pool<float, float>(*work, x, in, to, values, *finish, out);
      else if (wide)
        pool<int32_t, int64_t>(*work, x, in, to, values, *finish, out);
      else
        pool<int32_t, int32_t>(*work, x, in, to, values, *finish, out);
      return out;
    };
  const bool elu = std::holds_alternative<EluWork>(step.work);
  return [finish, of_input, elu, scale = input.grid ? input.grid->scale : 1.0f,
          elements = Extent::of(input.shape).elements()](const std::vector<Data>& values,
                                                         const Batch&) {
    const Data& x = of_input(values);
    Data out = finish->prepare(x.rows);
    std::vector<float> room(elu ? static_cast<size_t>(elements) : 0);
    for (int64_t n = 0; n < x.rows; ++n) {
      const auto first = static_cast<size_t>(n * elements);
      if (elu) {
        for (size_t i = 0; i < room.size(); ++i) {
          const float real =
              x.on_grid ? static_cast<float>(x.n[first + i]) * scale : x.x[first + i];
          room[i] = real > 0 ? real : plan_exp(real) - 1.0f;
        }
        finish->apply(room.data(), n, 0, elements, values, out);
      } else if (x.on_grid) {
        finish->apply(&x.n[first], n, 0, elements, values, out);
      } else {
        finish->apply(&x.x[first], n, 0, elements, values, out);
      }
    }
    return out;
  };
}

struct ReferenceExecutor::State {
  Plan plan;
  double integer_share = 0;
  std::vector<ReferenceStep> steps;
  std::vector<int> last_use;  // of each value: the last step that reads it

  explicit State(Plan made) : plan(std::move(made)) {
    integer_share = quantbench::integer_share(plan);
    last_use.assign(plan.values.size(), -1);
    for (size_t i = 0; i < plan.steps.size(); ++i) {
      const Step& step = plan.steps[i];
      steps.push_back(reference_step(plan, step));
      const auto use = [&](int v) { last_use[static_cast<size_t>(v)] = static_cast<int>(i); };
      for (int v : step.inputs) use(v);
      for (const Addend& addend : step.finish.addends) use(addend.value);
    }
    last_use[static_cast<size_t>(plan.output)] = static_cast<int>(plan.steps.size());
  }

  std::vector<Data> run(const Batch& batch, bool keep) const {
    std::vector<Data> values(plan.values.size());
    values[0] = data_of(batch.input);
    for (size_t i = 0; i < steps.size(); ++i) {
      values[static_cast<size_t>(plan.steps[i].output)] = steps[i](values, batch);
      if (keep) continue;
      for (size_t v = 0; v < values.size(); ++v)
        if (last_use[v] == static_cast<int>(i)) values[v] = {};
    }
    return values;
  }

  Tensor logits(const Batch& batch) const {
    const std::vector<Data> values = run(batch, false);
    const PlanValue& output = plan.values[static_cast<size_t>(plan.output)];
    const Tensor out = tensor_of(values[static_cast<size_t>(plan.output)], output.shape);
    return output.grid ? out.to(torch::kFloat) * output.grid->scale : out;
  }

  Batch checked(const Batch& batch) const {
    Batch here = batch.to(torch::kCPU);
    const std::vector<int64_t>& shape = plan.input_shape;
    require(here.input.dim() == static_cast<int64_t>(shape.size()) + 1 &&
                here.input.sizes().slice(1) == torch::IntArrayRef(shape),
            "The network {} does not take inputs of that shape.", plan.name);
    require(here.topology != nullptr || !plan.needs_topology,
            "The network {} passes messages, but the batch has no graph.", plan.name);
    require(!plan.needs_topology || here.topology->node_count() == here.input.size(0),
            "The network {} gets features of {} nodes and a graph of {}.", plan.name,
            here.input.size(0), plan.needs_topology ? here.topology->node_count() : 0);
    return here;
  }
};

ReferenceExecutor::ReferenceExecutor(const Package& package)
    : ReferenceExecutor(make_plan(package)) {}

ReferenceExecutor::ReferenceExecutor(Plan plan)
    : state_(std::make_unique<State>(std::move(plan))) {}

ReferenceExecutor::~ReferenceExecutor() = default;

Tensor ReferenceExecutor::forward(const Batch& batch) const {
  const torch::NoGradGuard no_grad;
  const Batch here = state_->checked(batch);
  const int64_t rows = here.input.size(0);
  Tensor out;
  if (state_->plan.needs_topology) {
    out = state_->logits(here);
    // Integers have no room for NaN; it must stay visible.
    if (here.input.isnan().any().item<bool>()) out.fill_(NAN);
    return out;
  }
  const int64_t chunks = std::max<int64_t>((rows + kImagesAtOnce - 1) / kImagesAtOnce, 1);
  std::vector<Tensor> outputs(static_cast<size_t>(chunks));
  at::parallel_for(0, chunks, 1, [&](int64_t first, int64_t last) {
    const torch::NoGradGuard inner;
    for (int64_t chunk = first; chunk < last; ++chunk) {
      Batch part;
      const int64_t begin = chunk * kImagesAtOnce;
      part.input = here.input.narrow(0, begin, std::min(kImagesAtOnce, rows - begin));
      outputs[static_cast<size_t>(chunk)] = state_->logits(part);
    }
  });
  out = torch::cat(outputs);
  const Tensor broken = here.input.flatten(1).isnan().any(1);
  if (broken.any().item<bool>()) out.masked_fill_(broken.unsqueeze(1), NAN);
  return out;
}

std::vector<Tensor> ReferenceExecutor::trace(const Batch& batch) const {
  const std::vector<Data> values = state_->run(state_->checked(batch), true);
  std::vector<Tensor> out;
  for (size_t v = 0; v < values.size(); ++v)
    out.push_back(tensor_of(values[v], state_->plan.values[v].shape));
  return out;
}

double ReferenceExecutor::integer_share() const { return state_->integer_share; }
const Plan& ReferenceExecutor::plan() const { return state_->plan; }

}  // namespace quantbench
