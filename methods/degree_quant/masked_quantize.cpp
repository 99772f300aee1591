#include "methods/degree_quant/masked_quantize.h"

#include "methods/common/custom_gradient.h"
#include "methods/common/kernel_grids.h"
#include "methods/degree_quant/row_blocks.h"

namespace quantbench {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// keep as it broadcasts to x.
Tensor spread(const Tensor& keep, const Tensor& x) {
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  if (!shape.empty()) shape[0] = keep.numel();
  return keep.to(torch::kBool).view(shape);
}

// One argument for autograd, which takes no undefined tensors.
struct Masking {
  Tensor keep;
  kernels::Grid grid;
  bool clipped = false;
  Watch* watch = nullptr;
};

// The formulas as tensor operations, for other devices: value and, where asked for, `open`.
Tensor quantized_elsewhere(const Tensor& x, const Masking& how, Tensor* open) {
  const kernels::Grid& g = how.grid;
  const Tensor code = torch::round(x * g.inverse) + g.offset;
  Tensor y = (code.clamp(g.low, g.high) - g.zero_point) * g.scale;
  if (open) *open = (code > g.low) & (code < g.high);
  if (!how.keep.defined()) return y;
  const Tensor kept = spread(how.keep, x);
  if (open) *open = *open | kept;
  return torch::where(kept, x, y);
}

// A gradient that lives in autograd's list, in the function's arguments and in the caller's
// variable, nowhere else, and whose memory no other tensor shares: it is gone when the function
// returns.
bool only_autograd_sees(const Tensor& gradient) {
  return gradient.use_count() == 3 && gradient.storage().use_count() == 1;
}

struct MaskedQuantize : Function<MaskedQuantize> {
  static Tensor forward(AutogradContext* context, const Tensor& given, const Masking& how) {
    Tensor open, y;
    if (given.is_cpu()) {
      const Tensor x = given.contiguous();
      y = torch::empty_like(x);
      if (how.clipped) open = torch::empty(x.sizes(), torch::kUInt8);
      auto* flags = how.clipped ? open.data_ptr<uint8_t>() : nullptr;
      float* out = y.data_ptr<float>();
      const RowBlocks blocks(x, how.keep);
      std::vector<kernels::Beyond> seen(static_cast<size_t>(blocks.count()));
      const Watch limits = how.watch ? *how.watch : Watch{};
      blocks.for_each([&](int64_t i, int64_t first, const kernels::RowBlock& block) {
        seen[static_cast<size_t>(i)] = kernels::quantize_rows(
            block, out + first, flags ? flags + first : nullptr, how.grid, limits.low, limits.high);
      });
      if (how.watch)
        for (const kernels::Beyond& each : seen) how.watch->seen += each;
    } else {
      y = quantized_elsewhere(given, how, how.clipped ? &open : nullptr);
    }
    if (how.clipped) context->save_for_backward({open});
    context->saved_data["clipped"] = how.clipped;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    if (!context->saved_data["clipped"].toBool()) return {gradients[0], {}};
    const Tensor open = context->get_saved_variables()[0];
    if (!open.is_cpu()) return {gradients[0] * open, {}};
    const Tensor g = gradients[0].contiguous();
    const auto* flags = open.data_ptr<uint8_t>();
    Tensor dx = only_autograd_sees(g) ? g : torch::empty_like(g);
    float* out = dx.data_ptr<float>();
    RowBlocks(g, {}).for_each([&](int64_t, int64_t first, const kernels::RowBlock& block) {
      const int64_t count = block.rows * block.width;
      if (block.x == out + first)
        kernels::gate_in_place(out + first, flags + first, count);
      else
        kernels::gate(block.x, flags + first, out + first, count);
    });
    return {dx, {}};
  }
};

}  // namespace

Tensor masked_quantize(const Tensor& x, const Tensor& keep, const UniformFormat& format,
                       GradientRule rule, Watch* watch) {
  return MaskedQuantize::apply(
      x.to(torch::kFloat32),
      Masking{keep, kernel_grids(format).front(), rule == GradientRule::Clipped, watch});
}

}  // namespace quantbench
