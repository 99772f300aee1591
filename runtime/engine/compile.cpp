#include "runtime/engine/compile.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "runtime/engine/general.h"

namespace quantbench::engine {
namespace {

constexpr int64_t kLine = 64;  // bytes of a cache line

// A Conv2d or a Linear as a convolution over what its input is in memory: a flattened image is
// still one, and the layer that reads it a convolution with one window.
struct ProductShape {
  Geometry geometry;
  int64_t groups = 1;
  std::vector<int64_t> weight;  // its shape as [out, in/groups, kh, kw]
  int64_t left = 0, right = 0;  // borders that it reads
};

ProductShape shape_of(const Product& product, const Layout& x, const Layout& y) {
  ProductShape out;
  Geometry& g = out.geometry;
  if (auto* conv = std::get_if<op::Conv2d>(&product.operation)) {
    g = {conv->kernel[0],  conv->kernel[1],  conv->stride[0], conv->stride[1],
         conv->padding[0], conv->padding[1], y.height,        y.width};
    out.groups = conv->groups;
    out.weight = {conv->out, conv->in / conv->groups, g.kernel_h, g.kernel_w};
    out.left = g.left;
    out.right = std::max<int64_t>((g.out_w - 1) * g.stride_w - g.left + g.kernel_w - x.width, 0);
  } else {
    const auto& linear = std::get<op::Linear>(product.operation);
    g.kernel_h = x.height;
    g.kernel_w = x.width;
    out.weight = {linear.out, x.channels, x.height, x.width};
  }
  return out;
}

// Whether rounding half to even within two bounds is all of it.
bool simple(const Quantization& q) {
  return !q.by_thresholds() && !q.lows.defined() && !q.highs.defined() && !q.inverse.defined() &&
         !q.unit.defined() && q.rounding == Rounding::HalfEven &&
         q.overflow == Overflow::Saturate && q.step == 1;
}

bool constant(const Tensor& t) {
  return t.numel() <= 1 || (t == t.flatten()[0]).all().item<bool>();
}

class Compiler {
 public:
  Compiler(const Plan& plan, const KernelTable& kernels) : plan_(plan), kernels_(kernels) {}

  Compiled run() {
    require(!plan_.needs_topology, "The engine has no kernels for the network {}: {}.", plan_.name,
            "it passes messages");
    lay_out();
    for (const Step& step : plan_.steps) emit(step);
    place();
    return std::move(out_);
  }

 private:
  const PlanValue& value(int v) const { return plan_.values[static_cast<size_t>(v)]; }
  Layout& layout(int v) { return out_.layouts[static_cast<size_t>(v)]; }
  // The value whose memory a value shares: a flattened image is the image.
  int root(int v) const { return roots_[static_cast<size_t>(v)]; }
  Operand operand(int v) { return {root(v), layout(root(v))}; }

  // A flattening that moves nothing: those who read it are layers, which find the image there.
  bool is_view(const Step& step) const {
    auto* move = std::get_if<Move>(&step.work);
    if (!move || !std::holds_alternative<op::Flatten>(move->operation)) return false;
    return std::all_of(
               plan_.steps.begin(), plan_.steps.end(),
               [&](const Step& other) {
                 const auto& inputs = other.inputs;
                 if (std::find(inputs.begin(), inputs.end(), step.output) == inputs.end())
                   return std::none_of(other.finish.addends.begin(), other.finish.addends.end(),
                                       [&](const quantbench::Addend& addend) {
                                         return addend.value == step.output;
                                       });
                 auto* product = std::get_if<Product>(&other.work);
                 // Sums of floats have an order, that of the flattened features.
                 return product && std::holds_alternative<IntegerWeights>(product->weights) &&
                        other.accumulator == Accumulator::Int32;
               }) &&
           step.output != plan_.output;
  }

  // --- layouts ---

