// The inner loops of the engine: one table of functions an instruction set. Every table computes
// the same integers, and the same floats to the last bit; only their speed differs.
//
// Numbers lie in cells, channels last: a pixel is `channels` numbers, rounded up to whole vectors
// where a kernel wrote them. Pitches are in bytes. An integer n is stored as n + shift, so that a
// signed grid of 8 bits fits U8; I16 and I32 have no shift.
#pragma once

#include <cstdint>

namespace quantbench::engine {

enum class Cell : uint8_t { U8, I16, I32, F32 };

struct Residual {
  const char* data = nullptr;  // of pixel 0, row 0
  int64_t row = 0, pixel = 0;  // pitches
  Cell cell = Cell::I16;
  int32_t shift = 0;
  const float* a = nullptr;  // [channels, padded]
};

// u = fma(a, acc, b); u = fma(a_k, n_k, u) for each residual; then, onto a grid, n =
// clamp(rint(u), low, high), half to even; to floats, u held within low..high.
// Output I32 is the accumulator itself and takes nothing of this.
struct Epilogue {
  const float* a = nullptr;  // [channels, padded]
  const float* b = nullptr;
  int residual_count = 0;
  Residual residuals[2];
  bool quantized = true;
  float low = 0, high = 0;
  // Proved: no u is NaN or beyond 2^30, and low and high are whole numbers.
  bool bounded = false;
};

struct Output {
  char* data = nullptr;  // of pixel 0, row 0
  int64_t row = 0, pixel = 0;
  Cell cell = Cell::I16;
  int32_t shift = 0;
};

struct Input {
  const char* data = nullptr;  // of pixel 0, row 0: what lies left of it is border
  int64_t row = 0, pixel = 0;
  Cell cell = Cell::I16;
  int32_t shift = 0;
};

// What one thread does of a kernel: output rows and blocks of kLanes channels, both half open.
struct Part {
  int64_t row_begin = 0, row_end = 0, block_begin = 0, block_end = 0;
};

// Rows of a sliding window. Taps above and below the image are skipped; those left and right of it
// are read: the borders of the input hold zeros (n = 0).
struct Window {
  int64_t rows = 1, columns = 1;  // of the kernel
  int64_t stride = 1;             // of rows; that of columns is in Convolution::step
  int64_t top = 0;                // rows of padding above
  int64_t height = 1;             // of the input
};

// A convolution, a linear layer (of one pixel a row, or of many rows laid out as pixels).
struct Convolution {
  Window window;
  int64_t pixels = 1;        // of one output row
  int64_t total_pixels = 1;  // of all rows: the last one may be shorter
  int64_t start_x = 0;       // bytes from pixel 0 of the input to the first tap of output pixel 0
  int64_t step = 0;          // bytes of input between neighbouring output pixels
  int64_t run = 0;  // dot products of one kernel row: 4 (U8), 2 (I16) or 1 (F32) cells each
  // Of each dot product from the first one on: bytes of input, [kernel rows, run].
  const int32_t* offsets = nullptr;
  const char* weights = nullptr;   // [block][kernel row][run][lane][4, 2 or 1]
  const int32_t* start = nullptr;  // first values of the integer sums: [classes][padded channels]
  const int32_t* start_of_row = nullptr;  // offset into `start` of each output row; null: all 0
  // Weights that are bytes only once a number of their output's was taken off: acc gets center[o] *
  // sums[pixel] more, sums of the operand's integers, [total pixels]. Null: nothing.
  const int32_t* sums = nullptr;
  const int32_t* center = nullptr;  // [padded channels]
};

// A product of one row of numbers with weights of four bits, unpacked where they are multiplied.
// One vector of weights holds several dot products: of bytes two, in the high halves and the low
// ones; of shorts four, from the highest bits down.
struct NibbleProduct {
  int64_t vectors = 0;               // of one block
  const int32_t* offsets = nullptr;  // of each dot product from the first cell on, bytes
  const char* weights = nullptr;     // [block][vector][lane][4 bytes]
  const int32_t* start = nullptr;    // first values of the sums: [padded channels]
};

// Weights that are sums of coefficients times vectors of signs, each over a cut of an output's
// inputs: acc = 0, then for each cut and each of its bases acc = fma(coefficient, float(D), acc), D
// the sum of sign * n over the cut. Bytes have no shift here: borders add nothing to D.
struct PlaneProduct {
  Window window;
  int64_t pixels = 1, total_pixels = 1;
  int64_t start_x = 0, step = 0, input_row = 0;  // bytes
  int64_t cuts = 0;
  const int32_t* bases = nullptr;      // [cuts]: of that output that has most
  const int32_t* first_dot = nullptr;  // [cuts][kernel rows + 1], into offsets
  const int32_t* offsets = nullptr;    // of each dot product from the first kernel row on, bytes
  const char* weights = nullptr;       // [block][cut][base][dot][lane][4 or 2]: 1, -1, or 0 outside
  const float* coefficients = nullptr;  // [block][cut][base][lane]; 0 where an output has fewer
  int64_t vectors_of_block = 0, bases_of_block = 0;
};

// Each channel by itself; weights int16 [kernel row][kernel column][padded channels].
struct Depthwise {
  Window window;
  int64_t pixels = 1;
  int64_t start_x = 0, step = 0;
  int64_t tap = 0;       // bytes of input between neighbouring columns
  int64_t channels = 0;  // padded
  const int16_t* weights = nullptr;
};

// Sums or maxima over windows; no padding on the left or right is read.
struct Pool {
  Window window;
  int64_t pixels = 1;
  int64_t width = 1;  // of the input
  int64_t left = 0, stride_x = 1;
  bool max = false;
};

// Sums over the incoming edges of each row: acc = sum of a message for each e in offsets[r] ..
// offsets[r + 1], in this order. The message is m = x[source[e]], times weight[e] or factor[e], and
// with `requantized` clamp(rint(fma(message_a, float(m), message_b)), message_low, message_high).
struct Aggregation {
  const int64_t* offsets = nullptr;
  const int32_t* source = nullptr;
  const int16_t* weight = nullptr;  // [edges], of integers
  const float* factor = nullptr;    // [edges], of floats: the product is rounded
  const float* divisor = nullptr;   // [rows]: float(acc) is divided by it first (means); or null
  bool requantized = false;
  float message_a = 1, message_b = 0, message_low = 0, message_high = 0;
};

// Products of rows of floats that are mostly zero with a matrix: acc = sum of n * w over the
// numbers of a row that are not zero, n = clamp(rint(fma(a, x, b)), low, high), NaN taken for 0;
// zero is n = 0. All values of n and w are shorts, all sums int32.
struct SparseProduct {
  const float* rows = nullptr;  // [rows, features]
  int64_t features = 0;
  float a = 1, b = 0, low = 0, high = 0;
  const int16_t* weights = nullptr;  // [features][padded outputs]
  int64_t padded = 0;
};

struct KernelTable {
  const char* name;  // "avx2"
  int lanes;         // channels of one vector
  int tile_pixels;   // pixels of the largest tile
  bool has_bytes;    // U8 operands are multiplied at least as fast as I16
  int nibble_dots;   // dot products in a vector of four-bit weights
  int nibble_shift;  // bits that their sums are too large by until the end
  // The integer and float multiply-accumulates of `rounds` rounds of the fastest instruction.
  int64_t (*peak_integer)(int64_t rounds, int32_t* sink);
  int64_t (*peak_float)(int64_t rounds, float* sink);

