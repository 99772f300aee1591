#include "runtime/integer_layer.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>

#include "runtime/integer_kernel.h"

namespace quantbench {
namespace {

constexpr int64_t kRowsAtOnce = 32;

int64_t rounded_up(int64_t value, int64_t block) { return (value + block - 1) / block * block; }

// [out, in/groups, kh, kw] -> [groups, out/groups, kh * kw * in/groups], channels last.
Tensor weight_rows(const Tensor& integers, int64_t groups) {
  const Tensor last = integers.dim() == 4 ? integers.permute({0, 2, 3, 1}) : integers;
  return last.reshape({groups, integers.size(0) / groups, -1});
}

template <typename Operand>
void convert(const float* from, int64_t count, Operand* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<Operand>(from[i]);
}

}  // namespace

IntegerLayer::IntegerLayer(const Operation& operation, const IntegerWeight& weight,
                           const Tensor& bias, float input_scale, int64_t largest_input)
    : operation_(operation) {
  constexpr int64_t kShort = std::numeric_limits<int16_t>::max();
  constexpr int64_t kInt = std::numeric_limits<int32_t>::max();
  narrow_ = largest_input <= kShort && weight.largest <= kShort &&
            (largest_input == 0 || weight.largest_row_sum <= kInt / largest_input);

  if (auto* conv = std::get_if<op::Conv2d>(&operation_)) groups_ = conv->groups;
  const Tensor rows = weight_rows(weight.integers, groups_);
  outputs_ = rows.size(1);
  length_ = rounded_up(rows.size(2), kOperandBlock);
  columns_ = rounded_up(outputs_, kWeightBlock);
  weights_ = torch::constant_pad_nd(rows, {0, length_ - rows.size(2), 0, columns_ - outputs_})
                 .to(narrow_ ? torch::kShort : torch::kInt)
                 .contiguous();

  const int64_t out = weight.integers.size(0);
  for (int64_t c = 0; c < out; ++c) {
    scale_.push_back(static_cast<double>(input_scale) * weight.scale[c].item<float>());
    bias_.push_back(bias.defined() ? bias[c].item<float>() : 0.0);
  }
}

Tensor IntegerLayer::forward(const Tensor& x) const {
  if (std::holds_alternative<op::Conv2d>(operation_))
    return narrow_ ? convolve<int16_t, int32_t>(x) : convolve<int32_t, int64_t>(x);
  return narrow_ ? multiply_rows<int16_t, int32_t>(x) : multiply_rows<int32_t, int64_t>(x);
}

template <typename Operand, typename Sum>
Tensor IntegerLayer::convolve(const Tensor& x) const {
  const auto& conv = std::get<op::Conv2d>(operation_);
  const auto [top, left, bottom, right] = conv.padding;
  const auto [kernel_h, kernel_w] = conv.kernel;
  const auto [stride_h, stride_w] = conv.stride;
  const int64_t images = x.size(0), channels = x.size(1) / groups_;
  const int64_t height = x.size(2), width = x.size(3);
  const int64_t padded_h = height + top + bottom, padded_w = width + left + right;
  const int64_t out_h = (padded_h - kernel_h) / stride_h + 1;
  const int64_t out_w = (padded_w - kernel_w) / stride_w + 1;
  const int64_t out = groups_ * outputs_;

  const Tensor input = x.contiguous(torch::MemoryFormat::ChannelsLast);
  Tensor output = torch::empty({images, out, out_h, out_w},
                               x.options().memory_format(torch::MemoryFormat::ChannelsLast));
  const float* from = input.data_ptr<float>();
  float* to = output.data_ptr<float>();
  const Operand* weights = weights_.data_ptr<Operand>();
  at::parallel_for(0, images, 1, [&](int64_t first, int64_t last) {
    std::vector<Operand> padded(static_cast<size_t>(padded_h * padded_w * channels));
    std::vector<Operand> rows(static_cast<size_t>(out_w * length_));
    std::vector<Sum> sums(static_cast<size_t>(out_w * columns_));
    for (int64_t n = first; n < last; ++n)
      for (int64_t g = 0; g < groups_; ++g) {
        for (int64_t y = 0; y < height; ++y)
          for (int64_t i = 0; i < width; ++i)
            convert(from + ((n * height + y) * width + i) * channels * groups_ + g * channels,
                    channels, &padded[((y + top) * padded_w + i + left) * channels]);
        for (int64_t y = 0; y < out_h; ++y) {
          for (int64_t i = 0; i < out_w; ++i)
            for (int64_t k = 0; k < kernel_h; ++k)
              std::copy_n(&padded[((y * stride_h + k) * padded_w + i * stride_w) * channels],
                          kernel_w * channels, &rows[i * length_ + k * kernel_w * channels]);
          multiply(rows.data(), out_w, weights + g * columns_ * length_, columns_, length_,
                   sums.data());
          float* row = to + (n * out_h + y) * out_w * out + g * outputs_;
          for (int64_t i = 0; i < out_w; ++i)
            for (int64_t c = 0; c < outputs_; ++c)
              row[i * out + c] = static_cast<float>(static_cast<double>(sums[i * columns_ + c]) *
                                                        scale_[g * outputs_ + c] +
                                                    bias_[g * outputs_ + c]);
        }
      }
  });
  return output;
}

template <typename Operand, typename Sum>
Tensor IntegerLayer::multiply_rows(const Tensor& x) const {
  const Tensor input = x.contiguous();
  const int64_t count = input.size(0), in = input.size(1);
  Tensor output = torch::empty({count, outputs_}, x.options());
  const float* from = input.data_ptr<float>();
  float* to = output.data_ptr<float>();
  at::parallel_for(0, count, kRowsAtOnce, [&](int64_t first, int64_t last) {
    std::vector<Operand> row(static_cast<size_t>(length_));
    std::vector<Sum> sums(static_cast<size_t>(columns_));
    for (int64_t r = first; r < last; ++r) {
      convert(from + r * in, in, row.data());
      multiply(row.data(), 1, weights_.data_ptr<Operand>(), columns_, length_, sums.data());
      for (int64_t c = 0; c < outputs_; ++c)
        to[r * outputs_ + c] =
            static_cast<float>(static_cast<double>(sums[c]) * scale_[c] + bias_[c]);
    }
  });
  return output;
}

}  // namespace quantbench
