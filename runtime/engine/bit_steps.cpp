#include "runtime/engine/bit_steps.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <mutex>

#include "runtime/engine/kernel_step.h"

namespace quantbench::engine {
namespace {

constexpr int64_t kWord = 32;

struct PackedBits {
  int64_t run = 0, blocks = 0;
  std::vector<int32_t> offsets, start, start_of_row;
  std::vector<uint32_t> weights;
};

// What the counts are taken from: sum over planes of 2^j count(w), less what the shift of the
// stored bytes adds, for the kernel rows that an output row sees.
void add_starts(const Tensor& weights, const Geometry& g, const Layout& x, int planes, int lanes,
                PackedBits& out) {
  const Tensor sums = weights.to(torch::kLong).sum({1, 3});  // [out, kernel_h]
  const Tensor ones = (weights > 0).to(torch::kLong).sum({1, 3});
  const auto sum = sums.accessor<int64_t, 2>(), one = ones.accessor<int64_t, 2>();
  const int64_t all_planes = (int64_t{1} << planes) - 1;
  std::map<std::pair<int64_t, int64_t>, int32_t> classes;
  for (int64_t row = 0; row < g.out_h; ++row) {
    const int64_t y = row * g.stride_h - g.top;
    const int64_t first = std::max<int64_t>(-y, 0);
    const int64_t end = std::max(std::min(g.kernel_h, x.height - y), first);
    const auto [known, added] =
        classes.insert({{first, end}, static_cast<int32_t>(out.start.size())});
    out.start_of_row.push_back(known->second);
    if (!added) continue;
    out.start.resize(out.start.size() + static_cast<size_t>(out.blocks * lanes), 0);
    for (int64_t o = 0; o < sums.size(0); ++o) {
      int64_t start = 0;
      for (int64_t k = first; k < end; ++k) start += all_planes * one[o][k] - x.shift * sum[o][k];
      out.start[static_cast<size_t>(known->second + o)] = static_cast<int32_t>(start);
    }
  }
}

PackedBits pack_bits(const Tensor& weights, const Geometry& g, const Layout& x, int planes,
                     const Layout& slices, int lanes) {
  PackedBits out;
  const Tensor contiguous = weights.contiguous();
  const auto w = contiguous.accessor<int32_t, 4>();
  const int64_t outputs = w.size(0), channels = w.size(1);
  const int64_t words = (channels + kWord - 1) / kWord;
  out.run = g.kernel_w * words;
  out.blocks = rounded_up(outputs, lanes) / lanes;
  for (int64_t j = 0; j < planes; ++j)
    for (int64_t y = 0; y < g.kernel_h; ++y)
      for (int64_t column = 0; column < g.kernel_w; ++column)
        for (int64_t k = 0; k < words; ++k)
          out.offsets.push_back(static_cast<int32_t>(
              y * slices.row_bytes() + column * slices.pixel_bytes() + 4 * (j * words + k)));
  out.weights.assign(static_cast<size_t>(out.blocks * g.kernel_h * out.run * lanes), 0);
  auto to = out.weights.begin();
  for (int64_t block = 0; block < out.blocks; ++block)
    for (int64_t y = 0; y < g.kernel_h; ++y)
      for (int64_t column = 0; column < g.kernel_w; ++column)
        for (int64_t k = 0; k < words; ++k)
          for (int64_t lane = 0; lane < lanes; ++lane, ++to) {
            const int64_t o = block * lanes + lane;
            for (int64_t c = k * kWord; o < outputs && c < std::min(channels, (k + 1) * kWord); ++c)
              *to |= static_cast<uint32_t>(w[o][c][y][column] > 0) << (c % kWord);
          }
  add_starts(contiguous, g, x, planes, lanes, out);
  return out;
}

class SliceStep : public ProgramStep {
 public:
  SliceStep(const BitKernels& bits, Operand x, int planes, Operand y)
      : bits_(bits), x_(std::move(x)), y_(std::move(y)), planes_(planes) {
    value = y_.value;
    kernel = std::to_string(planes) + " planes of u8";
  }

  void run(const Frame& frame, int worker, int workers) const override {
    const Layout x = x_.layout.of(frame.count(x_.layout.per));
    const Layout y = y_.layout.of(frame.count(y_.layout.per));
    const int64_t first = share(x.height, worker, workers),
                  end = share(x.height, worker + 1, workers);
    const auto* from =
        reinterpret_cast<const uint8_t*>(frame.values[static_cast<size_t>(x_.value)]);
    auto* to = reinterpret_cast<uint32_t*>(frame.values[static_cast<size_t>(y_.value)] +
                                           first * y.row_bytes());
    bits_.slice(from + first * x.row_bytes(), (end - first) * (x.left + x.width + x.right),
                x.padded, x.channels, planes_, to);
  }

