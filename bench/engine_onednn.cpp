// The engine's int8 convolutions against oneDNN's (u8 times s8 to u8, requantized and ReLU fused,
// in the memory formats that it asks for), one thread, in turns. Weights and inputs are random.
#include <fmt/format.h>

#include <dnnl.hpp>

#include "bench/burst_timing.h"
#include "runtime/engine/isa.h"
#include "runtime/engine/steps.h"

namespace quantbench {
namespace {

using namespace engine;

struct Shape {
  const char* name;
  int64_t channels, outputs, size, kernel, stride;
};

constexpr Shape kShapes[] = {{"resnet18 layer1, 3x3", 64, 64, 56, 3, 1},
                             {"resnet18 layer2.0, 3x3 / 2", 64, 128, 56, 3, 2},
                             {"resnet18 layer2, 3x3", 128, 128, 28, 3, 1},
                             {"resnet18 layer3, 3x3", 256, 256, 14, 3, 1},
                             {"resnet18 layer4, 3x3", 512, 512, 7, 3, 1},
                             {"resnet50 layer1 a, 1x1", 256, 64, 56, 1, 1},
                             {"resnet50 layer1 c, 1x1", 64, 256, 56, 1, 1},
                             {"resnet50 layer2 c, 1x1", 128, 512, 28, 1, 1},
                             {"resnet50 layer3 a, 1x1", 1024, 256, 14, 1, 1},
                             {"resnet50 layer4 a, 1x1", 2048, 512, 7, 1, 1}};

double compare(const KernelTable& kernels, const Shape& shape) {
  const int64_t padding = shape.kernel / 2;
  const int64_t out = (shape.size + 2 * padding - shape.kernel) / shape.stride + 1;
  const Geometry g{shape.kernel, shape.kernel, shape.stride, shape.stride,
                   padding,      padding,      out,          out};
  Layout x, y;
  x.cell = y.cell = kernels.has_bytes ? Cell::U8 : Cell::I16;
  x.channels = x.padded = shape.channels;
  x.height = x.width = shape.size;
  x.left = x.right = padding;
  y.channels = y.padded = shape.outputs;
  y.height = y.width = out;
  EpilogueData end;
  end.a.assign(static_cast<size_t>(y.padded), 0.001f);
  end.b.assign(static_cast<size_t>(y.padded), 0.0f);
  end.quantized = end.bounded = true;
  end.high = 255;
  const auto step = convolution_step(
      kernels,
      torch::randint(-127, 128, {shape.outputs, shape.channels, shape.kernel, shape.kernel},
                     torch::kInt),
      g, {0, x}, end, {1, y});
  std::vector<char> input(static_cast<size_t>(x.bytes()), 3),
      output(static_cast<size_t>(y.bytes()));
  Frame frame;
  frame.values = {input.data(), output.data()};

  using dnnl::memory;
  using Tag = memory::format_tag;
  using Type = memory::data_type;
  dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(cpu);
  const memory::dims source{1, shape.channels, shape.size, shape.size},
      weights{shape.outputs, shape.channels, shape.kernel, shape.kernel},
      target{1, shape.outputs, out, out}, strides{shape.stride, shape.stride},
      borders{padding, padding};
  dnnl::primitive_attr attributes;
  attributes.set_output_scales(
      2, std::vector<float>(static_cast<size_t>(shape.outputs), 0.001f));  // one a channel
  dnnl::post_ops ends;
  ends.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  attributes.set_post_ops(ends);
  const dnnl::convolution_forward::primitive_desc description(
      {dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
       memory::desc(source, Type::u8, Tag::any), memory::desc(weights, Type::s8, Tag::any),
       memory::desc({shape.outputs}, Type::s32, Tag::any), memory::desc(target, Type::u8, Tag::any),
       strides, borders, borders},
      attributes, cpu);
  const dnnl::convolution_forward convolution(description);
  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, memory(description.src_desc(), cpu)},
      {DNNL_ARG_WEIGHTS, memory(description.weights_desc(), cpu)},
      {DNNL_ARG_BIAS, memory(description.bias_desc(), cpu)},
      {DNNL_ARG_DST, memory(description.dst_desc(), cpu)}};
  for (auto& [role, bytes] : arguments)
    std::fill_n(static_cast<char*>(bytes.get_data_handle()), bytes.get_desc().get_size(),
                role == DNNL_ARG_BIAS ? 0 : 3);
  const std::vector<CallTimes> times = time_in_bursts({[&] { step->run(frame, 0, 1); },
                                                       [&] {
                                                         convolution.execute(stream, arguments);
                                                         stream.wait();
                                                       }});
  const double macs =
      static_cast<double>(shape.channels * shape.outputs * shape.kernel * shape.kernel * out * out);
  const double ratio = times[1].median / times[0].median;
  fmt::print(
      "  {:<28} {:>9.2f} us {:>7.1f} GMAC/s; oneDNN {:>9.2f} us ({}); {:.2f} times as fast\n",
      shape.name, 1000 * times[0].median, macs / times[0].median / 1e6, 1000 * times[1].median,
      description.impl_info_str(), ratio);
  return ratio;
}

}  // namespace
}  // namespace quantbench

int main() {
  using namespace quantbench;
  torch::set_num_threads(1);
  const engine::KernelTable& kernels = engine::choose_kernels();
  const dnnl_version_t* version = dnnl_version();
  fmt::print("{} against oneDNN {}.{}.{}:\n", kernels.name, version->major, version->minor,
             version->patch);
  double least = 1e9;
  for (const auto& shape : kShapes) least = std::min(least, compare(kernels, shape));
  fmt::print("  the least ratio: {:.2f}\n", least);
  return 0;
}
