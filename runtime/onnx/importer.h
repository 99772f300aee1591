// A foreign ONNX file as a package, one node after the other. One object reads one file; its parts
// stand in a file each: names and our graph in importer.cpp, quantizers in import_quantizers.cpp,
// products in import_products.cpp, pools and moves in import_moves.cpp.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/onnx/onnx_reader.h"
#include "runtime/package_content.h"

namespace quantbench {

class Importer {
 public:
  // `what` names the file in errors. Throws Error when it has too many nodes.
  Importer(const ForeignModel& model, std::string what);

  // Throws Error naming the first node that cannot be taken.
  Package package() &&;

 private:
  // A constant that went through DequantizeLinear.
  struct QuantizedConstant {
    Tensor codes;              // any integer type
    Tensor scale, zero_point;  // float32 and int32: [] or [channels]
    int64_t axis = 0, bits = 8;
    bool is_signed = true;

    Tensor real() const {
      std::vector<int64_t> shape(static_cast<size_t>(codes.dim()), 1);
      if (scale.numel() > 1) shape[static_cast<size_t>(axis)] = scale.numel();
      const Tensor by = scale.numel() > 1 ? scale.reshape(shape) : scale.reshape({});
      const Tensor at = scale.numel() > 1 ? zero_point.reshape(shape) : zero_point.reshape({});
      return (codes.to(torch::kInt) - at).to(torch::kFloat) * by;
    }
  };

  // What a name of the file stands for: the output of a node of our graph.
  struct Value {
    int node = 0;
    bool exclusive = true;  // nobody else reads the node's plain output
  };

  // Its codes, after QuantizeLinear.
  struct QuantizedValue {
    Value value;
    UniformFormat format;
  };

  // --- names and our graph (importer.cpp) ---

  template <typename... Args>
  void need(bool condition, const ForeignNode& node, fmt::format_string<Args...> why,
            Args&&... args) const {
    if (!condition)
      fail("{}: node {} ({}) cannot be taken: {}.", what_, node.name, node.operation,
           fmt::format(why, std::forward<Args>(args)...));
  }
  const Value* value_at(const std::string& name) const;
  const Value& value_of(const ForeignNode& node, size_t port) const;
  const Tensor* constant_at(const ForeignNode& node, size_t port) const;
  bool given(const ForeignNode& node, size_t port) const {
    return port < node.inputs.size() && !node.inputs[port].empty();
  }
  // A float constant, dequantized where it has to be.
  std::optional<Tensor> real_constant(const ForeignNode& node, size_t port) const;
  std::vector<int64_t> whole_numbers(const ForeignNode& node, size_t port, const char* what) const;
  const Node& node_at(int i) const { return package_.graph.nodes[static_cast<size_t>(i)]; }
  const std::vector<int64_t>& shape(const Value& v) const {
    return shapes_[static_cast<size_t>(v.node)];
  }
  int add(const ForeignNode& from, Operation operation, std::vector<int> inputs);
  void parameter(int node, const char* name, const Tensor& value);
  void give(const ForeignNode& node, int ours, bool exclusive = true);
  // The format of a node's value, where it is known: its own, or that of what it moves.
  std::optional<UniformFormat> grid_of(int i) const;
  void take(const ForeignNode& node);

  // --- quantizers and constants (import_quantizers.cpp) ---

  void constant(const ForeignNode& node);
  void pass(const ForeignNode& node);
  // Of packed integers only, to integers of 8 bits.
  void cast(const ForeignNode& node);
  // Of integers that are constants, by one number.
  void mul(const ForeignNode& node);
  bool is_unsigned(const std::string& name) const { return model_.unsigned16.count(name) > 0; }
  struct Step {
    Tensor scale, zero_point;
    int64_t bits = 8;
    bool is_signed = false;
  };
  // Scale and zero point of a QuantizeLinear or DequantizeLinear whose codes are `codes` (null:
  // what it makes).
  Step step_of(const ForeignNode& node, const Tensor* codes, int64_t packed_bits) const;
  void quantize_linear(const ForeignNode& node);
  // The node's value on a format: at its output where nobody sees the numbers in front of it.
  Value formatted(const ForeignNode& node, const QuantizedValue& from);
  void dequantize_linear(const ForeignNode& node);
  // What QuantizeLinear had before a Clip narrowed its codes.
  Tensor unclipped_scale(const QuantizedValue& q) const { return q.format.scale; }
  Tensor unclipped_zero(const QuantizedValue& q) const;
  void clip(const ForeignNode& node);
  // Codes of fewer bits, or a ReLU on codes.
  void clip_codes(const ForeignNode& node, QuantizedValue value);

  // --- products (import_products.cpp) ---

  // A weight [out, ...] from port 1, transposed where it stands as [in, out]; put on `ours`.
  void weight(const ForeignNode& node, int ours, bool transposed);
  const Tensor weight_shape(const ForeignNode& node) const;
  void conv(const ForeignNode& node);
  void bias(const ForeignNode& node, size_t port, int ours, int64_t out);
  void gemm(const ForeignNode& node);
  void mat_mul(const ForeignNode& node);
  void linear(const ForeignNode& node, const Value& x, bool transposed);
  void add_node(const ForeignNode& node);
  void batch_norm(const ForeignNode& node);

  // --- pools, moves and activations (import_moves.cpp) ---

  void concat(const ForeignNode& node);
  void relu(const ForeignNode& node);
  void elu(const ForeignNode& node);
  // Applies `make` to a value, or to codes, which keep their format.
  void moving(const ForeignNode& node, const std::function<int(int)>& make);
  int64_t square(const ForeignNode& node, const char* name, int64_t otherwise) const;
  int64_t even_pads(const ForeignNode& node) const;
  void max_pool(const ForeignNode& node);
  void average_pool(const ForeignNode& node);
  void global_average_pool(const ForeignNode& node);
  void reduce_mean(const ForeignNode& node);
  // [N, C, H, W] to [N, C H W]; nothing to do for what is a row already.
  void flatten(const ForeignNode& node);
  // Of the two dimensions of a mean over the image, which are not there in our graph.
  void squeeze(const ForeignNode& node);
  // Every k-th row and column from the first.
  void slice(const ForeignNode& node);
  // Channels of zeros in front and behind.
  void pad(const ForeignNode& node);

  const ForeignModel& model_;
  const std::string what_;
  Package package_;
  std::vector<std::vector<int64_t>> shapes_;
  std::set<std::string> names_;
  std::map<std::string, int64_t> uses_;
  std::map<std::string, Value> values_;
  std::map<std::string, QuantizedValue> quantized_;
  std::map<std::string, QuantizedConstant> quantized_constants_;
  std::map<std::string, Tensor> computed_;
  std::map<int, Tensor> moved_zero_;
};

bool same_format(const UniformFormat& a, const UniformFormat& b);

}  // namespace quantbench
