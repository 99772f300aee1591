// Every kernel of every instruction set against loops that are too simple to be wrong.
#include "tests/runtime/engine/kernel_problems.h"
#include "tests/runtime/engine/tables.h"

namespace quantbench::engine {
namespace {

class Kernels : public testing::TestWithParam<const KernelTable*> {};
std::string name_of(const testing::TestParamInfo<const KernelTable*>& info) {
  std::string name = std::to_string(info.index) + "_" + info.param->name;
  for (char& letter : name)
    if (letter == '-') letter = '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(Every, Kernels, testing::ValuesIn(tested_kernels()), name_of);

TEST_P(Kernels, ConvolveRandomShapes) {
  const KernelTable& kernels = *GetParam();
  for (unsigned seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const int64_t channels = pick(random, 1, seed % 3 ? 5 : 40), outputs = pick(random, 1, 40);
    Geometry g;
    g.kernel_h = pick(random, 1, 4);
    g.kernel_w = pick(random, 1, 4);
    g.stride_h = pick(random, 1, 3);
    g.stride_w = pick(random, 1, 3);
    g.top = pick(random, 0, g.kernel_h - 1);
    g.left = pick(random, 0, g.kernel_w - 1);
    const int64_t height = pick(random, g.kernel_h, g.kernel_h + 6);
    const int64_t width = pick(random, g.kernel_w, g.kernel_w + 20);
    g.out_h = (height + 2 * g.top - g.kernel_h) / g.stride_h + 1;
    g.out_w = (width + 2 * g.left - g.kernel_w) / g.stride_w + 1;
    const bool bytes = kernels.has_bytes && seed % 2;
    const Range operands = bytes ? (seed % 4 == 1 ? Range{0, 255} : Range{-128, 127})
                                 : (seed % 4 == 0 ? Range{-3000, 3000} : Range{-255, 255});
    const int64_t padded = random() % 2 ? channels : rounded_up(channels, kernels.lanes);
    const Image x(random, operands, bytes ? Cell::U8 : Cell::I16, channels, height, width, padded,
                  g.left, g.left + g.stride_w);
    const int32_t most = bytes ? 127 : 500;
    const Tensor weights = torch::randint(-most - 1, most + 1,
                                          {outputs, channels, g.kernel_h, g.kernel_w}, torch::kInt);
    const PackedWeights packed = pack_weights(weights, g, x.layout, kernels.lanes);
    End end(random, outputs, g.out_h, g.out_w, kernels.lanes,
            static_cast<double>(operands.high) * most *
                std::sqrt(static_cast<double>(channels * g.kernel_h * g.kernel_w)));
    Convolution call;
    call.window = {g.kernel_h, g.kernel_w, g.stride_h, g.top, height};
    call.pixels = g.out_w;
    call.total_pixels = g.out_w * g.out_h;
    call.start_x = -g.left * x.layout.pixel_bytes();
    call.step = g.stride_w * x.layout.pixel_bytes();
    call.run = packed.run;
    call.offsets = packed.offsets.data();
    call.weights = packed.bytes.data();
    call.start = packed.start.data();
    call.start_of_row = packed.start_of_row.empty() ? nullptr : packed.start_of_row.data();

    in_parts(random, g.out_h, packed.blocks, [&](const Part& part) {
      kernels.convolve(call, x.input(), end.epilogue(), end.layout.output(end.memory.data()), part);
    });

    const auto w = weights.accessor<int32_t, 4>();
    expect_all(end, [&](int64_t o, int64_t row, int64_t column) {
      int64_t sum = 0;
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t i = 0; i < g.kernel_h; ++i)
          for (int64_t j = 0; j < g.kernel_w; ++j)
            sum += static_cast<int64_t>(w[o][c][i][j]) *
                   x.at(c, row * g.stride_h - g.top + i, column * g.stride_w - g.left + j);
      return static_cast<float>(sum);
    });
    if (HasFatalFailure()) return;
  }
}

TEST_P(Kernels, ConvolveFloatsInTheWrittenOrder) {
  const KernelTable& kernels = *GetParam();
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const int64_t channels = pick(random, 1, 20), outputs = pick(random, 1, 20);
    const int64_t width = pick(random, 3, 15);
    const Geometry g{3, 3, 1, 1, 1, 1, 4, width};
    const Image x(random, {-100, 100}, Cell::F32, channels, 4, width,
                  rounded_up(channels, kernels.lanes), 1, 1);
    torch::manual_seed(seed);
    const Tensor weights = torch::randn({outputs, channels, 3, 3});
    const PackedWeights packed = pack_weights(weights, g, x.layout, kernels.lanes);
    End end(random, outputs, 4, width, kernels.lanes, 1000);
    Convolution call;
    call.window = {3, 3, 1, 1, 4};
    call.pixels = width;
    call.total_pixels = 4 * width;
    call.start_x = -x.layout.pixel_bytes();
    call.step = x.layout.pixel_bytes();
    call.run = packed.run;
    call.offsets = packed.offsets.data();
    call.weights = packed.bytes.data();
    call.start = packed.start.data();

    in_parts(random, 4, packed.blocks, [&](const Part& part) {
      kernels.convolve(call, x.input(), end.epilogue(), end.layout.output(end.memory.data()), part);
    });

    const auto w = weights.accessor<float, 4>();
    expect_all(end, [&](int64_t o, int64_t row, int64_t column) {
      float sum = 0;
      for (int64_t i = 0; i < 3; ++i)
        for (int64_t j = 0; j < 3; ++j)
          for (int64_t c = 0; c < channels; ++c)
            sum = std::fma(w[o][c][i][j], static_cast<float>(x.at(c, row - 1 + i, column - 1 + j)),
                           sum);
      return sum;
    });
    if (HasFatalFailure()) return;
  }
}

Cell any_cell(std::mt19937& random) {
  const Cell cells[] = {Cell::U8, Cell::I16, Cell::I32};
  return cells[random() % 3];
}

TEST_P(Kernels, DepthwiseAndPoolsOfRandomShapes) {
  const KernelTable& kernels = *GetParam();
  for (unsigned seed = 0; seed < 90; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const int64_t channels = pick(random, 1, 40), kernel = pick(random, 1, 3);
    const int64_t stride = pick(random, 1, 2), padding = pick(random, 0, kernel / 2);
    const int64_t height = pick(random, kernel, 9), width = pick(random, kernel, 9);
    const int64_t out_h = (height + 2 * padding - kernel) / stride + 1;
    const int64_t out_w = (width + 2 * padding - kernel) / stride + 1;
    const Image x(random, {-100, 150}, any_cell(random), channels, height, width,
                  rounded_up(channels, kernels.lanes), padding, padding + stride);
    End end(random, channels, out_h, out_w, kernels.lanes, seed % 3 == 0 ? 5000 : 500);
    const int64_t blocks = end.layout.padded / kernels.lanes;
    const Window window{kernel, kernel, stride, padding, height};
    const auto taps = [&](int64_t row, int64_t column, const auto& visit) {
      for (int64_t i = 0; i < kernel; ++i)
        for (int64_t j = 0; j < kernel; ++j) {
          const int64_t y = row * stride - padding + i, at = column * stride - padding + j;
          if (y >= 0 && y < height && at >= 0 && at < width) visit(i, j, y, at);
        }
    };

    if (seed % 3 == 0) {
      std::vector<int16_t> weights(static_cast<size_t>(kernel * kernel * end.layout.padded));
      for (int16_t& w : weights) w = static_cast<int16_t>(pick(random, -127, 127));
      Depthwise call;
      call.window = window;
      call.pixels = out_w;
      call.start_x = -padding * x.layout.pixel_bytes();
      call.step = stride * x.layout.pixel_bytes();
      call.tap = x.layout.pixel_bytes();
      call.channels = end.layout.padded;
      call.weights = weights.data();
      in_parts(random, out_h, blocks, [&](const Part& part) {
        kernels.depthwise(call, x.input(), end.epilogue(), end.layout.output(end.memory.data()),
                          part);
      });
      expect_all(end, [&](int64_t c, int64_t row, int64_t column) {
        int32_t sum = 0;
        taps(row, column, [&](int64_t i, int64_t j, int64_t y, int64_t at) {
          sum += x.at(c, y, at) *
                 weights[static_cast<size_t>((i * kernel + j) * end.layout.padded + c)];
        });
        return static_cast<float>(sum);
      });
    } else {
      Pool call;
      call.window = window;
      call.pixels = out_w;
      call.width = width;
      call.left = padding;
      call.stride_x = stride;
      call.max = seed % 3 == 1;
      in_parts(random, out_h, blocks, [&](const Part& part) {
        kernels.pool(call, x.input(), end.epilogue(), end.layout.output(end.memory.data()), part);
      });
      expect_all(end, [&](int64_t c, int64_t row, int64_t column) {
        int32_t sum = 0, most = INT32_MIN;
        taps(row, column, [&](int64_t, int64_t, int64_t y, int64_t at) {
          sum += x.at(c, y, at);
          most = std::max(most, x.at(c, y, at));
        });
        return static_cast<float>(call.max ? most : sum);
      });
    }
    if (HasFatalFailure()) return;
  }
}

TEST_P(Kernels, MapAndAggregateRandomShapes) {
  const KernelTable& kernels = *GetParam();
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const int64_t channels = pick(random, 1, 150), count = pick(random, 1, 20);
    const Cell cell = seed % 4 == 3 ? Cell::F32 : any_cell(random);
    const int64_t padded = rounded_up(channels, kernels.lanes);
    if (seed % 2) {
      const Image x(random, {-100, 150}, cell, channels, 3, count, padded, 1, 0);
      End end(random, channels, 3, count, kernels.lanes, 100);
      in_parts(random, 3, padded / kernels.lanes, [&](const Part& part) {
        kernels.map(count, x.input(), end.epilogue(), end.layout.output(end.memory.data()), part);
      });
      expect_all(end, [&](int64_t c, int64_t row, int64_t column) {
        return static_cast<float>(x.at(c, row, column));
      });
    } else {
      // Rows are pixels here: of one column, so that row and pixel pitch agree.
      const Image x(random, {-100, 150}, cell, channels, count, 1, padded, 0, 0);
      End end(random, channels, count, 1, kernels.lanes, 500);
      end.layout.left = end.layout.right = 0;
      std::vector<int64_t> offsets{0};
      std::vector<int32_t> source;
      std::vector<int16_t> weight;
      std::vector<float> divisor;
      for (int64_t row = 0; row < count; ++row) {
        for (int64_t e = pick(random, 0, 7); e > 0; --e) {
          source.push_back(static_cast<int32_t>(pick(random, 0, count - 1)));
          weight.push_back(static_cast<int16_t>(pick(random, -20, 20)));
        }
        offsets.push_back(static_cast<int64_t>(source.size()));
        divisor.push_back(static_cast<float>(
            std::max<int64_t>(offsets.back() - offsets[static_cast<size_t>(row)], 1)));
      }
      Aggregation call;
      call.offsets = offsets.data();
      call.source = source.data();
      call.weight = seed % 3 && cell != Cell::F32 ? weight.data() : nullptr;
      if (call.weight && seed % 8 == 2) {
        call.requantized = true;
        call.message_a = 0.037f;
        call.message_b = -0.5f;
        call.message_low = -40;
        call.message_high = 63;
      }
      call.divisor = seed % 5 ? nullptr : divisor.data();
      in_parts(random, count, padded / kernels.lanes, [&](const Part& part) {
        kernels.aggregate(call, x.input(), end.epilogue(), end.layout.output(end.memory.data()),
                          part);
      });
      expect_all(end, [&](int64_t c, int64_t row, int64_t) {
        int32_t sum = 0;
        for (int64_t e = offsets[static_cast<size_t>(row)];
             e < offsets[static_cast<size_t>(row) + 1]; ++e) {
          const auto i = static_cast<size_t>(e);
          const int32_t m = x.at(c, source[i], 0) * (call.weight ? weight[i] : 1);
          sum += call.requantized
                     ? static_cast<int32_t>(std::nearbyint(std::min(
                           std::max(std::fma(call.message_a, static_cast<float>(m), call.message_b),
                                    call.message_low),
                           call.message_high)))
                     : m;
        }
        const auto acc = static_cast<float>(sum);
        return call.divisor ? acc / divisor[static_cast<size_t>(row)] : acc;
      });
    }
    if (HasFatalFailure()) return;
  }
}

