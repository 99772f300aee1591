// What a frozen site is, without loss. A Format says how real numbers and integer codes relate; an
// Encoding is a Format with the codes of one weight. decode() gives, bit for bit, the numbers that
// the simulated forward pass used, and the integer executor reads the same codes.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/torch.h"
#include "methods/bit_width.h"

namespace quantbench {

enum class Rounding { HalfEven, HalfUp, Floor };
enum class Overflow { Saturate, Wrap };  // Wrap: modulo 2^bits, as fixed-point hardware does
enum class Granularity { Tensor, Channel, Element };

// Uniform integers. With v = x * (1/scale), both in float32:
//   step 1:  q = clamp(round(v) + zero_point, low, high)
//   step 2:  q = clamp(round((v + zero_point) / 2), low, high)
//   x^ = (step * q - zero_point) * scale
//
// step is 1 but for grids without a zero (binary {-1,+1}, DoReFa's weights), where it is 2 and the
// zero point is odd. Exactly one multiplication rounds in x^, so it is the same float everywhere.
// low..high is 0..2^bits-1, or -2^(bits-1)..2^(bits-1)-1 when signed; `narrow` leaves out the
// lowest signed code (symmetric grids).
struct UniformFormat {
  Granularity granularity = Granularity::Tensor;
  // float32, > 0: [1]; [channels] (dimension 0 of the weight); or for Element the weight's shape,
  // and for an activation any shape that broadcasts to it (its shape without the first dimension).
  Tensor scale;
  Tensor zero_point;  // int32, shape of scale
  Tensor bits;        // uint8, shape of scale or [1]
  bool is_signed = false;
  bool narrow = false;
  int step = 1;
  Rounding rounding = Rounding::HalfEven;
  Overflow overflow = Overflow::Saturate;
};

// A finite set of levels, ascending. For activations `thresholds` say where one level ends and the
// next begins: code = number of thresholds strictly below x.
struct CodebookFormat {
  Tensor levels;      // float32 [L] or [channels, L]
  Tensor thresholds;  // float32 [L-1]; undefined for weights
  BitWidth bits;      // codes are stored with this many bits; 2^bits >= L
};

struct FloatFormat {};

using Format = std::variant<FloatFormat, UniformFormat, CodebookFormat>;

struct FloatEncoding {
  Tensor value;  // float32
};
struct UniformEncoding {
  UniformFormat format;
  Tensor codes;  // int32, the weight's shape
};
struct CodebookEncoding {
  CodebookFormat format;
  Tensor codes;  // int32, the weight's shape
};

// Groups of weights as short sums of scaled sign vectors: w_g = sum_i coefficients_i * signs_i.
// How the weight [out, in, kh, kw] (or [out, in]) is cut into groups:
enum class Grouping {
  Channel,     // one output filter
  Kernel,      // one kh x kw kernel
  Pixel,       // one filter tap over all inputs
  SubChannel,  // a slice of a row of a linear layer, `parts` slices a row
};
struct MultiBitEncoding {
  Grouping grouping = Grouping::Channel;
  int64_t parts = 1;
  std::vector<int64_t> shape;  // of the weight
  Tensor counts;               // uint8 [groups]: bases of each group
  Tensor coefficients;         // float32 [sum of counts], group by group
  Tensor signs;                // bool [sum of counts, group length], true is +1
};

using Encoding = std::variant<FloatEncoding, UniformEncoding, CodebookEncoding, MultiBitEncoding>;

// The smallest and the largest code of a format, int32, shape of format.bits.
Tensor lowest_code(const UniformFormat& format);
Tensor highest_code(const UniformFormat& format);

// One of the format's tensors (scale, zero_point, bits or one of their shape) as it broadcasts to
// `x`.
Tensor align(const UniformFormat& format, const Tensor& parameter, const Tensor& x);

// Codes of real values and back. `x` any float tensor whose dimension 0 is the channel when the
// granularity is Channel. Codes are int32. Infinities saturate; NaN gets the code nearest to zero.
Tensor quantize(const UniformFormat& format, const Tensor& x);
Tensor dequantize(const UniformFormat& format, const Tensor& codes);
// The integers step*q - zero_point, int32: what the integer engine multiplies.
Tensor integers(const UniformFormat& format, const Tensor& codes);
Tensor quantize(const CodebookFormat& format, const Tensor& x);  // by thresholds
Tensor dequantize(const CodebookFormat& format, const Tensor& codes);

// quantize then dequantize under any format: what leaves an activation site. NaN stays NaN, so that
// a broken network is seen. Call it as quantbench::apply: a Format brings std::apply into the
// contest.
Tensor apply(const Format& format, const Tensor& x);

// The real numbers of an encoding, float32, in the weight's shape.
Tensor decode(const Encoding& encoding);

// Total bits of the stored codes (no scales, no headers): the paper convention of a weight's size.
int64_t code_bits(const Encoding& encoding);
// Bits per element of an activation format (the mean, where they differ): 32 for floats.
double mean_bits(const Format& format);

// Throws Error, starting with `what`, when shapes disagree, a scale is not finite and positive, a
// code lies outside its range, or bits are out of 0..16 (32 for multi-bit and codebook sizes); zero
// points lie within +-2^17, so that every integer of a format is exact in float32.
void check(const Encoding& encoding, const std::string& what);
void check(const Format& format, const std::string& what);

}  // namespace quantbench
