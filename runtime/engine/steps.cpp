#include <cstring>

#include "runtime/engine/kernel_step.h"

namespace quantbench::engine {
namespace {

Window window_of(const Geometry& g, const Layout& x) {
  return {g.kernel_h, g.kernel_w, g.stride_h, g.top, x.height};
}

class ConvolutionStep : public KernelStep {
 public:
  ConvolutionStep(const KernelTable& kernels, const Tensor& weights, const Geometry& geometry,
                  const Operand& x, EpilogueData epilogue, const Operand& y, int sums = -1,
                  std::vector<int32_t> center = {})
      : KernelStep(kernels, x, std::move(epilogue), y),
        sums_(sums),
        center_(std::move(center)),
        packed_(pack_weights(weights, geometry, x.layout, kernels.lanes)) {
    if (sums >= 0) center_.resize(static_cast<size_t>(y.layout.padded), 0);
    kernel = std::string(geometry.kernel_h * geometry.kernel_w > 1 ? "convolution" : "product") +
             suffix(x.layout.cell);
    const int64_t pixel = x.layout.pixel_bytes();
    weight_bytes = packed_.bytes.size();
    call_.window = window_of(geometry, x.layout);
    call_.pixels = geometry.out_w;
    call_.total_pixels = geometry.out_w * geometry.out_h;
    call_.start_x = -geometry.left * pixel;
    call_.step = geometry.stride_w * pixel;
    call_.run = packed_.run;
    call_.offsets = packed_.offsets.data();
    call_.weights = packed_.bytes.data();
    call_.start = packed_.start.data();
    call_.start_of_row = packed_.start_of_row.empty() ? nullptr : packed_.start_of_row.data();
  }

 protected:
  void compute(const Frame& frame, const Epilogue& epilogue, const Output& output,
               const Part& part) const override {
    if (y_.layout.per == Per::Image)
      return kernels_.convolve(call_, input(frame), epilogue, output, part);
    const int64_t rows = frame.count(y_.layout.per);
    Convolution call = call_;
    call.pixels = kRowsTogether;
    call.total_pixels = rows;
    call.window.height = y_.layout.of(rows).height;
    call.start_of_row = nullptr;
    if (sums_ >= 0) {
      call.center = center_.data();
      call.sums = reinterpret_cast<const int32_t*>(frame.values[static_cast<size_t>(sums_)]);
    }
    kernels_.convolve(call, input(frame), epilogue, output, part);
  }

 private:
  const int sums_;  // the value of the rows' sums; -1: none
  std::vector<int32_t> center_;
  PackedWeights packed_;
  Convolution call_;
};

class DepthwiseStep : public KernelStep {
 public:
  DepthwiseStep(const KernelTable& kernels, const Tensor& weights, const Geometry& geometry,
                const Operand& x, EpilogueData epilogue, const Operand& y)
      : KernelStep(kernels, x, std::move(epilogue), y) {
    kernel = std::string("depthwise") + suffix(x.layout.cell);
    const auto w = weights.accessor<int32_t, 4>();
    weights_.assign(static_cast<size_t>(w.size(2) * w.size(3) * y.layout.padded), 0);
    for (int64_t i = 0; i < w.size(2); ++i)
      for (int64_t j = 0; j < w.size(3); ++j)
        for (int64_t c = 0; c < w.size(0); ++c)
          weights_[static_cast<size_t>((i * w.size(3) + j) * y.layout.padded + c)] =
              static_cast<int16_t>(w[c][0][i][j]);
    weight_bytes = weights_.size() * sizeof(int16_t);
    const int64_t pixel = x.layout.pixel_bytes();
    call_.window = window_of(geometry, x.layout);
    call_.pixels = geometry.out_w;
    call_.start_x = -geometry.left * pixel;
    call_.step = geometry.stride_w * pixel;
    call_.tap = pixel;
    call_.channels = y.layout.padded;
    call_.weights = weights_.data();
  }

 protected:
  void compute(const Frame& frame, const Epilogue& epilogue, const Output& output,
               const Part& part) const override {
    kernels_.depthwise(call_, input(frame), epilogue, output, part);
  }

 private:
  std::vector<int16_t> weights_;
  Depthwise call_;
};

class PoolStep : public KernelStep {
 public:
  PoolStep(const KernelTable& kernels, bool max, const Geometry& geometry, const Operand& x,
           EpilogueData epilogue, const Operand& y)
      : KernelStep(kernels, x, std::move(epilogue), y) {
    kernel = std::string(max ? "maxima" : "sums") + suffix(x.layout.cell);
    call_.window = window_of(geometry, x.layout);
    call_.pixels = geometry.out_w;
    call_.width = x.layout.width;
    call_.left = geometry.left;
    call_.stride_x = geometry.stride_w;
    call_.max = max;
  }

 protected:
  void compute(const Frame& frame, const Epilogue& epilogue, const Output& output,
               const Part& part) const override {
    kernels_.pool(call_, input(frame), epilogue, output, part);
  }

 private:
  Pool call_;
};

class MapStep : public KernelStep {
 public:
  MapStep(const KernelTable& kernels, const Operand& x, EpilogueData epilogue, const Operand& y)
      : KernelStep(kernels, x, std::move(epilogue), y) {
    kernel = std::string("affine") + suffix(x.layout.cell);
  }