  void (*convolve)(const Convolution&, const Input&, const Epilogue&, const Output&, const Part&);
  // Of blocks block_begin .. block_end of the only pixel.
  void (*multiply_nibbles)(const NibbleProduct&, const Input&, const Epilogue&, const Output&,
                           const Part&);
  void (*multiply_planes)(const PlaneProduct&, const Input&, const Epilogue&, const Output&,
                          const Part&);
  void (*depthwise)(const Depthwise&, const Input&, const Epilogue&, const Output&, const Part&);
  void (*pool)(const Pool&, const Input&, const Epilogue&, const Output&, const Part&);
  // to[r] = sum of the stored bytes of row r times `ones`, 1 or 0 for each of its `padded` bytes.
  void (*sum_bytes)(const char* rows, int64_t count, int64_t padded, const char* ones, int32_t* to);
  // One pixel after the other: acc = x. `pixels` a row.
  void (*map)(int64_t pixels, const Input&, const Epilogue&, const Output&, const Part&);
  void (*aggregate)(const Aggregation&, const Input&, const Epilogue&, const Output&, const Part&);
  void (*sparse_product)(const SparseProduct&, const Epilogue&, const Output&, const Part&);
  // A planar float image [channels][rows][pixels] onto a grid, or into floats, channels last:
  // u = fma(a, x, b), then as Epilogue says. `plane` floats from channel to channel.
  void (*interleave)(const float* image, int64_t plane, int64_t pixels, int64_t channels,
                     const Epilogue&, const Output&, const Part&);
};

const KernelTable& portable_kernels();
const KernelTable& avx2_kernels();
const KernelTable& avx512_kernels();

}  // namespace quantbench::engine
