#include "runtime/engine/pack.h"

#include <algorithm>
#include <map>

namespace quantbench::engine {
namespace {

template <typename From, typename To>
void pack_as(const Tensor& weights, const Layout& x, int lanes, int64_t unit, PackedWeights& out) {
  const auto w = weights.accessor<From, 4>();
  const int64_t outputs = w.size(0), channels = w.size(1);
  const int64_t kernel_h = w.size(2), kernel_w = w.size(3);
  out.bytes.assign(static_cast<size_t>(out.blocks * kernel_h * out.run * lanes * unit) * sizeof(To),
                   0);
  To* to = reinterpret_cast<To*>(out.bytes.data());
  for (int64_t block = 0; block < out.blocks; ++block)
    for (int64_t y = 0; y < kernel_h; ++y)
      for (int64_t r = 0; r < out.run; ++r)
        for (int64_t lane = 0; lane < lanes; ++lane)
          for (int64_t j = 0; j < unit; ++j, ++to) {
            const int64_t o = block * lanes + lane, cell = r * unit + j;
            const int64_t column = cell / x.padded, channel = cell % x.padded;
            if (o < outputs && column < kernel_w && channel < channels)
              *to = static_cast<To>(w[o][channel][y][column]);
          }
}

// Bytes are stored shifted: what the shift adds to a sum is taken off its start, for the kernel
// rows that an output row sees.
void add_starts(const Tensor& weights, const Geometry& g, const Layout& x, int lanes,
                PackedWeights& out) {
  const int64_t padded = out.blocks * lanes;
  const Tensor of_rows = weights.to(torch::kLong).sum({1, 3});  // [out, kernel_h]
  const auto sums = of_rows.accessor<int64_t, 2>();
  std::map<std::pair<int64_t, int64_t>, int32_t> classes;
  for (int64_t row = 0; row < g.out_h; ++row) {
    const int64_t y = row * g.stride_h - g.top;
    const int64_t first = std::max<int64_t>(-y, 0);
    const int64_t end = std::max(std::min(g.kernel_h, x.height - y), first);
    const auto found = classes.find({first, end});
    if (found != classes.end()) {
      out.start_of_row.push_back(found->second);
      continue;
    }
    const auto offset = static_cast<int32_t>(out.start.size());
    classes[{first, end}] = offset;
    out.start_of_row.push_back(offset);
    out.start.resize(out.start.size() + static_cast<size_t>(padded), 0);
    for (int64_t o = 0; o < sums.size(0); ++o) {
      int64_t sum = 0;
      for (int64_t k = first; k < end; ++k) sum += sums[o][k];
      out.start[static_cast<size_t>(offset + o)] = static_cast<int32_t>(-x.shift * sum);
    }
  }
}

}  // namespace

PackedWeights pack_weights(const Tensor& weights, const Geometry& geometry, const Layout& x,
                           int lanes) {
  PackedWeights out;
  const int64_t unit = 4 / bytes_of(x.cell);
  out.blocks = rounded_up(weights.size(0), lanes) / lanes;
  out.run = rounded_up(geometry.kernel_w * x.padded, unit) / unit;
  for (int64_t y = 0; y < geometry.kernel_h; ++y)
    for (int64_t r = 0; r < out.run; ++r)
      out.offsets.push_back(static_cast<int32_t>(y * x.row_bytes() + 4 * r));
  const Tensor w = weights.contiguous();
  if (x.cell == Cell::F32)
    pack_as<float, float>(w, x, lanes, unit, out);
  else if (x.cell == Cell::U8)
    pack_as<int32_t, int8_t>(w, x, lanes, unit, out);
  else
    pack_as<int32_t, int16_t>(w, x, lanes, unit, out);
  if (x.shift != 0)
    add_starts(w, geometry, x, lanes, out);
  else
    out.start.assign(static_cast<size_t>(out.blocks * lanes), 0);
  return out;
}

std::optional<CenteredWeights> centered(const Tensor& weights) {
  CenteredWeights out{weights, {}};
  if (weights.numel() == 0) return out;
  const Tensor rows = weights.flatten(1);
  const Tensor low = rows.amin(1), high = rows.amax(1);
  if (low.min().item<int64_t>() >= INT8_MIN && high.max().item<int64_t>() <= INT8_MAX) return out;
  if ((high - low).max().item<int64_t>() > INT8_MAX - INT8_MIN) return std::nullopt;
  // The least shift that does it.
  const Tensor center = torch::where(low < INT8_MIN, low - INT8_MIN,
                                     torch::where(high > INT8_MAX, high - INT8_MAX, low * 0))
                            .to(torch::kInt)
                            .contiguous();
  out.weights = (rows - center.unsqueeze(1)).to(torch::kInt).view(weights.sizes()).contiguous();
  out.center.assign(center.data_ptr<int32_t>(), center.data_ptr<int32_t>() + center.numel());
  return out;
}

Tensor without_groups(const Tensor& weights, int64_t groups) {
  const int64_t outputs = weights.size(0) / groups, inputs = weights.size(1);
  Tensor dense = torch::zeros({weights.size(0), inputs * groups, weights.size(2), weights.size(3)},
                              weights.options());
  for (int64_t g = 0; g < groups; ++g)
    dense.narrow(0, g * outputs, outputs)
        .narrow(1, g * inputs, inputs)
        .copy_(weights.narrow(0, g * outputs, outputs));
  return dense;
}

}  // namespace quantbench::engine
