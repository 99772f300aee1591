// Products of weights +1 and -1 with numbers of few bits, by counting bits: x = sum of 2^j a_j over
// the planes of bits a_j, and sum of w a_j = count(w) - count(a_j xor w), w's bits being 1 for +1.
#pragma once

#include "runtime/engine/kernels.h"

namespace quantbench::engine {

// As Convolution; a dot product is of 32 channels of one plane.
struct BitConvolution {
  Window window;
  int64_t pixels = 1, total_pixels = 1;
  int64_t start_x = 0, step = 0;  // bytes of sliced input
  int64_t run = 0;                // words of one kernel row
  int planes = 1;
  const int32_t* offsets = nullptr;   // [planes][kernel rows, run], bytes
  const uint32_t* weights = nullptr;  // [block][kernel row][run][lane]
  const int32_t* start = nullptr;     // [classes][padded channels]: what the counts are taken from
  const int32_t* start_of_row = nullptr;
};

struct BitKernels {
  const char* name;
  int lanes;
  // `pixels` of `padded` bytes into words of 32 channels, those of plane 0 first: bit c of plane j is
  // bit j of byte c, 0 from `channels` on. `to` has planes * words cells a pixel.
  void (*slice)(const uint8_t* from, int64_t pixels, int64_t padded, int64_t channels, int planes,
                uint32_t* to);
  void (*convolve)(const BitConvolution&, const Input&, const Epilogue&, const Output&,
                   const Part&);
};

// For tables of 8 lanes, and for those of 16 where the machine counts the bits of vectors.
const BitKernels& portable_bit_kernels();
const BitKernels& avx512_bit_kernels();

}  // namespace quantbench::engine
