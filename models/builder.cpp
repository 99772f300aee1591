#include "models/builder.h"

#include <algorithm>

#include "base/error.h"
#include "models/shapes.h"

namespace quantbench {

GraphBuilder::GraphBuilder(std::string name, std::vector<int64_t> input_shape,
                           int64_t class_count) {
  graph_.name = std::move(name);
  graph_.input_shape = std::move(input_shape);
  graph_.class_count = class_count;
  node("input", op::Input{}, {});
}

GraphBuilder& GraphBuilder::block(std::string name) {
  block_ = std::move(name);
  return *this;
}

int GraphBuilder::conv(const std::string& name, int x, int64_t out, Kernel kernel,
                       ConvOptions options) {
  const int64_t p = options.padding;
  return padded_conv(name, x, out, kernel, options, {p, p, p, p});
}

int GraphBuilder::conv_same(const std::string& name, int x, int64_t out, Kernel kernel,
                            ConvOptions options) {
  const auto border = [&](int64_t size, int64_t window) {
    const int64_t last = (size - 1) / options.stride * options.stride;
    return std::max<int64_t>(0, last + window - size);
  };
  const int64_t rows = border(size(x, 1), kernel.height),
                columns = border(size(x, 2), kernel.width);
  return padded_conv(name, x, out, kernel, options,
                     {rows / 2, columns / 2, rows - rows / 2, columns - columns / 2});
}

int GraphBuilder::padded_conv(const std::string& name, int x, int64_t out, Kernel kernel,
                              const ConvOptions& options, std::array<int64_t, 4> padding) {
  return node(name,
              op::Conv2d{size(x, 0),
                         out,
                         {kernel.height, kernel.width},
                         {options.stride, options.stride},
                         padding,
                         options.groups,
                         options.bias},
              {x});
}

int GraphBuilder::linear(const std::string& name, int x, int64_t out, bool bias) {
  return node(name, op::Linear{size(x, 0), out, bias}, {x});
}

int GraphBuilder::batch_norm(const std::string& name, int x, double eps) {
  return node(name, op::BatchNorm{size(x, 0), eps}, {x});
}

int GraphBuilder::relu(const std::string& name, int x, double max) {
  return node(name, op::Relu{max}, {x});
}

int GraphBuilder::add(const std::string& name, int a, int b) {
  return node(name, op::Add{}, {a, b});
}

int GraphBuilder::concat(const std::string& name, std::vector<int> parts) {
  return node(name, op::Concat{}, std::move(parts));
}

int GraphBuilder::max_pool(const std::string& name, int x, int64_t kernel, int64_t stride) {
  return node(name, op::MaxPool{kernel, stride, 0}, {x});
}

int GraphBuilder::global_avg_pool(const std::string& name, int x) {
  return node(name, op::GlobalAvgPool{}, {x});
}

int GraphBuilder::flatten(const std::string& name, int x) { return node(name, op::Flatten{}, {x}); }

int GraphBuilder::dropout(const std::string& name, int x, double p) {
  return node(name, op::Dropout{p}, {x});
}

int GraphBuilder::pad_shortcut(const std::string& name, int x, int64_t out, int64_t stride) {
  const int64_t extra = out - size(x, 0);
  return node(name, op::PadShortcut{stride, extra / 2, extra - extra / 2}, {x});
}

int GraphBuilder::node(const std::string& name, Operation operation, std::vector<int> inputs,
                       const std::string& scope) {
  for (const Node& other : graph_.nodes)
    require(other.name != name, "The graph {} has two nodes named '{}'.", graph_.name, name);
  graph_.nodes.push_back(
      {name, scope.empty() ? name : scope, std::move(operation), std::move(inputs), block_});
  shapes_.push_back(infer_shape(graph_, static_cast<int>(graph_.nodes.size()) - 1, shapes_));
  return graph_.output();
}

int64_t GraphBuilder::size(int node, int64_t axis) const {
  return shapes_.at(static_cast<size_t>(node)).at(static_cast<size_t>(axis));
}

Graph GraphBuilder::build() && { return std::move(graph_); }

}  // namespace quantbench
