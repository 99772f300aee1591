#include "runtime/reference_products.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/float_kernel.h"
#include "runtime/integer_kernel.h"

namespace quantbench {
namespace {

int64_t rounded_up(int64_t value, int64_t block) { return (value + block - 1) / block * block; }

// [out, in/groups, kh, kw] -> [groups, out/groups, kh * kw * in/groups], channels last.
Tensor weight_rows(const Tensor& weight, int64_t groups) {
  const Tensor last = weight.dim() == 4 ? weight.permute({0, 2, 3, 1}) : weight;
  return last.reshape({groups, weight.size(0) / groups, -1});
}

bool fits_short(int64_t n) { return std::abs(n) <= std::numeric_limits<int16_t>::max(); }

}  // namespace

ReferenceProduct::ReferenceProduct(const Step& step, const Plan& plan) : input_(step.inputs[0]) {
  const auto& product = std::get<Product>(step.work);
  const PlanValue& input = plan.values[static_cast<size_t>(input_)];
  in_ = Extent::of(input.shape);
  out_ = Extent::of(plan.values[static_cast<size_t>(step.output)].shape);
  if (input.grid) input_scale_ = input.grid->scale;
  padded_h_ = in_.height;
  padded_w_ = in_.width;
  if (auto* conv = std::get_if<op::Conv2d>(&product.operation)) {
    kernel_h_ = conv->kernel[0];
    kernel_w_ = conv->kernel[1];
    stride_h_ = conv->stride[0];
    stride_w_ = conv->stride[1];
    top_ = conv->padding[0];
    left_ = conv->padding[1];
    padded_h_ += top_ + conv->padding[2];
    padded_w_ += left_ + conv->padding[3];
    groups_ = conv->groups;
  }
  outputs_ = out_.channels / groups_;

  if (auto* w = std::get_if<IntegerWeights>(&product.weights)) {
    const bool narrow = step.accumulator == Accumulator::Int32 && fits_short(input.grid->low) &&
                        fits_short(input.grid->high) &&
                        fits_short(w->integers.abs().max().item<int64_t>());
    kind_ = narrow ? Kind::Narrow : Kind::Wide;
    const Tensor rows = weight_rows(w->integers, groups_);
    length_ = rounded_up(rows.size(2), kOperandBlock);
    columns_ = rounded_up(outputs_, kWeightBlock);
    weights_ = torch::constant_pad_nd(rows, {0, length_ - rows.size(2), 0, columns_ - outputs_})
                   .to(narrow ? torch::kShort : torch::kInt)
                   .contiguous();
  } else if (auto* w = std::get_if<MultiBitWeights>(&product.weights)) {
    kind_ = Kind::Planes;
    const MultiBitEncoding& e = w->encoding;
    columns_ = outputs_;
    length_ = kernel_h_ * kernel_w_ * in_.channels / groups_;
    cut_length_ = e.signs.size(1);
    // The rows are gathered tap by tap; a kernel, or a part of a row, is cut out of them.
    const int64_t taps = kernel_h_ * kernel_w_, channels = length_ / taps;
    order_.resize(static_cast<size_t>(length_));
    for (int64_t i = 0; i < length_; ++i) {
      const int64_t channel = i / taps, tap = i % taps;
      order_[static_cast<size_t>(i)] = static_cast<int32_t>(
          e.grouping == Grouping::Pixel && e.shape.size() == 4 ? i : tap * channels + channel);
    }
    const Tensor counts = e.counts.to(torch::kLong).contiguous();
    first_base_.assign(static_cast<size_t>(counts.numel()) + 1, 0);
    std::partial_sum(counts.data_ptr<int64_t>(), counts.data_ptr<int64_t>() + counts.numel(),
                     first_base_.begin() + 1);
    signs_ = spread<int32_t>(e.signs.to(torch::kInt) * 2 - 1, {});
    coefficients_ = spread<float>(e.coefficients, {});
  } else {
    const Tensor rows = weight_rows(std::get<FloatWeights>(product.weights).values, groups_);
    length_ = rows.size(2);
    columns_ = outputs_;
    weights_ = rows.transpose(1, 2).contiguous();
  }
}

template <typename Operand, typename Acc>
void ReferenceProduct::sums(const std::vector<Operand>& rows, int64_t group, int64_t count,
                            Acc* out) const {
  if constexpr (std::is_same_v<Operand, float>) {
    multiply(rows.data(), count, weights_.data_ptr<float>() + group * columns_ * length_, columns_,
             length_, out);
  } else if constexpr (std::is_same_v<Acc, float>) {
    const int64_t cuts = length_ / cut_length_;
    std::vector<int32_t> cut(static_cast<size_t>(length_));
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t i = 0; i < length_; ++i)
        cut[static_cast<size_t>(i)] =
            rows[static_cast<size_t>(r * length_ + order_[static_cast<size_t>(i)])];
      for (int64_t c = 0; c < outputs_; ++c) {
        float sum = 0;
        for (int64_t k = 0; k < cuts; ++k) {
          const auto g = static_cast<size_t>((group * outputs_ + c) * cuts + k);
          for (int64_t base = first_base_[g]; base < first_base_[g + 1]; ++base) {
            const auto b = static_cast<size_t>(base);
            const int32_t dot =
                dot_signs(&cut[static_cast<size_t>(k * cut_length_)],
                          &signs_[b * static_cast<size_t>(cut_length_)], cut_length_);
            sum = std::fma(coefficients_[b], static_cast<float>(dot), sum);
          }
        }
        out[r * columns_ + c] = sum;
      }
    }
  } else {
    multiply(rows.data(), count, weights_.data_ptr<Operand>() + group * columns_ * length_,
             columns_, length_, out);
  }
}