  void lay_out() {
    const size_t count = plan_.values.size();
    out_.layouts.resize(count);
    roots_.resize(count);
    for (size_t v = 0; v < count; ++v) {
      roots_[v] = static_cast<int>(v);
      Layout& y = out_.layouts[v];
      const std::vector<int64_t>& shape = plan_.values[v].shape;
      if (!shape.empty()) y.channels = shape[0];
      if (shape.size() == 3) {
        y.height = shape[1];
        y.width = shape[2];
      }
    }
    for (const Step& step : plan_.steps)
      if (is_view(step)) roots_[static_cast<size_t>(step.output)] = root(step.inputs[0]);
    for (size_t v = 0; v < count; ++v)
      if (roots_[v] == static_cast<int>(v)) choose_cell(static_cast<int>(v));
    for (size_t v = 0; v < count; ++v) {
      Layout& y = out_.layouts[v];
      y.padded = dense_[v] ? y.channels : rounded_up(y.channels, kernels_.lanes);
    }
    for (const Step& step : plan_.steps)
      if (auto* product = std::get_if<Product>(&step.work)) {
        Layout& x = layout(root(step.inputs[0]));
        const ProductShape shape = shape_of(*product, x, layout(root(step.output)));
        x.left = std::max(x.left, shape.left);
        x.right = std::max(x.right, shape.right);
      }
  }

  // Bytes where the kernels multiply them and every layer that reads the value has weights of 8
  // bits; else shorts, else whole integers.
  void choose_cell(int v) {
    const std::optional<ValueGrid>& grid = value(v).grid;
    bool bytes = kernels_.has_bytes, dense = v == 0;
    for (const Step& step : plan_.steps)
      if (step.output == v && reads_input(step)) dense = true;
    for (const Step& step : plan_.steps) {
      const auto reads = [&](int input) { return root(input) == v; };
      if (std::any_of(step.finish.addends.begin(), step.finish.addends.end(),
                      [&](const quantbench::Addend& addend) { return reads(addend.value); }))
        dense = false;
      if (std::none_of(step.inputs.begin(), step.inputs.end(), reads) || is_view(step)) continue;
      auto* product = std::get_if<Product>(&step.work);
      if (!product) {
        dense = false;
        continue;
      }
      if (auto* weights = std::get_if<IntegerWeights>(&product->weights))
        bytes = bytes && grid && fits_bytes(weights->integers, *grid);
    }
    dense_.resize(plan_.values.size());
    dense_[static_cast<size_t>(v)] = dense;
    Layout& y = layout(v);
    if (!grid) return;
    if (bytes && grid->high - std::min<int64_t>(grid->low, 0) <= 255) {
      y.cell = Cell::U8;
      y.shift = static_cast<int32_t>(-std::min<int64_t>(grid->low, 0));
    } else if (grid->low >= INT16_MIN && grid->high <= INT16_MAX) {
      y.cell = Cell::I16;
    } else {
      y.cell = Cell::I32;
    }
  }

  // Whether no sum of stored bytes times weights leaves int32 and the weights are bytes themselves.
  static bool fits_bytes(const Tensor& weights, const ValueGrid& grid) {
    if (weights.numel() == 0) return true;
    const int64_t low = weights.min().item<int64_t>(), high = weights.max().item<int64_t>();
    const int64_t row = weights.flatten(1).abs().sum(1, false, torch::kLong).max().item<int64_t>();
    const int64_t span = grid.high - std::min<int64_t>(grid.low, 0);
    return low >= INT8_MIN && high <= INT8_MAX && row * std::max<int64_t>(span, 255) <= INT32_MAX;
  }

  // --- steps ---

  bool reads_input(const Step& step) const {
    return std::holds_alternative<Identity>(step.work) && step.inputs[0] == 0 &&
           step.finish.addends.empty() && fast(step);
  }

  // Whether the kernels' own epilogue does all of a step's finish.
  bool fast(const Step& step) const {
    const quantbench::Finish& finish = step.finish;
    return !finish.wide && finish.addends.size() <= 2 &&
           (!finish.quantization ||
            (simple(*finish.quantization) && value(step.output).grid.has_value()));
  }

  // A number a channel of what lies in memory; nothing when a flattened image has one a feature.
  std::optional<std::vector<float>> spread(const Tensor& t, const Layout& y) const {
    const Tensor all = t.to(torch::kFloat).flatten().contiguous();
    std::vector<float> numbers(static_cast<size_t>(y.padded), 0.0f);
    if (all.numel() != y.channels && !constant(all)) return std::nullopt;
    for (int64_t c = 0; c < y.channels; ++c)
      numbers[static_cast<size_t>(c)] =
          all.numel() == y.channels ? all[c].item<float>() : all[0].item<float>();
    return numbers;
  }

