// The parts of a foreign ONNX file, checked: tensors whose bytes are all there, nodes in an order
// in which they can be computed, attributes of the type that is asked for.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/torch.h"

namespace onnx {
class TensorProto;
}

namespace quantbench {

struct ForeignNode {
  std::string name;  // its own, or that of its output
  std::string operation, domain;
  std::vector<std::string> inputs, outputs;  // "" where one is left out
  std::map<std::string, int64_t> integers;
  std::map<std::string, float> reals;
  std::map<std::string, std::string> texts;
  std::map<std::string, std::vector<int64_t>> lists;
  std::map<std::string, Tensor> tensors;

  int64_t integer(const std::string& attribute, int64_t otherwise) const;
  float number(const std::string& attribute, float otherwise) const;
  std::string text(const std::string& attribute, const std::string& otherwise) const;
  std::vector<int64_t> list(const std::string& attribute, std::vector<int64_t> otherwise) const;
};

struct ForeignModel {
  std::string name, producer;
  int64_t opset = 0;
  std::string input, output;
  std::vector<int64_t> input_shape;         // without the first dimension
  std::map<std::string, Tensor> constants;  // initializers; int4 and uint4 unfolded to int8, uint8
  std::map<std::string, int64_t> bits;      // of those whose type had other than 8 or 32: 4, 16
  std::set<std::string> unsigned16;         // which int32 tensors were uint16
  std::vector<ForeignNode> nodes;
};

// Throws Error as from_onnx() does.
ForeignModel read_onnx(std::string_view bytes, const std::string& what);

}  // namespace quantbench
