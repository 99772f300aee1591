// A place where a number format is chosen. Sites are read off the graph; a method puts quantizers
// on the ones it wants, and a site without one stays FP32.
#pragma once

#include <string>
#include <vector>

#include "models/graph.h"
#include "models/tap.h"

namespace quantbench {

struct Site {
  std::string name;  // "layer1.0.conv1.weight", "relu1.output": the same in every run
  Point point;
  std::vector<int64_t> shape;  // weight's shape; activation's shape without its first dimension
  int64_t elements = 0;        // of the weight; of the activation for one sample (0: per edge)
  int64_t macs = 0;            // of the node, for one sample

  bool is_weight() const { return point.kind == PointKind::Weight; }
};

// Every site of the graph, node by node.
std::vector<Site> all_sites(const Graph& graph);

// The weights of every Conv2d and Linear, in order.
std::vector<Site> weight_sites(const Graph& graph);

// The biases of every Conv2d, Linear and Bias, in order. They are no part of all_sites().
std::vector<Site> bias_sites(const Graph& graph);

// For every Conv2d and Linear (in order, each tensor once) the site of the tensor that it
// multiplies: the output of the nearest earlier node that changes values (ReLU, average pooling,
// Add, the network's input ...; Flatten, Dropout, MaxPool and PadShortcut only pass values on).
// Quantizing all of them makes every product an integer product.
std::vector<Site> operand_sites(const Graph& graph);

// The site of the tensor that node `consumer`'s Conv2d / Linear multiplies.
Point operand_of(const Graph& graph, int consumer);

// Whether the site is the output of a ReLU, whose work a quantizer there can do as well.
bool is_relu(const Graph& graph, const Site& site);

}  // namespace quantbench
