#include "runtime/site_codec.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "runtime/packed_numbers.h"
#include "runtime/packing.h"

namespace quantbench {
namespace {

using Json = nlohmann::json;
using Shape = std::vector<int64_t>;

template <typename Enum>
struct Name {
  Enum value;
  const char* text;
};
constexpr Name<Granularity> kGranularities[] = {{Granularity::Tensor, "tensor"},
                                                {Granularity::Channel, "channel"},
                                                {Granularity::Element, "element"}};
constexpr Name<Rounding> kRoundings[] = {
    {Rounding::HalfEven, "half_even"}, {Rounding::HalfUp, "half_up"}, {Rounding::Floor, "floor"}};
constexpr Name<Overflow> kOverflows[] = {{Overflow::Saturate, "saturate"},
                                         {Overflow::Wrap, "wrap"}};
constexpr Name<Grouping> kGroupings[] = {{Grouping::Channel, "channel"},
                                         {Grouping::Kernel, "kernel"},
                                         {Grouping::Pixel, "pixel"},
                                         {Grouping::SubChannel, "sub_channel"}};

template <typename Enum, size_t N>
const char* text_of(const Name<Enum> (&names)[N], Enum value) {
  for (const auto& name : names)
    if (name.value == value) return name.text;
  fail("A format has a property that packages do not know.");
}

// Reads the fields of one description and notices those that nobody asked for.
class Fields {
 public:
  Fields(const Json& json, const std::string& what) : json_(json), what_(what) {
    require(json.is_object(), "{}: its format is no object.", what_);
  }

  bool has(const char* name) {
    asked_.insert(name);
    return json_.contains(name);
  }

  int64_t integer(const char* name, int64_t low, int64_t high) {
    const Json& value = at(name);
    require(value.is_number_integer(), "{}: '{}' is no whole number.", what_, name);
    // An unsigned number beyond int64 would wrap round.
    const bool fits = !value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX;
    const int64_t number = fits ? value.get<int64_t>() : INT64_MAX;
    require(number >= low && number <= high, "{}: '{}' is {}, not within {}..{}.", what_, name,
            number, low, high);
    return number;
  }

  bool flag(const char* name) {
    if (!has(name)) return false;
    require(at(name).is_boolean(), "{}: '{}' is neither true nor false.", what_, name);
    return at(name).get<bool>();
  }

  std::string text(const char* name) {
    require(at(name).is_string(), "{}: '{}' is no text.", what_, name);
    return at(name).get<std::string>();
  }

  template <typename Enum, size_t N>
  Enum one_of(const Name<Enum> (&names)[N], const char* field) {
    if (!has(field)) return names[0].value;
    const std::string given = text(field);
    for (const auto& name : names)
      if (given == name.text) return name.value;
    fail("{}: '{}' cannot be '{}'.", what_, field, given);
  }

  Shape shape(const char* name) {
    const Json& value = at(name);
    require(value.is_array() && value.size() <= 8, "{}: '{}' is no shape.", what_, name);
    Shape out;
    for (const Json& size : value) {
      require(size.is_number_unsigned() && size.get<uint64_t>() <= uint64_t{1} << 40,
              "{}: '{}' has a size that is absurd.", what_, name);
      out.push_back(size.get<int64_t>());
    }
    return out;
  }

  void finish() const {
    for (const auto& [name, value] : json_.items())
      require(asked_.count(name) > 0, "{}: its format has the unknown field '{}'.", what_, name);
  }

 private:
  const Json& at(const char* name) {
    require(has(name), "{}: its format has no '{}'.", what_, name);
    return json_.at(name);
  }

