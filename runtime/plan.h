// What a package computes, step by step, with nothing left to decide: which integers are
// multiplied, what bounds their sums, by which affine step sums become the next grid's integers,
// and which floats remain, in which order. Executors, figures and exports read the plan; none of
// them looks at the meaning of a graph again. PACKAGE.md states the same arithmetic in words.
//
// A plan is a list of steps over numbered values. A value is a tensor, either of integers n that
// stand for scale * n (its grid), or of float32 numbers. Every step does three things:
//
//   1. work: its first input becomes an accumulator `acc` for each output element: an exact integer
//      sum where the operands are integers, else a float32 in a written order;
//   2. affine, in float32 (or float64, `wide`): u = fma(a, acc, b), then for each addend in order
//      u = fma(a_k, x_k, u), x_k being the addend's integers or floats;
//   3. finish: u is held within [least, most] (ReLU), then rounded onto the grid of the output, or
//      kept as a float32.
//
// Zero points appear nowhere but in `Codes`: n = step * code - zero_point, so zero is n = 0, and
// borders, shortcuts and pruned elements are filled with it.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "methods/encoding.h"
#include "models/graph.h"
#include "models/tap.h"
#include "runtime/package_content.h"

namespace quantbench {

// How the integers n of a value are numbered when they are stored in few bits.
struct Codes {
  // The grid of one format for the whole tensor: n = step * code - zero_point, code in low..high.
  // Absent (`uniform` false) where elements have formats of their own, or n comes from a table.
  bool uniform = false;
  int64_t low = 0, high = 0, zero_point = 0;
  int step = 1;
};

// Real value = scale * n.
struct ValueGrid {
  float scale = 1;
  int64_t low = 0, high = 0;  // of n over all elements; low <= 0 <= high
  Codes codes;
  Tensor levels;  // int32 [L], ascending: the n of each code of a codebook; else undefined
};

struct PlanValue {
  std::string name;               // of the point that it is: "layer1.0.relu1.output", "conv1.input"
  std::vector<int64_t> shape;     // without the first dimension: [C, H, W] or [features]
  Rows rows = Rows::Sample;       // what the first dimension counts: Sample, GraphNode or Graph
  std::optional<ValueGrid> grid;  // absent: float32
  double bits = 32;               // of one element, the mean where they differ
  std::optional<Point>
      point;  // whose format it has: comparable with what the simulation gives there
};

// How u becomes an integer: with `inverse` (else 1)
//   v = u * inverse                        one float multiplication (exact where it is 2^k)
//   q = round(v), brought into low..high by `overflow`      (Wrap: modulo high - low + 1)
//   n = (step * q - offset) * unit
// By thresholds: code = number of thresholds strictly below u, n = levels[code].
// NaN becomes the q of low..high that is nearest to offset / step, rounded down: zero, if the grid
// has it. A value without a grid gets the real number instead: float(step * q - offset) * unit, or
// its level.
struct Quantization {
  Rounding rounding = Rounding::HalfEven;
  Overflow overflow = Overflow::Saturate;
  int step = 1;        // 2: a and b hold the half and the zero point already
  int64_t offset = 0;  // the zero point where step is 2, else 0
  // Of q, where one holds for all elements. With step 1 these are bounds of n, a ReLU's included.
  int64_t low = 0, high = 0;
  // Formats of elements: each broadcasts to the value's shape; all undefined where there is one
  // format.
  Tensor lows, highs;    // int32, instead of low and high
  Tensor inverse, unit;  // float32
  // Codebooks: float32 [L-1], in the units of real values; levels int32 (or float32, no grid) [L].
  Tensor thresholds, levels;
  bool by_thresholds() const { return thresholds.defined(); }
};

// A further operand of the affine step: u = fma(a, x, u); x of the output's shape.
struct Addend {
  int value = 0;
  Tensor a;  // float32 [channels]
};

struct Finish {
  Tensor a, b;  // float32 [channels], channels being the first size of the output's shape
  std::vector<Addend> addends;
  // Float64 instead: u, a and b widened exactly, every fma in float64; a float32 output is rounded
  // at the end. Set where the plan cannot prove |acc| <= 2^24, or where fixed-point numbers would
  // need more than 24 bits to be added exactly.
  bool wide = false;
  float least = -INFINITY, most = INFINITY;  // u < least ? least : u > most ? most : u
  std::optional<Quantization> quantization;  // absent: the output is u
};

// --- work ---

// acc = x. Bias, BatchNorm, Add, GinUpdate, ReLU and requantization of a value that is there.
struct Identity {};

struct IntegerWeights {
  Tensor integers;  // int32 [out, in/groups, kh, kw] or [out, in]
  Tensor scale;     // float32 [out]; already part of a
};
// acc = sum over groups g, over bases i of g: acc = fma(coefficient_i, float(D_i), acc) from 0 on,
// in float32, in the order of the encoding; D_i = sum of sign * n over the group, an exact integer.
// Of each output only the groups that belong to it.
struct MultiBitWeights {
  MultiBitEncoding encoding;
};
// acc = fma(w, x, acc) from 0 on in float32, over kernel rows, then kernel columns, then input
// channels of the group. x is scale * n, rounded once, where the input has a grid.
struct FloatWeights {
  Tensor values;  // float32, shape as IntegerWeights
};
using Weights = std::variant<IntegerWeights, MultiBitWeights, FloatWeights>;

struct Product {
  // A Conv2d (stride, padding, groups) or a Linear.
  Operation operation;
  Weights weights;
  int64_t macs = 0;       // of one sample
  int64_t code_bits = 0;  // of all its weights as stored, 32 each in float
};

// acc = sum of the window's pixels, rows first then columns, those beyond the image left out; of
// the whole image for GlobalAvgPool. a holds 1/count, the whole window's. Sums of floats: acc = acc
// + x in float32 from 0 on.
struct SumPool {
  int64_t kernel = 0, stride = 1, padding = 0;  // kernel 0: the whole image, output [C]
};

// Moves numbers, computes nothing: the output has the input's grid, and Finish is empty.
struct Move {
  // MaxPool (padding never wins), Flatten, PadShortcut, Concat (inputs of one grid, or all float).
  Operation operation;
};

// Each row of x summed at the targets of its node's edges, in the order of Topology's edges.
//   Gcn: message = n_source * m_edge, m the integers of the norm's grid, an exact integer; or in
//        float32 real(x) * norm where either has no grid. norm = (1/sqrt(d_source)) *
//        (1/sqrt(d_target)), five float32 operations, d the in-degree (at least 1).
//   message_format: p = quantize(fma(message_a, float(message), message_b)); else p = message.
//   acc = sum of p: exact where p are integers (any number of edges: int64), else acc + p in
//   float32. Mean: acc = float(acc) / float(max(degree, 1)).
// float() of an integer rounds to nearest even where it must.
struct Aggregate {
  op::Reduce reduce = op::Reduce::Sum;
  bool self_loops = false;
  std::optional<Quantization> norm_format;  // of u = fma(norm_a, norm, norm_b)
  float norm_a = 1, norm_b = 0, norm_scale = 1;
  bool norm_on_grid = false;
  bool products = false;  // messages are integers before message_format
  std::optional<Quantization> message_format;
  float message_a = 1, message_b = 0;
  bool message_on_grid = false;  // p are integers
};

// Rows of each graph summed as Aggregate does: Sum or Mean.
struct ReadOut {
  op::Reduce reduce = op::Reduce::Mean;
};

// GAT's attention, in float32 but for the messages' sum. With x the real input [H, F], e an edge s
// -> t:
//   p_v,h = sum over f, fma(source_h,f, x_v,h,f, p) from 0 on; r_v,h likewise with `target`
//   l_e,h = p_s,h + r_t,h; on logit_format's grid; l < 0: l * slope
//   w_e,h = exp(l - max over the edges of t); total_t,h = total + w in the edges' order
//   message = x_s,h,f * (w_e,h / total_t,h); on message_format's grid
//   acc = sum of messages as in Aggregate; without concat the heads are summed too, edge by edge
//   then head by head, and a holds 1/H.
// exp is `plan_exp` of runtime/float_math.h.
struct Attend {
  int64_t heads = 1, features = 0;
  bool concat = true;
  float negative_slope = 0.2f;
  Tensor source, target;                     // float32 [heads, features], on their grid already
  std::optional<Quantization> logit_format;  // a float: scale * n
  float logit_a = 1, logit_b = 0, logit_scale = 1;
  bool logit_on_grid = false;
  std::optional<Quantization> message_format;
  float message_a = 1, message_b = 0;
  bool message_on_grid = false;
};

// acc = x > 0 ? x : exp(x) - 1 of the real input, in float32.
struct EluWork {};

using Work = std::variant<Identity, Product, SumPool, Move, Aggregate, ReadOut, Attend, EluWork>;

enum class Accumulator {
  Int32,  // no partial sum leaves int32
  Int64,
  Float,
};

struct Step {
  std::string name;        // of the last node that it covers
  std::vector<int> nodes;  // of the graph, ascending; empty for a requantization at an input
  Work work;
  std::vector<int> inputs;  // values; the work's own: one, several for Concat
  int output = 0;
  Accumulator accumulator = Accumulator::Float;
  int64_t least_acc = 0, most_acc = 0;  // proved bounds, of integers; 0, 0 where degrees decide
  Finish finish;
};

struct Plan {
  std::string name;  // of the graph
  std::vector<int64_t> input_shape;
  int64_t class_count = 0;
  bool needs_topology = false;
  std::vector<PlanValue> values;   // 0: the batch's input, float32
  std::vector<Step> steps;         // in execution order; each writes one value
  int output = 0;                  // the value of the logits
  std::vector<int> value_of_node;  // -1: lives inside a step only
};

// Pure. Throws Error when the package does not fit its graph.
Plan make_plan(const Package& package);

// What a plan says about cost, of one sample.
struct PlanCost {
  int64_t macs = 0;                    // of all products
  int64_t integer_macs = 0;            // of products of integers (sign planes included)
  int64_t weights = 0, code_bits = 0;  // of all products
  double bops = 0;                     // sum of macs x weight bits x operand bits
  double activation_bits = 32;  // mean over the operands of products, by elements, each value once
};
PlanCost cost(const Plan& plan);

// The share of the products' multiply-accumulates that run on integers: 0..1.
double integer_share(const Plan& plan);

}  // namespace quantbench