TEST_P(Kernels, MultiplySparseRows) {
  const KernelTable& kernels = *GetParam();
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const int64_t features = pick(random, 1, seed % 4 ? 90 : 700), rows = pick(random, 1, 6);
    const int64_t outputs = pick(random, 1, 120);
    End end(random, outputs, rows, 1, kernels.lanes, 3000);
    end.layout.left = end.layout.right = 0;
    end.residuals.clear();
    SparseProduct call;
    call.features = features;
    call.padded = end.layout.padded;
    call.a = 10.0f;
    call.low = -100;
    call.high = 155;
    std::vector<float> x(static_cast<size_t>(rows * features), 0.0f);
    for (float& value : x)
      if (random() % 3 == 0) value = static_cast<float>(pick(random, -200, 200)) / 8;
    if (seed % 5 == 0) x[0] = NAN;
    std::vector<int16_t> weights(static_cast<size_t>(features * call.padded), 0);
    for (int16_t& w : weights) w = static_cast<int16_t>(pick(random, -127, 127));
    call.rows = x.data();
    call.weights = weights.data();

    in_parts(random, rows, call.padded / kernels.lanes, [&](const Part& part) {
      kernels.sparse_product(call, end.epilogue(), end.layout.output(end.memory.data()), part);
    });

    expect_all(end, [&](int64_t o, int64_t row, int64_t) {
      int32_t sum = 0;
      for (int64_t f = 0; f < features; ++f) {
        const float value = x[static_cast<size_t>(row * features + f)];
        const float held = std::min(std::max(10.0f * value, -100.0f), 155.0f);
        if (!std::isnan(value))
          sum += static_cast<int32_t>(std::nearbyint(held)) *
                 weights[static_cast<size_t>(f * call.padded + o)];
      }
      return static_cast<float>(sum);
    });
    if (HasFatalFailure()) return;
  }
}

TEST_P(Kernels, InterleavePlanesAndTakeNoNumberForZero) {
  const KernelTable& kernels = *GetParam();
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const int64_t channels = pick(random, 1, 5), width = pick(random, 1, 40);
    End end(random, channels, 3, width, kernels.lanes, 3);
    end.residuals.clear();
    std::vector<float> image(static_cast<size_t>(channels * 3 * width));
    std::normal_distribution<float> number(0.0f, 2.0f);
    for (float& x : image) x = number(random);
    image[0] = end.quantized ? NAN : 0.25f;
    kernels.interleave(image.data(), 3 * width, width, channels, end.epilogue(),
                       end.layout.output(end.memory.data()), Part{0, 3, 0, 0});
    if (end.quantized) {
      EXPECT_EQ(read(end.layout, end.memory, 0, 0, 0), 0.0f);
    }
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t y = 0; y < 3; ++y)
        for (int64_t x = (c + y == 0); x < width; ++x)
          ASSERT_EQ(read(end.layout, end.memory, c, y, x),
                    end.expected(image[static_cast<size_t>((c * 3 + y) * width + x)], c, y, x));
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace quantbench::engine