  const Json& json_;
  const std::string& what_;
  std::set<std::string> asked_;
};

int64_t product(const Shape& shape) {
  constexpr int64_t kMost = int64_t{1} << 48;  // of elements; beyond what any file could hold
  int64_t out = 1;
  for (int64_t size : shape) out = size > 0 && out > kMost / size ? kMost : out * size;
  return out;
}

bool is_one(const Tensor& t) { return t.dim() == 1 && t.numel() == 1; }

bool all_equal(const Tensor& t) {
  return t.numel() > 0 && (t == t.flatten()[0]).all().item<bool>();
}

// The shape of a weight's scales follows from its granularity.
Shape usual_scale_shape(Granularity granularity, const Shape& weight) {
  if (granularity == Granularity::Tensor || weight.empty()) return {1};
  if (granularity == Granularity::Channel) return {weight[0]};
  return weight;
}

PackedLayout layout_of(const UniformFormat& f) { return {f.bits, lowest_code(f)}; }

PackedLayout layout_of(int bits) {
  return {torch::full({1}, bits, torch::kByte), torch::zeros({1}, torch::kInt)};
}

Tensor take_codes(const Shape& shape, const PackedLayout& layout, StreamReader& streams,
                  const std::string& what) {
  const int64_t elements = product(shape);
  streams.announce_codes(static_cast<uint64_t>(elements), what);
  const auto bytes = streams.take_bytes(role::kCodes, packed_size(elements, layout));
  return unpack(bytes, elements, layout).view(shape);
}

Json describe_uniform(const UniformFormat& f, const Shape& weight) {
  Json json{{"type", "uniform"}};
  if (f.granularity != Granularity::Tensor)
    json["granularity"] = text_of(kGranularities, f.granularity);
  if (f.scale.sizes() != usual_scale_shape(f.granularity, weight)) json["shape"] = f.scale.sizes();
  if (is_one(f.bits))
    json["bits"] = f.bits[0].item<int64_t>();
  else
    json["width_bits"] = packed_widths(f).bits;
  if (const auto exponents = exponents_of(f)) {
    const PackedNumbers packed = PackedNumbers::of(*exponents);
    json["exponent_bits"] = packed.bits;
    json["lowest_exponent"] = packed.lowest;
  }
  if (all_equal(f.zero_point)) json["zero_point"] = f.zero_point.flatten()[0].item<int64_t>();
  if (f.is_signed) json["signed"] = true;
  if (f.narrow) json["narrow"] = true;
  if (f.step != 1) json["step"] = f.step;
  if (f.rounding != Rounding::HalfEven) json["rounding"] = text_of(kRoundings, f.rounding);
  if (f.overflow != Overflow::Saturate) json["overflow"] = text_of(kOverflows, f.overflow);
  return json;
}

void put_uniform(const UniformFormat& f, StreamWriter& streams) {
  if (!is_one(f.bits))
    streams.put(role::kCodes, pack(f.bits.to(torch::kInt), packed_widths(f).layout()));
  if (const auto exponents = exponents_of(f))
    streams.put(role::kCodes, pack(*exponents, PackedNumbers::of(*exponents).layout()));
  else
    streams.put(role::kScales, f.scale);
  if (!all_equal(f.zero_point)) streams.put(role::kZeroPoints, f.zero_point);
}

Tensor read_widths(Fields& fields, const Shape& shape, StreamReader& streams,
                   const std::string& what) {
  if (fields.has("bits")) return torch::full({1}, fields.integer("bits", 0, 16), torch::kByte);
  if (!fields.has("width_bits")) return streams.take(role::kBits, shape);
  const PackedNumbers packed{0, static_cast<int>(fields.integer("width_bits", 1, 5))};
  return take_codes(shape, packed.layout(), streams, what).to(torch::kByte);
}

Tensor read_scales(Fields& fields, const Tensor& widths, const Shape& shape, StreamReader& streams,
                   const std::string& what) {
  if (!fields.has("exponent_bits")) return streams.take(role::kScales, shape);
  require(widths.numel() > 1, "{}: exponents without a width for each of them.", what);
  const PackedNumbers packed{static_cast<int>(fields.integer("lowest_exponent", -126, 127)),
                             static_cast<int>(fields.integer("exponent_bits", 0, 8))};
  const int64_t count = (widths > 0).sum().item<int64_t>();
  return scales_of(take_codes({count}, packed.layout(), streams, what), widths);
}

UniformFormat read_uniform(Fields& fields, const Shape& weight, StreamReader& streams,
                           const std::string& what) {
  UniformFormat f;
  f.granularity = fields.one_of(kGranularities, "granularity");
  const Shape shape =
      fields.has("shape") ? fields.shape("shape") : usual_scale_shape(f.granularity, weight);
  f.bits = read_widths(fields, shape, streams, what);
  f.scale = read_scales(fields, f.bits, shape, streams, what);
  f.zero_point =
      fields.has("zero_point")
          ? torch::full(shape, fields.integer("zero_point", -(1 << 17), 1 << 17), torch::kInt)
          : streams.take(role::kZeroPoints, shape);
  f.is_signed = fields.flag("signed");
  f.narrow = fields.flag("narrow");
  if (fields.has("step")) f.step = static_cast<int>(fields.integer("step", 1, 2));
  f.rounding = fields.one_of(kRoundings, "rounding");
  f.overflow = fields.one_of(kOverflows, "overflow");
  return f;
}

Json describe_codebook(const CodebookFormat& f) {
  Json json{{"type", "codebook"}, {"bits", f.bits.bits()}, {"levels", f.levels.sizes()}};
  if (f.thresholds.defined()) json["thresholds"] = true;
  return json;
}

void put_codebook(const CodebookFormat& f, StreamWriter& streams) {
  streams.put(role::kLevels, f.levels);
  if (f.thresholds.defined()) streams.put(role::kThresholds, f.thresholds);
}

CodebookFormat read_codebook(Fields& fields, StreamReader& streams) {
  CodebookFormat f;
  f.bits = BitWidth(fields.integer("bits", 0, 32));
  f.levels = streams.take(role::kLevels, fields.shape("levels"));
  if (fields.flag("thresholds"))
    f.thresholds = streams.take(role::kThresholds, {std::max<int64_t>(f.levels.numel() - 1, 0)});
  return f;
}

Json describe_multi_bit(const MultiBitEncoding& e) {
  Json json{{"type", "multi_bit"}, {"groups", e.counts.numel()}};
  if (e.grouping != Grouping::Channel) json["grouping"] = text_of(kGroupings, e.grouping);
  if (e.parts != 1) json["parts"] = e.parts;
  return json;
}

void put_multi_bit(const MultiBitEncoding& e, StreamWriter& streams) {
  streams.put(role::kCounts, e.counts);
  streams.put(role::kCoefficients, e.coefficients);
  streams.put(role::kCodes, pack(e.signs.to(torch::kInt), layout_of(1)));
}

MultiBitEncoding read_multi_bit(Fields& fields, const Shape& weight, StreamReader& streams,
                                const std::string& what) {
  MultiBitEncoding e;
  e.grouping = fields.one_of(kGroupings, "grouping");
  if (fields.has("parts")) e.parts = fields.integer("parts", 1, int64_t{1} << 40);
  e.shape = weight;
  const int64_t elements = product(weight);
  const int64_t groups = fields.integer("groups", 1, elements);
  require(elements % groups == 0, "{}: {} weights cannot make {} groups.", what, elements, groups);
  streams.announce_codes(static_cast<uint64_t>(elements), what);
  e.counts = streams.take(role::kCounts, {groups});
  const int64_t bases = e.counts.sum(torch::kLong).item<int64_t>();
  e.coefficients = streams.take(role::kCoefficients, {bases});
  e.signs = take_codes({bases, elements / groups}, layout_of(1), streams, what).to(torch::kBool);
  return e;
}

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

Json describe(const Encoding& encoding, const Shape& shape) {
  return std::visit(
      Overloaded{[](const FloatEncoding&) { return Json(); },
                 [&](const UniformEncoding& e) { return describe_uniform(e.format, shape); },
                 [](const CodebookEncoding& e) { return describe_codebook(e.format); },
                 [](const MultiBitEncoding& e) { return describe_multi_bit(e); }},
      encoding);
}

void put(const Encoding& encoding, StreamWriter& streams) {
  std::visit(Overloaded{[](const FloatEncoding&) {},
                        [&](const UniformEncoding& e) {
                          put_uniform(e.format, streams);
                          streams.put(role::kCodes, pack(e.codes, layout_of(e.format)));
                        },
                        [&](const CodebookEncoding& e) {
                          put_codebook(e.format, streams);
                          streams.put(role::kCodes, pack(e.codes, layout_of(e.format.bits.bits())));
                        },
                        [&](const MultiBitEncoding& e) { put_multi_bit(e, streams); }},
             encoding);
}

Json describe(const Format& format) {
  return std::visit(Overloaded{[](const FloatFormat&) { return Json(); },
                               [](const UniformFormat& f) { return describe_uniform(f, {}); },
                               [](const CodebookFormat& f) { return describe_codebook(f); }},
                    format);
}

void put(const Format& format, StreamWriter& streams) {
  std::visit(Overloaded{[](const FloatFormat&) {},
                        [&](const UniformFormat& f) { put_uniform(f, streams); },
                        [&](const CodebookFormat& f) { put_codebook(f, streams); }},
             format);
}

Encoding read_encoding(const Json& description, const Shape& shape, StreamReader& streams,
                       const std::string& what) {
  Fields fields(description, what);
  const std::string type = fields.text("type");
  Encoding encoding;
  if (type == "uniform") {
    UniformFormat format = read_uniform(fields, shape, streams, what);
    check(Format(format), what);
    const int64_t scales = format.scale.numel(), elements = product(shape);
    require(scales == 1 || scales == shape[0] || scales == elements,
            "{}: {} scales do not fit its weight.", what, scales);
    Tensor codes = take_codes(shape, layout_of(format), streams, what);
    encoding = UniformEncoding{std::move(format), std::move(codes)};
  } else if (type == "codebook") {
    CodebookFormat format = read_codebook(fields, streams);
    Tensor codes = take_codes(shape, layout_of(format.bits.bits()), streams, what);
    encoding = CodebookEncoding{std::move(format), std::move(codes)};
  } else if (type == "multi_bit") {
    encoding = read_multi_bit(fields, shape, streams, what);
  } else {
    fail("{}: the encoding '{}' is not known to this version.", what, type);
  }
  fields.finish();
  return encoding;
}

Format read_format(const Json& description, StreamReader& streams, const std::string& what) {
  Fields fields(description, what);
  const std::string type = fields.text("type");
  Format format;
  if (type == "uniform")
    format = read_uniform(fields, {}, streams, what);
  else if (type == "codebook")
    format = read_codebook(fields, streams);
  else
    fail("{}: the format '{}' is not known to this version.", what, type);
  fields.finish();
  return format;
}

}  // namespace quantbench