 private:
  const BitKernels& bits_;
  const Operand x_, y_;
  const int planes_;
};

class BitStep : public KernelStep {
 public:
  BitStep(const KernelTable& kernels, const BitKernels& bits, const Tensor& weights,
          const Geometry& geometry, const Operand& x, int planes, const Operand& slices,
          EpilogueData epilogue, const Operand& y)
      : KernelStep(kernels, slices, std::move(epilogue), y),
        bits_(bits),
        packed_(pack_bits(weights, geometry, x.layout, planes, slices.layout, kernels.lanes)) {
    kernel = "bits 1x" + std::to_string(planes);
    weight_bytes = packed_.weights.size() * sizeof(uint32_t);
    const int64_t pixel = slices.layout.pixel_bytes();
    call_.window = {geometry.kernel_h, geometry.kernel_w, geometry.stride_h, geometry.top,
                    x.layout.height};
    call_.pixels = geometry.out_w;
    call_.total_pixels = geometry.out_w * geometry.out_h;
    call_.start_x = -geometry.left * pixel;
    call_.step = geometry.stride_w * pixel;
    call_.run = packed_.run;
    call_.planes = planes;
    call_.offsets = packed_.offsets.data();
    call_.weights = packed_.weights.data();
    call_.start = packed_.start.data();
    call_.start_of_row = packed_.start_of_row.data();
  }

 protected:
  void compute(const Frame& frame, const Epilogue& epilogue, const Output& output,
               const Part& part) const override {
    BitConvolution call = call_;
    if (y_.layout.per != Per::Image) {
      call.pixels = kRowsTogether;
      call.total_pixels = frame.count(y_.layout.per);
      call.window.height = y_.layout.of(call.total_pixels).height;
      call.start_of_row = nullptr;
    }
    bits_.convolve(call, input(frame), epilogue, output, part);
  }

 private:
  const BitKernels& bits_;
  const PackedBits packed_;
  BitConvolution call_;
};

double least_seconds(const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 8; ++i) {
    const auto begin = Clock::now();
    call();
    least = std::min(least, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return least;
}

// Two layers of 64 channels on a map of 8 x 8, as the last ones of ResNet-20 are.
BitCosts measure(const KernelTable& kernels, const BitKernels& bits) {
  constexpr int64_t kChannels = 64, kSize = 8, kKernel = 3;
  const double macs = kChannels * kChannels * kKernel * kKernel * kSize * kSize;
  const Geometry g{kKernel, kKernel, 1, 1, 1, 1, kSize, kSize};
  Layout x;
  x.cell = Cell::U8;
  x.channels = x.padded = kChannels;
  x.height = x.width = kSize;
  Layout y = x;
  x.left = x.right = 1;
  const Layout slices = sliced(x, 1);
  EpilogueData end;
  end.a.assign(kChannels, 0.01f);
  end.b.assign(kChannels, 0.0f);
  end.quantized = end.bounded = true;
  end.high = 255;
  const Tensor weights = torch::ones({kChannels, kChannels, kKernel, kKernel}, torch::kInt);
  const Operand in{0, x}, planes{1, slices}, out{2, y};
  const auto bytes_step = convolution_step(kernels, weights, g, in, end, out);
  const auto cut = slice_step(bits, in, 1, planes);
  const auto bits_step = bit_step(kernels, bits, weights, g, in, 1, planes, end, out);
  std::vector<char> a(static_cast<size_t>(x.bytes()), 1), b(static_cast<size_t>(slices.bytes())),
      c(static_cast<size_t>(y.bytes()));
  Frame frame;
  frame.values = {a.data(), b.data(), c.data()};
  BitCosts costs;
  costs.byte_mac = least_seconds([&] { bytes_step->run(frame, 0, 1); }) / macs;
  costs.slice = least_seconds([&] { cut->run(frame, 0, 1); }) / static_cast<double>(x.bytes());
  costs.bit_mac = least_seconds([&] { bits_step->run(frame, 0, 1); }) / macs;
  return costs;
}

}  // namespace

int planes_of(const Layout& x, int64_t high) {
  int planes = 1;
  while ((high + x.shift) >> planes > 0) ++planes;
  return planes;
}

Layout sliced(const Layout& x, int planes) {
  Layout out = x;
  out.cell = Cell::I32;
  out.shift = 0;
  out.channels = out.padded = planes * ((x.channels + kWord - 1) / kWord);
  return out;
}

std::unique_ptr<ProgramStep> slice_step(const BitKernels& bits, const Operand& x, int planes,
                                        const Operand& y) {
  return std::make_unique<SliceStep>(bits, x, planes, y);
}

std::unique_ptr<ProgramStep> bit_step(const KernelTable& kernels, const BitKernels& bits,
                                      const Tensor& weights, const Geometry& geometry,
                                      const Operand& x, int planes, const Operand& slices,
                                      EpilogueData epilogue, const Operand& y) {
  return std::make_unique<BitStep>(kernels, bits, weights, geometry, x, planes, slices,
                                   std::move(epilogue), y);
}

BitCosts measured_costs(const KernelTable& kernels, const BitKernels& bits) {
  static std::mutex mutex;
  static std::map<const KernelTable*, BitCosts> known;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = known.find(&kernels);
  if (found != known.end()) return found->second;
  return known[&kernels] = measure(kernels, bits);
}

}  // namespace quantbench::engine