template <typename Operand, typename Acc>
void ReferenceProduct::run_as(const std::vector<Data>& values, const Finisher& finish,
                              Data& out) const {
  const Data& x = values[static_cast<size_t>(input_)];
  const int64_t channels = in_.channels / groups_, all = out_.channels;
  const auto scale = static_cast<float>(input_scale_);
  const auto element = [&](int64_t i) {
    const auto index = static_cast<size_t>(i);
    if constexpr (std::is_same_v<Operand, float>)
      return x.on_grid ? static_cast<float>(x.n[index]) * scale : x.x[index];
    else
      return static_cast<Operand>(x.n[index]);
  };
  at::parallel_for(0, x.rows, 1, [&](int64_t first, int64_t last) {
    std::vector<Operand> padded(static_cast<size_t>(padded_h_ * padded_w_ * channels));
    std::vector<Operand> rows(static_cast<size_t>(out_.width * length_));
    std::vector<Acc> part(static_cast<size_t>(out_.width * columns_));
    std::vector<Acc> acc(static_cast<size_t>(out_.pixels() * all));
    for (int64_t n = first; n < last; ++n) {
      for (int64_t g = 0; g < groups_; ++g) {
        for (int64_t y = 0; y < in_.height; ++y)
          for (int64_t i = 0; i < in_.width; ++i)
            for (int64_t c = 0; c < channels; ++c)
              padded[static_cast<size_t>(((y + top_) * padded_w_ + i + left_) * channels + c)] =
                  element(((n * in_.height + y) * in_.width + i) * in_.channels + g * channels + c);
        for (int64_t y = 0; y < out_.height; ++y) {
          for (int64_t i = 0; i < out_.width; ++i)
            for (int64_t k = 0; k < kernel_h_; ++k)
              std::copy_n(&padded[static_cast<size_t>(
                              ((y * stride_h_ + k) * padded_w_ + i * stride_w_) * channels)],
                          kernel_w_ * channels,
                          &rows[static_cast<size_t>(i * length_ + k * kernel_w_ * channels)]);
          sums(rows, g, out_.width, part.data());
          for (int64_t i = 0; i < out_.width; ++i)
            std::copy_n(&part[static_cast<size_t>(i * columns_)], outputs_,
                        &acc[static_cast<size_t>((y * out_.width + i) * all + g * outputs_)]);
        }
      }
      finish.apply(acc.data(), n, 0, out_.elements(), values, out);
    }
  });
}

Data ReferenceProduct::run(const std::vector<Data>& values, const Finisher& finish) const {
  Data out = finish.prepare(values[static_cast<size_t>(input_)].rows);
  switch (kind_) {
    case Kind::Narrow:
      run_as<int16_t, int32_t>(values, finish, out);
      break;
    case Kind::Wide:
      run_as<int32_t, int64_t>(values, finish, out);
      break;
    case Kind::Planes:
      run_as<int32_t, float>(values, finish, out);
      break;
    case Kind::Float:
      run_as<float, float>(values, finish, out);
      break;
  }
  return out;
}

}  // namespace quantbench