 protected:
  void compute(const Frame& frame, const Epilogue& epilogue, const Output& output,
               const Part& part) const override {
    const Layout y = y_.layout.of(frame.count(y_.layout.per));
    kernels_.map(y.width, input(frame), epilogue, output, part);
  }
};

class InputStep : public KernelStep {
 public:
  InputStep(const KernelTable& kernels, EpilogueData epilogue, const Operand& y)
      : KernelStep(kernels, y, std::move(epilogue), y) {
    kernel = std::string("input to") + suffix(y.layout.cell);
  }

  void run(const Frame& frame, int worker, int workers) const override {
    const Layout& y = y_.layout;
    if (y.height < workers && worker > 0) return;
    const Part part =
        y.height < workers ? Part{0, y.height, 0, 0} : part_of(y.height, 0, worker, workers);
    char* memory = frame.values[static_cast<size_t>(y_.value)];
    // Cells beyond the channels are multiplied by zeros, and a float there could be no number.
    if (y.padded != y.channels)
      std::memset(memory + part.row_begin * y.row_bytes(), 0,
                  static_cast<size_t>((part.row_end - part.row_begin) * y.row_bytes()));
    kernels_.interleave(frame.input, y.height * y.width, y.width, y.channels, epilogue_.on(frame),
                        y.output(memory), part);
    fill_borders(y, memory, part);
  }

 protected:
  void compute(const Frame&, const Epilogue&, const Output&, const Part&) const override {}
};

class CopyStep : public ProgramStep {
 public:
  CopyStep(Operand x, Operand y, int64_t stride, int64_t before, bool clear)
      : x_(std::move(x)), y_(std::move(y)), stride_(stride), before_(before), clear_(clear) {
    value = y_.value;
    kernel = std::string("copy") + suffix(y_.layout.cell);
  }

  void run(const Frame& frame, int worker, int workers) const override {
    const Layout &x = x_.layout, &y = y_.layout;
    const Part part{share(y.height, worker, workers), share(y.height, worker + 1, workers), 0, 1};
    char* memory = frame.values[static_cast<size_t>(y_.value)];
    const Input from = x.input(frame.values[static_cast<size_t>(x_.value)]);
    const Output to = y.output(memory);
    const int64_t cell = bytes_of(y.cell);
    for (int64_t row = part.row_begin; row < part.row_end; ++row) {
      if (clear_)
        std::memset(memory + row * y.row_bytes(), y.shift, static_cast<size_t>(y.row_bytes()));
      for (int64_t i = 0; i < y.width; ++i)
        std::memcpy(to.data + row * to.row + i * to.pixel + before_ * cell,
                    from.data + row * stride_ * from.row + i * stride_ * from.pixel,
                    static_cast<size_t>(x.channels * cell));
    }
  }

 private:
  const Operand x_, y_;
  const int64_t stride_, before_;
  const bool clear_;
};

}  // namespace

Epilogue EpilogueData::on(const Frame& frame, int64_t together) const {
  Epilogue out;
  if (raw) return out;
  out.a = a.data();
  out.b = b.data();
  out.quantized = quantized;
  out.low = low;
  out.high = high;
  out.bounded = bounded;
  for (const Term& term : terms) {
    const Input at = term.layout.of(frame.count(term.layout.per), together)
                         .input(frame.values[static_cast<size_t>(term.value)]);
    out.residuals[out.residual_count++] = {at.data, at.row,   at.pixel,
                                           at.cell, at.shift, term.a.data()};
  }
  return out;
}

std::unique_ptr<ProgramStep> convolution_step(const KernelTable& kernels, const Tensor& weights,
                                              const Geometry& geometry, const Operand& x,
                                              EpilogueData epilogue, const Operand& y) {
  return std::make_unique<ConvolutionStep>(kernels, weights, geometry, x, std::move(epilogue), y);
}

std::unique_ptr<ProgramStep> centered_step(const KernelTable& kernels,
                                           const CenteredWeights& weights, const Operand& x,
                                           const Operand& sums, EpilogueData epilogue,
                                           const Operand& y) {
  const Tensor w = weights.weights.view({weights.weights.size(0), -1, 1, 1});
  return std::make_unique<ConvolutionStep>(kernels, w, Geometry{}, x, std::move(epilogue), y,
                                           sums.value, weights.center);
}

std::unique_ptr<ProgramStep> depthwise_step(const KernelTable& kernels, const Tensor& weights,
                                            const Geometry& geometry, const Operand& x,
                                            EpilogueData epilogue, const Operand& y) {
  return std::make_unique<DepthwiseStep>(kernels, weights, geometry, x, std::move(epilogue), y);
}

std::unique_ptr<ProgramStep> pool_step(const KernelTable& kernels, bool max,
                                       const Geometry& geometry, const Operand& x,
                                       EpilogueData epilogue, const Operand& y) {
  return std::make_unique<PoolStep>(kernels, max, geometry, x, std::move(epilogue), y);
}

std::unique_ptr<ProgramStep> map_step(const KernelTable& kernels, const Operand& x,
                                      EpilogueData epilogue, const Operand& y) {
  return std::make_unique<MapStep>(kernels, x, std::move(epilogue), y);
}

std::unique_ptr<ProgramStep> input_step(const KernelTable& kernels, EpilogueData epilogue,
                                        const Operand& y) {
  return std::make_unique<InputStep>(kernels, std::move(epilogue), y);
}

std::unique_ptr<ProgramStep> copy_step(const Operand& x, const Operand& y, int64_t stride,
                                       int64_t before, bool clear) {
  return std::make_unique<CopyStep>(x, y, stride, before, clear);
}

}  // namespace quantbench::engine
