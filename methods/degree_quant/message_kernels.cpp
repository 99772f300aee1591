#include "methods/degree_quant/message_kernels.h"

#include <cmath>

#include "base/vector_units.h"

namespace quantbench::kernels {
namespace {

QUANTBENCH_INLINE void add_scaled(const float* __restrict row, float factor, int64_t width,
                                  float* __restrict to) {
  for (int64_t f = 0; f < width; ++f) to[f] += row[f] * factor;
}

}  // namespace

QUANTBENCH_CLONES
Beyond sum_quantized(const float* x, const Messages& m, int64_t first, int64_t last, float* out,
                     float low, float high) {
  const Grid g = m.grid;
  const int64_t width = m.width;
  Beyond seen;
  for (int64_t v = first; v < last; ++v) {
    float* __restrict to = out + v * width;
    for (int64_t k = m.edges.offsets[v]; k < m.edges.offsets[v + 1]; ++k) {
      const int64_t e = m.edges.edge(k);
      const float* __restrict row = x + m.edges.other[e] * width;
      const float factor = m.edges.factor(e);
      if (m.keep && m.keep[e]) {
        add_scaled(row, factor, width, to);
        continue;
      }
      int32_t below = 0, above = 0;
      for (int64_t f = 0; f < width; ++f) {
        const float message = row[f] * factor;
        float code = std::nearbyint(message * g.inverse) + g.offset;
        code = code < g.low ? g.low : code;
        code = code > g.high ? g.high : code;
        to[f] += (code - g.zero_point) * g.scale;
        below += message < low;
        above += message > high;
      }
      seen += {width, below, above};
    }
  }
  return seen;
}

QUANTBENCH_CLONES
void sum_gated(const float* x, const float* gradient, const Messages& m, int64_t first,
               int64_t last, float* dx) {
  const Grid g = m.grid;
  const int64_t width = m.width;
  for (int64_t u = first; u < last; ++u) {
    const float* __restrict row = x + u * width;
    float* __restrict to = dx + u * width;
    for (int64_t k = m.edges.offsets[u]; k < m.edges.offsets[u + 1]; ++k) {
      const int64_t e = m.edges.edge(k);
      const float* __restrict slope = gradient + m.edges.other[e] * width;
      const float factor = m.edges.factor(e);
      if (!m.clipped || (m.keep && m.keep[e])) {
        add_scaled(slope, factor, width, to);
        continue;
      }
      for (int64_t f = 0; f < width; ++f) {
        const float code = std::nearbyint(row[f] * factor * g.inverse) + g.offset;
        const bool open = (code > g.low) & (code < g.high);
        to[f] += (open ? slope[f] : 0.0f) * factor;
      }
    }
  }
}

}  // namespace quantbench::kernels
