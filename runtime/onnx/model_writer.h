// An ONNX model while it is written: nodes in order, each with one output, and named constants. It
// knows ONNX's protobuf and nothing of quantization.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/torch.h"

namespace onnx {
class ModelProto;
}

namespace quantbench {

struct OnnxAttribute {
  std::string name;
  std::variant<int64_t, float, std::string, std::vector<int64_t>> value;
};

// A number, or the name of a dimension that the caller chooses: "batch".
using OnnxDimension = std::variant<int64_t, std::string>;

enum class OnnxType { Float = 1, Uint8 = 2, Int8 = 3, Int32 = 6, Int64 = 7, Bool = 9, Double = 11 };

class OnnxModelWriter {
 public:
  explicit OnnxModelWriter(const std::string& name);
  ~OnnxModelWriter();

  // The least version of ONNX's own operators that the model needs; the greatest asked for holds.
  void needs_opset(int64_t version);
  // Operators of another domain.
  void uses_domain(const std::string& domain, int64_t version);

  void input(const std::string& name, OnnxType type, const std::vector<OnnxDimension>& shape);
  void output(const std::string& name, OnnxType type, const std::vector<OnnxDimension>& shape);
  void metadata(const std::string& key, const std::string& value);

  // A name that nothing has yet: `wish`, or with a number behind it.
  std::string fresh(const std::string& wish);

  // Constants; each gives its name. A tensor of float32, float64, int8, uint8, int32, int64 or
  // bool; a constant of equal name, type, shape and bytes is written once.
  std::string constant(const std::string& wish, const Tensor& value);
  std::string scalar(const std::string& wish, float value);
  // Integers in -8..7 of any integer type, packed two a byte (opset 21).
  std::string packed_int4(const std::string& wish, const Tensor& value);

  // A node; gives the name of its output.
  std::string node(const std::string& operation, const std::vector<std::string>& inputs,
                   const std::string& wish, const std::vector<OnnxAttribute>& attributes = {},
                   const std::string& domain = "");

  // The node's name, `name`, in the output instead.
  void rename_output(const std::string& from, const std::string& to);

  std::string bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quantbench
