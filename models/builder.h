// Builds a Graph line by line, so that a zoo file reads like the architecture figure of its paper.
// Every call returns the new node's index and knows its input's shape; sizes that follow from it
// are not asked for. Errors (shapes that do not fit, a name taken twice) are thrown at once.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "models/graph.h"

namespace quantbench {

// Height and width. One number stands for both.
struct Kernel {
  int64_t height = 1, width = 1;
  Kernel(int64_t size) : height(size), width(size) {}
  Kernel(int64_t h, int64_t w) : height(h), width(w) {}
};

struct ConvOptions {
  int64_t stride = 1, padding = 0, groups = 1;
  bool bias = false;
};

class GraphBuilder {
 public:
  GraphBuilder(std::string name, std::vector<int64_t> input_shape, int64_t class_count);

  int input() const { return 0; }
  // Nodes made from now on belong to `block`.
  GraphBuilder& block(std::string name);

  int conv(const std::string& name, int x, int64_t out, Kernel kernel, ConvOptions options = {});
  // With borders such that ceil(size / stride) outputs result, the odd pixel of them behind
  // (TensorFlow's SAME); options.padding is not looked at.
  int conv_same(const std::string& name, int x, int64_t out, Kernel kernel,
                ConvOptions options = {});
  int linear(const std::string& name, int x, int64_t out, bool bias = true);
  int batch_norm(const std::string& name, int x, double eps = 1e-5);
  int relu(const std::string& name, int x, double max = 0);
  int add(const std::string& name, int a, int b);
  int concat(const std::string& name, std::vector<int> parts);
  int max_pool(const std::string& name, int x, int64_t kernel, int64_t stride);
  int global_avg_pool(const std::string& name, int x);
  int flatten(const std::string& name, int x);
  int dropout(const std::string& name, int x, double p);
  // Identity shortcut with zero channels split evenly in front and behind.
  int pad_shortcut(const std::string& name, int x, int64_t out, int64_t stride);

  // Any operation; `scope` prefixes its parameters' names (default: the node's own name).
  int node(const std::string& name, Operation operation, std::vector<int> inputs,
           const std::string& scope = "");

  // Size of dimension `axis` (without the batch dimension) of a node's output.
  int64_t size(int node, int64_t axis) const;

  const Graph& graph() const { return graph_; }
  Graph build() &&;

 private:
  int padded_conv(const std::string& name, int x, int64_t out, Kernel kernel,
                  const ConvOptions& options, std::array<int64_t, 4> padding);

  Graph graph_;
  std::vector<std::vector<int64_t>> shapes_;
  std::string block_;
};

}  // namespace quantbench
