// Weights that are sums of scaled sign vectors (multi-bit encodings).
#include <algorithm>
#include <array>
#include <map>

#include "runtime/engine/kernel_step.h"

namespace quantbench::engine {
namespace {

// Where element i of an output's weights lies, in the order in which its cuts follow each other:
// tap by tap for Pixel, else channel by channel.
struct Element {
  int64_t channel, row, column;
};

class PlaneStep : public KernelStep {
 public:
  PlaneStep(const KernelTable& kernels, const MultiBitEncoding& encoding, const Geometry& geometry,
            const Operand& x, EpilogueData epilogue, const Operand& y)
      : KernelStep(kernels, x, std::move(epilogue), y),
        g_(geometry),
        unit_(4 / bytes_of(x.layout.cell)) {
    kernel = std::string("sign planes") + suffix(x.layout.cell);
    channels_ = encoding.shape[1];
    taps_first_ = encoding.grouping == Grouping::Pixel && encoding.shape.size() == 4;
    lay_out_dots(encoding);
    pack(encoding);
    const int64_t pixel = x.layout.pixel_bytes();
    call_.window = {g_.kernel_h, g_.kernel_w, g_.stride_h, g_.top, x.layout.height};
    call_.pixels = g_.out_w;
    call_.total_pixels = g_.out_w * g_.out_h;
    call_.start_x = -g_.left * pixel;
    call_.step = g_.stride_w * pixel;
    call_.input_row = x.layout.per == Per::Image ? x.layout.row_bytes() : 0;
    call_.bases = bases_.data();
    call_.first_dot = first_dot_.data();
    call_.offsets = offsets_.data();
    call_.weights = weights_.data();
    call_.coefficients = coefficients_.data();
    weight_bytes = weights_.size();
  }

 protected:
  void compute(const Frame& frame, const Epilogue& epilogue, const Output& output,
               const Part& part) const override {
    PlaneProduct call = call_;
    if (y_.layout.per != Per::Image) {
      call.pixels = kRowsTogether;
      call.total_pixels = frame.count(y_.layout.per);
      call.window.height = y_.layout.of(call.total_pixels).height;
    }
    kernels_.multiply_planes(call, input(frame), epilogue, output, part);
  }

 private:
  Element element(int64_t i) const {
    const int64_t taps = g_.kernel_h * g_.kernel_w;
    const int64_t channel = taps_first_ ? i % channels_ : i / taps;
    const int64_t tap = taps_first_ ? i / channels_ : i % taps;
    return {channel, tap / g_.kernel_w, tap % g_.kernel_w};
  }

  // The dot products that each cut needs, kernel row by kernel row.
  void lay_out_dots(const MultiBitEncoding& e) {
    const int64_t length = e.signs.size(1);
    const int64_t all = channels_ * g_.kernel_h * g_.kernel_w;
    call_.cuts = all / length;
    dots_.resize(static_cast<size_t>(call_.cuts));
    for (int64_t cut = 0; cut < call_.cuts; ++cut) {
      auto& dots = dots_[static_cast<size_t>(cut)];
      for (int64_t i = cut * length; i < (cut + 1) * length; ++i) {
        const Element at = element(i);
        dots[{at.row, at.column, at.channel / unit_}] = 0;
      }
      const auto first = static_cast<int32_t>(offsets_.size());
      std::vector<int32_t> of_rows(static_cast<size_t>(g_.kernel_h) + 1, 0);
      int32_t next = 0;
      for (auto& [key, index] : dots) {
        index = next++;
        offsets_.push_back(static_cast<int32_t>(key[0] * x_.layout.row_bytes() +
                                                key[1] * x_.layout.pixel_bytes() + 4 * key[2]));
        ++of_rows[static_cast<size_t>(key[0]) + 1];
      }
      int32_t sum = first;
      for (int32_t count : of_rows) first_dot_.push_back(sum += count);
    }
  }

  void pack(const MultiBitEncoding& e) {
    const int64_t outputs = e.shape[0], lanes = kernels_.lanes, length = e.signs.size(1);
    const int64_t blocks = rounded_up(outputs, lanes) / lanes;
    const Tensor counts = e.counts.to(torch::kLong).contiguous();
    const Tensor signs = e.signs.to(torch::kInt).contiguous();
    const Tensor coefficients = e.coefficients.to(torch::kFloat).contiguous();
    const int64_t* count = counts.data_ptr<int64_t>();
    std::vector<int64_t> first_base(static_cast<size_t>(outputs * call_.cuts) + 1, 0);
    for (size_t i = 0; i + 1 < first_base.size(); ++i) first_base[i + 1] = first_base[i] + count[i];
    for (int64_t cut = 0; cut < call_.cuts; ++cut) {
      int64_t most = 0;
      for (int64_t o = 0; o < outputs; ++o) most = std::max(most, count[o * call_.cuts + cut]);
      bases_.push_back(static_cast<int32_t>(most));
      call_.bases_of_block += most;
      call_.vectors_of_block += most * static_cast<int64_t>(dots_[static_cast<size_t>(cut)].size());
    }
    coefficients_.assign(static_cast<size_t>(blocks * call_.bases_of_block * lanes), 0.0f);
    const int64_t vector = 4 * lanes, cell = 4 / unit_;
    weights_.assign(static_cast<size_t>(blocks * call_.vectors_of_block * vector), 0);
    for (int64_t o = 0; o < outputs; ++o) {
      const int64_t block = o / lanes, lane = o % lanes;
      int64_t base_at = block * call_.bases_of_block, vector_at = block * call_.vectors_of_block;
      for (int64_t cut = 0; cut < call_.cuts; ++cut) {
        const auto& dots = dots_[static_cast<size_t>(cut)];
        const int64_t group = o * call_.cuts + cut;
        for (int64_t k = 0; k < bases_[static_cast<size_t>(cut)];
             ++k, ++base_at, vector_at += static_cast<int64_t>(dots.size())) {
          if (k >= count[group]) continue;
          const int64_t base = first_base[static_cast<size_t>(group)] + k;
          coefficients_[static_cast<size_t>(base_at * lanes + lane)] =
              coefficients.data_ptr<float>()[base];
          for (int64_t i = 0; i < length; ++i) {
            const Element at = element(cut * length + i);
            const int64_t dot = dots.at({at.row, at.column, at.channel / unit_});
            char* to =
                weights_.data() + (vector_at + dot) * vector + 4 * lane + at.channel % unit_ * cell;
            const int sign = signs.data_ptr<int32_t>()[base * length + i] != 0 ? 1 : -1;
            if (unit_ == 4)
              *to = static_cast<char>(sign);
            else
              *reinterpret_cast<int16_t*>(to) = static_cast<int16_t>(sign);
          }
        }
      }
    }
  }

  const Geometry g_;
  const int64_t unit_;  // cells of a dot product
  int64_t channels_ = 0;
  bool taps_first_ = false;
  std::vector<std::map<std::array<int64_t, 3>, int32_t>> dots_;  // of each cut: row, column, unit
  std::vector<int32_t> bases_, first_dot_, offsets_;
  std::vector<char> weights_;
  std::vector<float> coefficients_;
  PlaneProduct call_;
};

}  // namespace

std::unique_ptr<ProgramStep> plane_step(const KernelTable& kernels,
                                        const MultiBitEncoding& encoding, const Geometry& geometry,
                                        const Operand& x, EpilogueData epilogue, const Operand& y) {
  return std::make_unique<PlaneStep>(kernels, encoding, geometry, x, std::move(epilogue), y);
}

}  // namespace quantbench::engine