  std::optional<EpilogueData> epilogue(const Step& step, const Operand& y) {
    if (!fast(step)) return std::nullopt;
    const quantbench::Finish& finish = step.finish;
    EpilogueData out;
    const auto a = spread(finish.a, y.layout), b = spread(finish.b, y.layout);
    if (!a || !b) return std::nullopt;
    out.a = *a;
    out.b = *b;
    for (const quantbench::Addend& addend : finish.addends) {
      const Operand x = operand(addend.value);
      const auto factor = spread(addend.a, y.layout);
      if (!factor || x.layout.padded != y.layout.padded) return std::nullopt;
      out.terms.push_back({x.value, x.layout, *factor});
    }
    out.low = finish.least;
    out.high = finish.most;
    if (finish.quantization) {
      out.quantized = true;
      out.low = std::max(std::nearbyint(out.low), static_cast<float>(finish.quantization->low));
      out.high = std::min(std::nearbyint(out.high), static_cast<float>(finish.quantization->high));
    }
    return out;
  }

  void push(std::unique_ptr<ProgramStep> step, const Step& of, std::vector<int> reads) {
    step->name = of.name;
    reads.push_back(step->value);
    touches_.push_back(std::move(reads));
    out_.steps.push_back(std::move(step));
  }

  std::vector<int> addend_values(const Step& step) {
    std::vector<int> out;
    for (const quantbench::Addend& addend : step.finish.addends) out.push_back(root(addend.value));
    return out;
  }

  // A value that the plan does not have: accumulators, or floats of integers.
  Operand scratch(Layout like, Cell cell) {
    like.cell = cell;
    like.shift = 0;
    like.left = like.right = 0;
    like.padded = rounded_up(like.channels, kernels_.lanes);
    out_.layouts.push_back(like);
    return {static_cast<int>(out_.layouts.size()) - 1, like};
  }

  // Value 0 in memory, once somebody wants it there.
  void bring_input(const Step& step) {
    if (input_there_) return;
    input_there_ = true;
    const Operand y = operand(0);
    EpilogueData plain;
    plain.a.assign(static_cast<size_t>(y.layout.padded), 1.0f);
    plain.b.assign(static_cast<size_t>(y.layout.padded), 0.0f);
    plain.low = -INFINITY;
    plain.high = INFINITY;
    push(input_step(kernels_, plain, y), step, {});
  }

  void whole(const Step& step, const Operand& y) {
    std::vector<Operand> values;
    std::vector<int> reads;
    for (int v : step.inputs) values.push_back(in_plan_form(v));
    for (const quantbench::Addend& addend : step.finish.addends)
      values.push_back(in_plan_form(addend.value));
    for (const Operand& x : values) reads.push_back(root(x.value));
    push(whole_step(plan_, step, values, y), step, reads);
    note_macs(step, false);
  }

  // A value for the reference: under its own number. One that is flattened has lost its order.
  Operand in_plan_form(int v) {
    require(root(v) == v, "The engine cannot read the flattened value {} of the network {} here.",
            value(v).name, plan_.name);
    return operand(v);
  }

  void note_macs(const Step& step, bool integer) {
    if (auto* product = std::get_if<Product>(&step.work)) {
      out_.steps.back()->macs = product->macs;
      out_.steps.back()->integer = integer;
    }
  }

  // `make` builds the step that computes the accumulators; with a finish that the kernels do not
  // know they go to memory first.
  template <typename Make>
  void with_finish(const Step& step, std::vector<int> reads, bool integer, const Make& make) {
    const Operand y = operand(step.output);
    const std::vector<int> addends = addend_values(step);
    if (const auto fast_epilogue = epilogue(step, y)) {
      reads.insert(reads.end(), addends.begin(), addends.end());
      push(make(*fast_epilogue, y), step, reads);
      note_macs(step, integer);
      return;
    }
    const Operand acc = scratch(y.layout, integer ? Cell::I32 : Cell::F32);
    EpilogueData raw;
    raw.raw = true;
    push(make(raw, acc), step, reads);
    note_macs(step, integer);
    finish(step, acc, y);
  }

  void finish(const Step& step, const Operand& acc, const Operand& y) {
    std::vector<Operand> values;
    std::vector<int> reads{acc.value};
    for (const quantbench::Addend& addend : step.finish.addends) {
      values.push_back(in_plan_form(addend.value));
      reads.push_back(root(addend.value));
    }
    push(finish_step(plan_, step, acc, values, y), step, reads);
  }

