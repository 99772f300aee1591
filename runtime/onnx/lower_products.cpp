#include <algorithm>

#include "base/error.h"
#include "runtime/onnx/lowering.h"

namespace quantbench {
namespace {

constexpr double kLargestBias = INT32_MAX - (1 << 24);  // room for the products beside it
constexpr double kBiasSteps = 1 << 20;                  // of a bias whose weights are all zero
constexpr float kLeastScale = 1e-30f;

bool fits(const Tensor& integers, int64_t low, int64_t high) {
  return ((integers >= low) & (integers <= high)).all().item<bool>();
}

// The 8-bit type of a weight's integers, with one zero point for all of it, as ONNX Runtime's
// kernels ask for; nothing where none will do.
std::optional<CodeType> weight_type(const Tensor& integers) {
  if (fits(integers, -128, 127)) return CodeType{true, 0};
  const auto low = integers.min().item<int64_t>(), high = integers.max().item<int64_t>();
  if (low > 0 || high < 0 || high - low > 255) return std::nullopt;
  return CodeType{false, -low};
}

Tensor rows_of(const Tensor& per_output, const Tensor& weight) {
  std::vector<int64_t> shape(static_cast<size_t>(weight.dim()), 1);
  shape[0] = weight.size(0);
  return per_output.expand({weight.size(0)}).reshape(shape);
}

std::string weight_name(const Step& step, const Package& package) {
  for (int node : step.nodes) {
    const Node& at = package.graph.nodes[static_cast<size_t>(node)];
    if (std::holds_alternative<op::Conv2d>(at.operation) ||
        std::holds_alternative<op::Linear>(at.operation))
      return at.scope + ".weight";
  }
  return step.name + ".weight";
}

// The encoding of the step's weight; nothing where it is plain.
const Encoding* encoding_of(const Step& step, const Package& package) {
  for (int node : step.nodes) {
    const auto found = package.weights.find({node, PointKind::Weight, 0});
    if (found != package.weights.end()) return &found->second;
  }
  return nullptr;
}

Tensor decoded(const Product& product) {
  if (auto* weights = std::get_if<IntegerWeights>(&product.weights))
    return weights->integers.to(torch::kFloat) * rows_of(weights->scale, weights->integers);
  if (auto* planes = std::get_if<MultiBitWeights>(&product.weights))
    return decode(planes->encoding);
  return std::get<FloatWeights>(product.weights).values;
}

// The power of two by which integers of few bits can be multiplied within int8. With their scale
// divided by it, nothing changes but the step that the bias is rounded to.
int64_t spare_factor(const Tensor& integers, const CodeType& type) {
  if (!type.is_signed) return 1;
  int64_t factor = 1;
  while (factor < 128 && fits(integers * (2 * factor), -128, 127)) factor *= 2;
  return factor;
}

std::vector<OnnxAttribute> conv_attributes(const op::Conv2d& conv) {
  const auto list = [](const auto& a) { return std::vector<int64_t>(a.begin(), a.end()); };
  return {{"kernel_shape", list(conv.kernel)},
          {"strides", list(conv.stride)},
          {"pads", list(conv.padding)},
          {"group", conv.groups}};
}

}  // namespace

std::string Lowering::product_node(const Product& product, const std::string& x,
                                   const std::string& weight, const std::string& bias,
                                   const std::string& wish) {
  std::vector<std::string> inputs{x, weight};
  if (!bias.empty()) inputs.push_back(bias);
  if (auto* conv = std::get_if<op::Conv2d>(&product.operation))
    return writer_.node("Conv", inputs, wish, conv_attributes(*conv));
  return writer_.node("Gemm", inputs, wish, {{"transB", int64_t{1}}});
}

std::string Lowering::real_product(const Step& step, RealAffine& affine) {
  const auto& product = std::get<Product>(step.work);
  const std::string name = name_of_value(step.output), wish = weight_name(step, package_);
  const Encoding* encoding = encoding_of(step, package_);
  Tensor plain = decoded(product);
  std::string weight;
  if (how_.kind == OnnxKind::Qonnx && encoding) {
    weight = qonnx_weight(*encoding, wish);
  } else {
    if (how_.kind == OnnxKind::Fp32) {
      plain = (plain.to(torch::kDouble) * rows_of(affine.factor, plain)).to(torch::kFloat);
      affine.factor = torch::ones_like(affine.factor);
    }
    weight = writer_.constant(wish, plain);
  }
  // A factor behind the product leaves no room for a bias within.
  const bool scaled = !(affine.factor.to(torch::kFloat) == 1).all().item<bool>();
  std::string bias;
  if (!scaled && (affine.shift != 0).any().item<bool>()) {
    bias = writer_.constant(wish + ".bias", affine.shift.expand({plain.size(0)}).to(torch::kFloat));
    affine.shift = torch::zeros_like(affine.shift);
  }
  return product_node(product, real(step.inputs[0]), weight, bias, name + ".product");
}

std::string Lowering::weight_codes(const Tensor& integers, const CodeType& type, int64_t factor,
                                   const std::string& wish) {
  const auto stored = type.is_signed ? torch::kChar : torch::kByte;
  if (!fits(integers, -8, 7))
    return writer_.constant(wish + ".codes", (integers * factor + type.zero_point).to(stored));
  // Widened again in the file, or ONNX Runtime would find no integer kernel for it.
  const auto cast = [&](const std::string& x, const char* name, int64_t to) {
    return writer_.node("Cast", {x}, wish + name, {{"to", to}});
  };
  const std::string packed = writer_.packed_int4(wish + ".packed", integers);
  if (factor == 1) return cast(packed, ".codes", 3);
  const std::string times = writer_.node(
      "Mul",
      {cast(packed, ".wide", 6), writer_.constant("factor", torch::full({}, factor, torch::kInt))},
      wish + ".times");
  return cast(times, ".codes", 3);
}

bool Lowering::product_qdq(const Step& step) {
  const auto& product = std::get<Product>(step.work);
  const auto* weights = std::get_if<IntegerWeights>(&product.weights);
  const int in = step.inputs[0], out = step.output;
  const Finish& finish = step.finish;
  const bool residual = !finish.addends.empty();
  if (!weights || !has_codes(in)) return false;
  if (residual && how_.residual == OnnxResidual::Integer) return false;
  const RealAffine affine = real_affine(step, plan_, accumulator_unit(step));
  const int64_t channels = weights->integers.size(0);
  const Tensor factor = affine.factor.expand({channels}).contiguous();
  const Tensor shift = affine.shift.expand({channels}).contiguous();

  // A scale is positive: the weights of a channel whose factor is not change their sign.
  Tensor scale = (factor.abs() * weights->scale.to(torch::kDouble)).to(torch::kFloat);
  const Tensor empty = scale < kLeastScale;
  const Tensor sign = torch::where(empty, torch::zeros_like(factor), torch::sign(factor));
  const Tensor integers =
      (weights->integers.to(torch::kDouble) * rows_of(sign, weights->integers)).to(torch::kInt);
  const std::optional<CodeType> type = weight_type(integers);
  if (!type) return false;
  const int64_t spare = spare_factor(integers, *type);
  scale = scale / static_cast<float>(spare);
  const double in_scale = scale_of(in);
  scale = torch::where(
      empty, ((shift.abs() / (in_scale * kBiasSteps)).clamp_min(1e-8)).to(torch::kFloat), scale);
  const Tensor bias_scale = scale * static_cast<float>(in_scale);
  const Tensor bias = torch::round(shift / bias_scale.to(torch::kDouble));
  if ((bias.abs() > kLargestBias).any().item<bool>()) return false;

  const std::string wish = weight_name(step, package_), name = name_of_value(out);
  const OnnxAttribute by_output{"axis", int64_t{0}};
  // Some of ONNX Runtime's fusions want the zeros spelled out.
  const std::string weight = writer_.node(
      "DequantizeLinear",
      {weight_codes(integers, *type, spare, wish), writer_.constant(wish + ".scale", scale),
       writer_.constant(wish + ".zero_point",
                        torch::full({channels}, type->zero_point,
                                    type->is_signed ? torch::kChar : torch::kByte))},
      wish, {by_output});
  std::string real_bias;
  if ((bias != 0).any().item<bool>())
    real_bias = writer_.node("DequantizeLinear",
                             {writer_.constant(wish + ".bias.codes", bias.to(torch::kInt)),
                              writer_.constant(wish + ".bias.scale", bias_scale)},
                             wish + ".bias", {by_output});
  std::string y = product_node(product, real(in), weight, real_bias, name + ".product");
  if (!finish.quantization) {
    for (size_t k = 0; k < affine.addends.size(); ++k)
      y = writer_.node(
          "Add",
          {y, multiplied(real(finish.addends[k].value), affine.addends[k], out, name + ".addend")},
          name + ".sum");
    carried(out).real = relu_of(step, y);
    return true;
  }
  const double out_scale = value(out).grid->scale;
  if (residual) {
    // What lies beyond these bounds ends at an end of the output's grid whatever is added.
    double low = static_cast<double>(finish.quantization->low) * out_scale;
    double high = static_cast<double>(finish.quantization->high) * out_scale;
    std::vector<std::string> others;
    for (size_t k = 0; k < affine.addends.size(); ++k) {
      const int v = finish.addends[k].value;
      if (!value(v).grid) return false;
      const Tensor size = affine.addends[k] * scale_of(v);
      const double a = size.min().item<double>(), b = size.max().item<double>();
      const auto least = static_cast<double>(value(v).grid->low);
      const auto most = static_cast<double>(value(v).grid->high);
      low -= std::max({a * least, a * most, b * least, b * most});
      high -= std::min({a * least, a * most, b * least, b * most});
      others.push_back(multiplied(real(v), affine.addends[k], out, name + ".addend"));
    }
    low = std::min(low, 0.0);
    high = std::max(high, 0.0);
    const CodeType branch_type{false, std::llround(-low / ((high - low) / 255))};
    const std::string step_size =
        writer_.scalar(name + ".branch.scale", static_cast<float>((high - low) / 255));
    const std::string branch = writer_.node(
        "QuantizeLinear", {y, step_size, zero_point(branch_type)}, name + ".branch.codes");
    y = dequantized(branch, step_size, branch_type, name + ".branch");
    for (const std::string& other : others) y = writer_.node("Add", {y, other}, name + ".sum");
  }
  quantize_to_codes(out, y, out_scale, finish.quantization->low, finish.quantization->high);
  return true;
}

std::string Lowering::product_units(const Step& step) {
  const auto& product = std::get<Product>(step.work);
  const int in = step.inputs[0];
  const std::string name = name_of_value(step.output), wish = weight_name(step, package_);
  const auto* weights = std::get_if<IntegerWeights>(&product.weights);
  const auto kind = weights ? weight_type(weights->integers) : std::nullopt;
  if (kind && has_codes(in)) {
    CodeType type = *code_type(*value(in).grid);
    const auto* conv = std::get_if<op::Conv2d>(&product.operation);
    std::string codes = carried(in).codes;
    if (conv && type.is_signed) {
      // ConvInteger has kernels for unsigned operands.
      type = {false, type.zero_point + 128};
      codes =
          writer_.node("QuantizeLinear", {integers(in), writer_.scalar("one", 1), zero_point(type)},
                       name_of_value(in) + ".unsigned");
    }
    const Tensor matrix = conv ? weights->integers : weights->integers.t().contiguous();
    const std::string weight = writer_.constant(
        wish + ".codes",
        (matrix + kind->zero_point).to(kind->is_signed ? torch::kChar : torch::kByte));
    std::vector<std::string> inputs{codes, weight, zero_point(type)};
    if (kind->zero_point != 0) inputs.push_back(zero_point(*kind));
    const std::string sum =
        conv ? writer_.node("ConvInteger", inputs, name + ".sum", conv_attributes(*conv))
             : writer_.node("MatMulInteger", inputs, name + ".sum");
    return writer_.node("Cast", {sum}, name + ".product", {{"to", int64_t{1}}});
  }
  if (weights)
    return product_node(product, integers(in),
                        writer_.constant(wish, weights->integers.to(torch::kFloat)), "",
                        name + ".product");
  const bool planes = std::holds_alternative<MultiBitWeights>(product.weights);
  return product_node(product, planes ? integers(in) : real(in),
                      writer_.constant(wish, decoded(product)), "", name + ".product");
}

}  // namespace quantbench
