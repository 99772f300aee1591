// The float loops of the reference executor: every operation is a fused multiply-add, or one
// rounding, of each element by itself, so vector units change nothing.
#pragma once

#include <cstdint>

namespace quantbench {

// u[i] = fma(a[i], acc[i], b[i]).
void affine(const int32_t* acc, const float* a, const float* b, int64_t count, float* u);
void affine(const float* acc, const float* a, const float* b, int64_t count, float* u);
// u[i] = fma(a[i], x[i], u[i]).
void add_scaled(const int32_t* x, const float* a, int64_t count, float* u);
void add_scaled(const float* x, const float* a, int64_t count, float* u);
// n[i] = u[i] rounded half to even, within low..high; NaN gives the one nearest to 0.
void round_to(const float* u, float low, float high, int64_t count, int32_t* n);
// out[r, c] = fma(w[i, c], x[r, i], out[r, c]) over i from 0 on, out starting at 0. w [length,
// columns].
void multiply(const float* x, int64_t rows, const float* w, int64_t columns, int64_t length,
              float* out);
// Whether one of them is NaN.
bool has_nan(const float* x, int64_t count);
// Sum of +-x[i]; sign[i] is 1 or -1.
int32_t dot_signs(const int32_t* x, const int32_t* sign, int64_t length);

}  // namespace quantbench