  void emit(const Step& step) {
    if (is_view(step)) return;
    const Operand y = operand(step.output);
    if (reads_input(step)) {
      if (const auto end = epilogue(step, y)) return push(input_step(kernels_, *end, y), step, {});
    }
    for (int v : step.inputs)
      if (root(v) == 0) bring_input(step);
    for (const quantbench::Addend& addend : step.finish.addends)
      if (root(addend.value) == 0) bring_input(step);
    if (auto* product = std::get_if<Product>(&step.work)) return emit(step, *product, y);
    if (auto* move = std::get_if<Move>(&step.work)) return emit(step, *move, y);
    if (auto* pool = std::get_if<SumPool>(&step.work)) return emit(step, *pool, y);
    if (std::holds_alternative<Identity>(step.work)) return emit_identity(step, y);
    whole(step, y);
  }

  void emit(const Step& step, const Product& product, const Operand& y) {
    Operand x = operand(step.inputs[0]);
    const ProductShape shape = shape_of(product, x.layout, y.layout);
    const auto dense = [&](const Tensor& weights) {
      const Tensor w = weights.view(shape.weight);
      return shape.groups == 1 ? w : without_groups(w, shape.groups);
    };
    if (auto* weights = std::get_if<IntegerWeights>(&product.weights)) {
      const int64_t largest =
          weights->integers.numel() ? weights->integers.abs().max().item<int64_t>() : 0;
      if (step.accumulator != Accumulator::Int32 || x.layout.cell == Cell::I32 ||
          largest > INT16_MAX)
        return whole(step, y);
      const Tensor w = weights->integers.view(shape.weight);
      const bool depthwise = shape.groups > 1 && shape.groups == x.layout.channels &&
                             shape.groups == y.layout.channels &&
                             x.layout.padded == y.layout.padded;
      return with_finish(step, {x.value}, true, [&](const EpilogueData& end, const Operand& to) {
        return depthwise ? depthwise_step(kernels_, w, shape.geometry, x, end, to)
                         : convolution_step(kernels_, dense(w), shape.geometry, x, end, to);
      });
    }
    auto* weights = std::get_if<FloatWeights>(&product.weights);
    if (!weights) return whole(step, y);
    if (x.layout.cell != Cell::F32) x = real(step, x);
    with_finish(step, {x.value}, false, [&](const EpilogueData& end, const Operand& to) {
      return convolution_step(kernels_, dense(weights->values), shape.geometry, x, end, to);
    });
  }

  // The real numbers of integers, scale * n rounded once.
  Operand real(const Step& step, const Operand& x) {
    Layout like = x.layout;
    const Operand y = [&] {
      Operand made = scratch(like, Cell::F32);
      Layout& l = out_.layouts.back();
      l.left = like.left;
      l.right = like.right;
      made.layout = l;
      return made;
    }();
    EpilogueData end;
    end.a.assign(static_cast<size_t>(y.layout.padded), value(step.inputs[0]).grid->scale);
    end.b.assign(static_cast<size_t>(y.layout.padded), 0.0f);
    end.low = -INFINITY;
    end.high = INFINITY;
    push(map_step(kernels_, x, end, y), step, {x.value});
    return y;
  }

  void emit(const Step& step, const Move& move, const Operand& y) {
    const std::optional<ValueGrid>& grid = value(step.output).grid;
    if (auto* pool = std::get_if<op::MaxPool>(&move.operation)) {
      const Operand x = operand(step.inputs[0]);
      if (!grid) return whole(step, y);  // floats may hold NaN, which the reference minds
      EpilogueData end;
      end.a.assign(static_cast<size_t>(y.layout.padded), 1.0f);
      end.b.assign(static_cast<size_t>(y.layout.padded), 0.0f);
      end.quantized = true;
      end.low = static_cast<float>(grid->low);
      end.high = static_cast<float>(grid->high);
      const Geometry g{pool->kernel,  pool->kernel,  pool->stride,    pool->stride,
                       pool->padding, pool->padding, y.layout.height, y.layout.width};
      return push(pool_step(kernels_, true, g, x, end, y), step, {x.value});
    }
    const auto same = [&](const Operand& x) {
      return x.layout.cell == y.layout.cell && x.layout.shift == y.layout.shift;
    };
    if (auto* pad = std::get_if<op::PadShortcut>(&move.operation)) {
      const Operand x = operand(step.inputs[0]);
      if (!same(x)) return whole(step, y);
      return push(copy_step(x, y, pad->stride, pad->before, true), step, {x.value});
    }
    if (std::holds_alternative<op::Concat>(move.operation)) {
      std::vector<Operand> parts;
      for (int v : step.inputs) parts.push_back(operand(v));
      if (!std::all_of(parts.begin(), parts.end(), same)) return whole(step, y);
      int64_t before = 0;
      for (size_t i = 0; i < parts.size(); ++i) {
        std::vector<int> reads{parts[i].value};
        push(copy_step(parts[i], y, 1, before, i == 0), step, reads);
        before += parts[i].layout.channels;
      }
      return;
    }
    whole(step, y);
  }

