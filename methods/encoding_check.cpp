#include "base/error.h"
#include "methods/encoding.h"

namespace quantbench {
namespace {

// With codes below 2^16 this keeps step * code - zero_point exact in float32.
constexpr int64_t kLargestZeroPoint = int64_t{1} << 17;
constexpr int64_t kMostElements = int64_t{1} << 40;

void require_type(const Tensor& t, torch::ScalarType type, const std::string& what,
                  const char* field) {
  require(t.defined() && t.scalar_type() == type, "{}: {} is missing or not of type {}.", what,
          field, c10::toString(type));
}

void require_finite(const Tensor& t, const std::string& what, const char* field) {
  require(torch::isfinite(t).all().item<bool>(), "{}: {} holds a value that is not finite.", what,
          field);
}

void require_ascending(const Tensor& t, const std::string& what, const char* field) {
  require_finite(t, what, field);
  require(t.size(-1) < 2 || (t.diff() >= 0).all().item<bool>(), "{}: {} are not ascending.", what,
          field);
}

void require_within(const Tensor& codes, const Tensor& low, const Tensor& high,
                    const std::string& what) {
  require(((codes >= low) & (codes <= high)).all().item<bool>(),
          "{}: a code lies outside the range of its bit width.", what);
}

void check_format(const UniformFormat& f, const std::string& what) {
  require_type(f.scale, torch::kFloat32, what, "scale");
  require_type(f.zero_point, torch::kInt32, what, "zero_point");
  require_type(f.bits, torch::kUInt8, what, "bits");
  require(f.scale.numel() > 0, "{}: there is no scale.", what);
  require(f.granularity != Granularity::Tensor || (f.scale.dim() == 1 && f.scale.numel() == 1),
          "{}: a format of the whole tensor has exactly one scale.", what);
  require(f.granularity != Granularity::Channel || f.scale.dim() == 1,
          "{}: a per-channel format has one scale a channel.", what);
  require(f.zero_point.sizes() == f.scale.sizes(), "{}: zero_point and scale differ in shape.",
          what);
  require(f.bits.sizes() == f.scale.sizes() || (f.bits.dim() == 1 && f.bits.numel() == 1),
          "{}: bits has neither the shape of scale nor one element.", what);
  require_finite(f.scale, what, "scale");
  // Below this, 1/scale would overflow to infinity.
  require((f.scale >= 0x1p-126f).all().item<bool>(), "{}: a scale is not positive.", what);
  require((f.bits <= 16).all().item<bool>(), "{}: a bit width is not within 0..16.", what);
  require((f.zero_point >= -kLargestZeroPoint).all().item<bool>() &&
              (f.zero_point <= kLargestZeroPoint).all().item<bool>(),
          "{}: a zero point is not within +-{}.", what, kLargestZeroPoint);
  require(((f.bits > 0) | (f.zero_point == 0)).all().item<bool>(),
          "{}: a pruned part (0 bits) has a zero point.", what);
  require(f.step == 1 || f.step == 2, "{}: the step of a grid is 1 or 2, not {}.", what, f.step);
  require(f.step == 1 || ((f.bits == 0) | (f.zero_point.remainder(2) == 1)).all().item<bool>(),
          "{}: a grid of step 2 needs odd zero points.", what);
  require(f.overflow == Overflow::Saturate || !f.narrow,
          "{}: codes that wrap cannot leave out the lowest one.", what);
}

void check_format(const CodebookFormat& f, const std::string& what) {
  require_type(f.levels, torch::kFloat32, what, "levels");
  require(f.levels.dim() == 1 || f.levels.dim() == 2, "{}: levels has {} dimensions, not 1 or 2.",
          what, f.levels.dim());
  require(f.levels.numel() > 0 && f.levels.size(-1) <= f.bits.levels(),
          "{}: {} levels do not fit codes of {} bits.", what, f.levels.size(-1), f.bits.bits());
  require_ascending(f.levels, what, "levels");
  if (!f.thresholds.defined()) return;
  require_type(f.thresholds, torch::kFloat32, what, "thresholds");
  require(f.levels.dim() == 1 && f.thresholds.dim() == 1 &&
              f.thresholds.numel() == f.levels.numel() - 1,
          "{}: there must be one threshold less than levels.", what);
  require_ascending(f.thresholds, what, "thresholds");
}

void check_format(const FloatFormat&, const std::string&) {}

void check_encoding(const FloatEncoding& e, const std::string& what) {
  require_type(e.value, torch::kFloat32, what, "value");
}

void check_encoding(const UniformEncoding& e, const std::string& what) {
  check_format(e.format, what);
  require_type(e.codes, torch::kInt32, what, "codes");
  const bool fits = e.format.granularity == Granularity::Tensor ||
                    (e.format.granularity == Granularity::Channel
                         ? e.codes.dim() > 0 && e.codes.size(0) == e.format.scale.numel()
                         : e.codes.sizes() == e.format.scale.sizes());
  require(fits, "{}: the shapes of scale and codes do not fit.", what);
  require_within(e.codes, align(e.format, lowest_code(e.format), e.codes),
                 align(e.format, highest_code(e.format), e.codes), what);
}

void check_encoding(const CodebookEncoding& e, const std::string& what) {
  check_format(e.format, what);
  require_type(e.codes, torch::kInt32, what, "codes");
  const Tensor& levels = e.format.levels;
  require(levels.dim() == 1 || (e.codes.dim() > 0 && e.codes.size(0) == levels.size(0)),
          "{}: the shapes of levels and codes do not fit.", what);
  require(((e.codes >= 0) & (e.codes < levels.size(-1))).all().item<bool>(),
          "{}: a code points beyond the table of levels.", what);
}

void check_encoding(const MultiBitEncoding& e, const std::string& what) {
  require(e.shape.size() == 2 || e.shape.size() == 4, "{}: a weight has 2 or 4 dimensions, not {}.",
          what, e.shape.size());
  int64_t elements = 1;
  for (int64_t size : e.shape) {
    require(size > 0 && size <= kMostElements / elements, "{}: the shape of the weight is absurd.",
            what);
    elements *= size;
  }
  const int64_t taps = e.shape.size() == 4 ? e.shape[2] * e.shape[3] : 1;
  const int64_t row = elements / e.shape[0];
  require(e.grouping != Grouping::SubChannel || (e.parts > 0 && row % e.parts == 0),
          "{}: rows of {} weights cannot be cut into {} parts.", what, row, e.parts);
  int64_t length = 0;
  switch (e.grouping) {
    case Grouping::Channel:
      length = row;
      break;
    case Grouping::Kernel:
      length = taps;
      break;
    case Grouping::Pixel:
      length = e.shape[1];
      break;
    case Grouping::SubChannel:
      length = row / e.parts;
      break;
  }
  require(length > 0, "{}: the grouping is unknown.", what);
  require_type(e.counts, torch::kUInt8, what, "counts");
  require_type(e.coefficients, torch::kFloat32, what, "coefficients");
  require_type(e.signs, torch::kBool, what, "signs");
  require(e.counts.dim() == 1 && e.counts.numel() == elements / length,
          "{}: {} groups have counts, the weight has {}.", what, e.counts.numel(),
          elements / length);
  require((e.counts <= 32).all().item<bool>(), "{}: a group has more than 32 bases.", what);
  const int64_t bases = e.counts.sum(torch::kInt64).item<int64_t>();
  require(e.coefficients.dim() == 1 && e.coefficients.numel() == bases,
          "{}: {} coefficients are there, the counts say {}.", what, e.coefficients.numel(), bases);
  require(e.signs.dim() == 2 && e.signs.size(0) == bases && e.signs.size(1) == length,
          "{}: signs does not have the shape [{}, {}].", what, bases, length);
  require_finite(e.coefficients, what, "coefficients");
}

}  // namespace

void check(const Encoding& encoding, const std::string& what) {
  std::visit([&](const auto& e) { check_encoding(e, what); }, encoding);
}

void check(const Format& format, const std::string& what) {
  std::visit([&](const auto& f) { check_format(f, what); }, format);
}

}  // namespace quantbench
