// How a plan becomes the nodes of an ONNX file. One object writes one file; its parts stand in a
// file each: values in lowering.cpp, steps in real numbers in lower_steps.cpp, those in the plan's
// own arithmetic in lower_units.cpp, products in lower_products.cpp, graph work in lower_graph.cpp,
// QONNX's quantizers in qonnx_quantizers.cpp.
#pragma once

#include "runtime/onnx/export.h"
#include "runtime/onnx/model_writer.h"
#include "runtime/plan.h"

namespace quantbench {

// The 8-bit type in which a grid's integers n are kept: code = n + zero_point.
struct CodeType {
  bool is_signed = true;
  int64_t zero_point = 0;
  int64_t least() const { return is_signed ? -128 : 0; }
  int64_t most() const { return is_signed ? 127 : 255; }
};

// The format's own signedness and zero point where it has all of a type's levels or is unsigned,
// else unsigned codes if they hold the grid; nothing where 8 bits are too few.
std::optional<CodeType> code_type(const ValueGrid& grid);

// y = factor * sum + shift + the sum of addend factors * addends, all in real numbers: what a step
// computes in front of its ReLU. `sum` is the accumulator in real numbers.
struct RealAffine {
  Tensor factor, shift;         // float64 [channels]
  std::vector<Tensor> addends;  // float64 [channels] each
};

// `unit`, float64 [1] or [channels]: the real number that 1 of the accumulator is.
RealAffine real_affine(const Step& step, const Plan& plan, const Tensor& unit);

class Lowering {
 public:
  Lowering(const Package& package, const Plan& plan, const OnnxExport& how);
  std::string bytes();

 private:
  // A value's tensors in the file; those that have not been asked for are "".
  struct Carried {
    std::string codes;     // int8 or uint8, by code_type() of its grid
    std::string integers;  // n, float32
    std::string real;      // float32
  };
  struct Edges {
    std::string source, target;  // int64 [E]
    std::string degree;          // float32 [nodes], at least 1
    std::string norm;            // float32 [E]
  };

  // --- values (lowering.cpp) ---
  const PlanValue& value(int v) const { return plan_.values[static_cast<size_t>(v)]; }
  Carried& carried(int v) { return carried_[static_cast<size_t>(v)]; }
  double scale_of(int v) const {
    return value(v).grid ? static_cast<double>(value(v).grid->scale) : 1.0;
  }
  std::string name_of_value(int v) const;
  std::string real(int v);
  std::string integers(int v);
  bool has_codes(int v) const;
  std::string dequantized(const std::string& codes, const std::string& scale, const CodeType& type,
                          const std::string& wish);
  std::string zero_point(const CodeType& type);
  // Real numbers or n (`scale` 1) to the 8-bit codes of the value, within low..high of n.
  void quantize_to_codes(int v, const std::string& x, double scale, int64_t low, int64_t high);
  // Of [channels], as it broadcasts to the value's shape.
  Tensor by_channel(const Tensor& t, int v) const;
  std::string multiplied(const std::string& x, const Tensor& factor, int v,
                         const std::string& wish);  // nothing is written for 1
  std::string added(const std::string& x, const Tensor& summand, int v, const std::string& wish);

  // --- steps (lower_steps.cpp) ---
  void lower(const Step& step);
  void lower_move(const Step& step);
  std::string moved(const Step& step, const std::vector<std::string>& inputs);
  void lower_real(const Step& step);
  bool lower_qdq(const Step& step);
  Tensor accumulator_unit(const Step& step) const;  // float64 [1] or [channels]
  std::string relu_of(const Step& step, const std::string& x);
  std::string sum_pool(const Step& step, const std::string& x);  // the mean

  // --- steps in the plan's arithmetic (lower_units.cpp) ---
  void lower_units(const Step& step);
  // q, or n, or real numbers: what quantization makes of u. float64 when `wide`.
  std::string quantized(const std::string& u, const Quantization& how, bool wide,
                        const std::string& wish);
  // The same of u = a x + b, in float32.
  std::string on_grid(const std::string& x, float a, float b, const Quantization& how,
                      const std::string& wish);
  std::string constant_like(const std::string& wish, const Tensor& t, bool wide);

  // --- products (lower_products.cpp) ---
  std::string product_node(const Product& product, const std::string& x, const std::string& weight,
                           const std::string& bias, const std::string& wish);
  std::string real_product(const Step& step, RealAffine& affine);
  bool product_qdq(const Step& step);
  std::string product_units(const Step& step);
  std::string weight_codes(const Tensor& integers, const CodeType& type, int64_t factor,
                           const std::string& wish);

  // --- graphs (lower_graph.cpp) ---
  Edges& edges(bool self_loops);
  std::string graph_sum(const Step& step, bool quantize);
  std::string aggregate(const Step& step, bool quantize);
  std::string attend(const Step& step, bool quantize);
  std::string read_out(const Step& step, bool quantize);
  std::string scattered(const std::string& rows, const std::string& index, const std::string& shape,
                        const std::string& wish, const char* reduction = "add");
  std::string unsqueezed(const std::string& x, const std::string& wish);
  std::string graph_input(const char* name, const char* dimension);

  // --- QONNX (qonnx_quantizers.cpp) ---
  std::string qonnx_weight(const Encoding& encoding, const std::string& wish);
  std::string qonnx_activation(const std::string& x, const Format& format, int v,
                               const std::string& wish);
  std::string int_quant(const std::string& x, const UniformFormat& format, const Tensor& scale,
                        const Tensor& zero_point, int64_t bits, const std::string& wish);
  std::string bipolar_quant(const std::string& x, const std::string& scale,
                            const std::string& wish);

  const Package& package_;
  const Plan& plan_;
  const OnnxExport& how_;
  OnnxModelWriter writer_;
  std::vector<Carried> carried_;
  std::optional<Edges> edges_[2];
  std::string graphs_, node_counts_;  // inputs of a read-out
};

// Whether rounding half to even and two bounds of n are all of it.
bool is_plain(const Quantization& how);

}  // namespace quantbench
