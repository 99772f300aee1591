// Layers whose time is the reading of their weights: at four bits a weight there is half to read.
#include <algorithm>
#include <chrono>
#include <limits>

#include "runtime/engine/kernel_step.h"

namespace quantbench::engine {
namespace {

constexpr int32_t kLeast = -8, kMost = 7;

struct PackedNibbles {
  std::vector<char> bytes;
  std::vector<int32_t> offsets, start;
  int64_t vectors = 0;  // of one block
};

// Weight `cell` of dot product k goes into bits 4 * (dots - 1 - k) of its cell.
template <typename Cell>
void merge(const PackedWeights& from, int64_t dots_of_block, int dots, int lanes,
           PackedNibbles& out) {
  using Bits = std::make_unsigned_t<Cell>;
  const auto cells = static_cast<int64_t>(4 * lanes / sizeof(Cell));
  const auto* w = reinterpret_cast<const Cell*>(from.bytes.data());
  auto* to = reinterpret_cast<Bits*>(out.bytes.data());
  for (int64_t block = 0; block < from.blocks; ++block)
    for (int64_t i = 0; i < dots_of_block; ++i) {
      const int place = 4 * (dots - 1 - static_cast<int>(i % dots));
      Bits* vector = to + (block * out.vectors + i / dots) * cells;
      for (int64_t c = 0; c < cells; ++c, ++w)
        vector[c] = static_cast<Bits>(vector[c] | (static_cast<Bits>(*w) & 0xf) << place);
    }
}

PackedNibbles pack_nibbles(const KernelTable& kernels, const Tensor& weights,
                           const Geometry& geometry, const Layout& x) {
  PackedWeights wide = pack_weights(weights, geometry, x, kernels.lanes);
  PackedNibbles out;
  const int64_t dots = geometry.kernel_h * wide.run;
  out.vectors = rounded_up(dots, kernels.nibble_dots) / kernels.nibble_dots;
  out.bytes.assign(static_cast<size_t>(wide.blocks * out.vectors * 4 * kernels.lanes), 0);
  if (x.cell == Cell::U8)
    merge<int8_t>(wide, dots, kernels.nibble_dots, kernels.lanes, out);
  else
    merge<int16_t>(wide, dots, kernels.nibble_dots, kernels.lanes, out);
  out.offsets = std::move(wide.offsets);
  // Beyond the last dot product weights are 0, whatever they meet.
  out.offsets.resize(static_cast<size_t>(out.vectors * kernels.nibble_dots), out.offsets.back());
  out.start = std::move(wide.start);
  return out;
}

class NibbleStep : public KernelStep {
 public:
  NibbleStep(const KernelTable& kernels, const Tensor& weights, const Geometry& geometry,
             const Operand& x, EpilogueData epilogue, const Operand& y)
      : KernelStep(kernels, x, std::move(epilogue), y),
        packed_(pack_nibbles(kernels, weights, geometry, x.layout)) {
    kernel = std::string("product") + suffix(x.layout.cell) + ", 4-bit weights";
    weight_bytes = packed_.bytes.size();
    call_ = {packed_.vectors, packed_.offsets.data(), packed_.bytes.data(), packed_.start.data()};
  }

 protected:
  void compute(const Frame& frame, const Epilogue& epilogue, const Output& output,
               const Part& part) const override {
    kernels_.multiply_nibbles(call_, input(frame), epilogue, output, part);
  }

 private:
  const PackedNibbles packed_;
  NibbleProduct call_;
};

}  // namespace

std::unique_ptr<ProgramStep> nibble_step(const KernelTable& kernels, const Tensor& weights,
                                         const Geometry& geometry, const Operand& x,
                                         EpilogueData epilogue, const Operand& y) {
  if (weights.numel() == 0 || weights.min().item<int32_t>() < kLeast ||
      weights.max().item<int32_t>() > kMost)
    return nullptr;
  const int64_t largest_cell = x.layout.cell == Cell::U8 ? UINT8_MAX : -int64_t{INT16_MIN};
  const int64_t largest_sum =
      weights.flatten(1).abs().to(torch::kLong).sum(1).max().item<int64_t>() * largest_cell;
  if (largest_sum > INT32_MAX >> kernels.nibble_shift) return nullptr;
  return std::make_unique<NibbleStep>(kernels, weights, geometry, x, std::move(epilogue), y);
}

double measured_seconds(const ProgramStep& step, const Operand& x, const Operand& y) {
  using Clock = std::chrono::steady_clock;
  std::vector<char> from(static_cast<size_t>(x.layout.bytes()), 1),
      to(static_cast<size_t>(y.layout.bytes()));
  Frame frame;
  frame.values.resize(static_cast<size_t>(std::max(x.value, y.value)) + 1);
  frame.values[static_cast<size_t>(x.value)] = from.data();
  frame.values[static_cast<size_t>(y.value)] = to.data();
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 6; ++i) {
    const auto begin = Clock::now();
    step.run(frame, 0, 1);
    least = std::min(least, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return least;
}

}  // namespace quantbench::engine