  void emit(const Step& step, const SumPool& pool, const Operand& y) {
    const Operand x = operand(step.inputs[0]);
    if (step.accumulator == Accumulator::Int64) return whole(step, y);
    const Geometry g = pool.kernel > 0
                           ? Geometry{pool.kernel, pool.kernel, pool.stride,     pool.stride,
                                      0,           0,           y.layout.height, y.layout.width}
                           : Geometry{x.layout.height, x.layout.width, 1, 1, 0, 0, 1, 1};
    const bool integer = x.layout.cell != Cell::F32;
    with_finish(step, {x.value}, integer, [&](const EpilogueData& end, const Operand& to) {
      return pool_step(kernels_, false, g, x, end, to);
    });
  }

  void emit_identity(const Step& step, const Operand& y) {
    const Operand x = operand(step.inputs[0]);
    if (x.layout.padded == y.layout.padded && y.layout.padded % kernels_.lanes == 0)
      if (const auto end = epilogue(step, y)) {
        std::vector<int> reads = addend_values(step);
        reads.push_back(x.value);
        return push(map_step(kernels_, x, *end, y), step, reads);
      }
    if (root(step.inputs[0]) == step.inputs[0]) return finish(step, x, y);
    whole(step, y);
  }

  // --- memory ---

  // First fit: a value lies where nothing lies that is wanted while it is.
  void place() {
    struct Life {
      int first = -1, last = -1;
    };
    const size_t count = out_.layouts.size();
    std::vector<Life> lives(count);
    for (size_t i = 0; i < touches_.size(); ++i)
      for (int v : touches_[i]) {
        Life& life = lives[static_cast<size_t>(v)];
        if (life.first < 0) life.first = static_cast<int>(i);
        life.last = static_cast<int>(i);
      }
    lives[static_cast<size_t>(root(plan_.output))].last = static_cast<int>(touches_.size());
    out_.offsets.assign(count, -1);
    for (size_t v = 0; v < count; ++v) {
      if (lives[v].first < 0) continue;
      const int64_t size = rounded_up(out_.layouts[v].bytes(), kLine);
      int64_t at = kLine;
      for (bool moved = true; moved;) {
        moved = false;
        for (size_t o = 0; o < count; ++o) {
          if (o == v || out_.offsets[o] < 0) continue;
          const int64_t end = out_.offsets[o] + rounded_up(out_.layouts[o].bytes(), kLine);
          const bool together = lives[o].first <= lives[v].last && lives[v].first <= lives[o].last;
          if (together && out_.offsets[o] < at + size && at < end) {
            at = end;
            moved = true;
          }
        }
      }
      out_.offsets[v] = at;
      out_.arena = std::max(out_.arena, at + size);
    }
    for (size_t v = 0; v < plan_.values.size(); ++v)
      out_.offsets[v] = out_.offsets[static_cast<size_t>(roots_[v])];
  }

  const Plan& plan_;
  const KernelTable& kernels_;
  Compiled out_;
  std::vector<int> roots_;
  std::vector<char> dense_;                // of each value: pixels are not rounded up to vectors
  std::vector<std::vector<int>> touches_;  // values that each step reads or writes
  bool input_there_ = false;
};

}  // namespace

Compiled compile(const Plan& plan, const KernelTable& kernels) {
  return Compiler(plan, kernels).run();
}

}  // namespace quantbench::engine
