#include "methods/common/lane_table.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/vector_units.h"

namespace quantbench::kernels {
namespace {

void look_up_each(const CurveTable& table, const float* position, float* y, int64_t count) {
  const auto cells = static_cast<size_t>(table.cells);
  const float end = static_cast<float>(cells) - 0.01f;
  for (int64_t i = 0; i < count; ++i) {
    const float p = position[i];
    const float t = std::max(0.0f, std::min(end, (p - table.first) * table.cells_per_position));
    const auto cell = static_cast<size_t>(t);
    const float x = t - static_cast<float>(cell) - 0.5f;
    float sum = 0;
    for (size_t k = cell; k < table.coefficients.size(); k += cells)
      sum = sum * x + table.coefficients[k];
    y[i] = std::isnan(p) ? p : sum;
  }
}

void look_up_each(const IntervalTable& table, const float* position, float* const numbers[],
                  int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = 0;
    for (int64_t step = IntervalTable::kMost / 2; step > 0; step /= 2)
      at = position[i] > table.from[at + step] ? at + step : at;
    for (int64_t k = 0; k < IntervalTable::kNumbers; ++k) numbers[k][i] = table.numbers[k][at];
  }
}

#ifdef QUANTBENCH_WIDE

using Floats = float __attribute__((vector_size(64)));
using Integers = int32_t __attribute__((vector_size(64)));

// Count vectors of positions, for which a row of coefficients is loaded once.
template <int Cells, int Count>
QUANTBENCH_INLINE void look_up_some(const CurveTable& table, const float* position, float* y) {
  const Floats zero = {}, end = zero + (static_cast<float>(Cells) - 0.01f);
  Floats p[Count], x[Count], sum[Count];
  Integers cell[Count];
#pragma GCC unroll 4
  for (int c = 0; c < Count; ++c) {
    std::memcpy(&p[c], position + c * kTableLanes, sizeof p[c]);
    Floats t = (p[c] - table.first) * table.cells_per_position;
    t = t > zero ? t : zero;
    t = t < end ? t : end;
    cell[c] = __builtin_convertvector(t, Integers);
    x[c] = t - __builtin_convertvector(cell[c], Floats) - 0.5f;
    sum[c] = zero;
  }
  const float* last = table.coefficients.data() + table.coefficients.size();
  for (const float* from = table.coefficients.data(); from != last; from += Cells) {
    Floats row[Cells / kTableLanes];
    std::memcpy(row, from, sizeof row);
#pragma GCC unroll 4
    for (int c = 0; c < Count; ++c) {
      Floats found = __builtin_shuffle(row[0], row[1], cell[c]);
      if (Cells > 32) {
        const Floats high = __builtin_shuffle(row[Cells / 16 - 2], row[Cells / 16 - 1], cell[c]);
        found = cell[c] > 31 ? high : found;
      }
      sum[c] = sum[c] * x[c] + found;
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < Count; ++c) {
    sum[c] = p[c] == p[c] ? sum[c] : p[c];
    std::memcpy(y + c * kTableLanes, &sum[c], sizeof sum[c]);
  }
}

template <int Cells>
QUANTBENCH_INLINE void look_up_all(const CurveTable& table, const float* position, float* y,
                                   int64_t count) {
  int64_t i = 0;
  for (; i + 4 * kTableLanes <= count; i += 4 * kTableLanes)
    look_up_some<Cells, 4>(table, position + i, y + i);
  for (; i < count; i += kTableLanes) look_up_some<Cells, 1>(table, position + i, y + i);
}

QUANTBENCH_WIDE
void look_up_wide(const CurveTable& table, const float* position, float* y, int64_t count) {
  if (table.cells == 32)
    look_up_all<32>(table, position, y, count);
  else
    look_up_all<64>(table, position, y, count);
}

template <int Numbers>
QUANTBENCH_INLINE void look_up_numbers(const IntervalTable& table, const float* position,
                                       float* const numbers[], int64_t count) {
  Floats from, row[Numbers];
  std::memcpy(&from, table.from, sizeof from);
  std::memcpy(row, table.numbers, sizeof row);
  for (int64_t i = 0; i < count; i += kTableLanes) {
    Floats p;
    std::memcpy(&p, position + i, sizeof p);
    Integers at = {};
#pragma GCC unroll 4
    for (int32_t step = IntervalTable::kMost / 2; step > 0; step /= 2) {
      const Integers next = at + step;
      const Floats begin = __builtin_shuffle(from, next);
      at = p > begin ? next : at;
    }
#pragma GCC unroll 7
    for (int k = 0; k < Numbers; ++k) {
      const Floats found = __builtin_shuffle(row[k], at);
      std::memcpy(numbers[k] + i, &found, sizeof found);
    }
  }
}

QUANTBENCH_WIDE
void look_up_wide(const IntervalTable& table, const float* position, float* const numbers[],
                  int64_t count) {
  if (table.used == 3)
    look_up_numbers<3>(table, position, numbers, count);
  else
    look_up_numbers<IntervalTable::kNumbers>(table, position, numbers, count);
}

#endif

}  // namespace

bool looks_up_fast() {
#ifdef QUANTBENCH_WIDE
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

void look_up(const CurveTable& table, const float* position, float* y, int64_t count) {
#ifdef QUANTBENCH_WIDE
  if (looks_up_fast()) return look_up_wide(table, position, y, count);
#endif
  look_up_each(table, position, y, count);
}

void look_up(const IntervalTable& table, const float* position,
             float* const numbers[IntervalTable::kNumbers], int64_t count) {
#ifdef QUANTBENCH_WIDE
  if (looks_up_fast()) return look_up_wide(table, position, numbers, count);
#endif
  look_up_each(table, position, numbers, count);
}

}  // namespace quantbench::kernels
