#include "runtime/engine/placement.h"

#include <algorithm>

namespace quantbench::engine {
namespace {

constexpr int64_t kLine = 64;  // bytes of a cache line

struct Life {
  int first = -1, last = -1;
};

}  // namespace

Placement place(const Compiled& program, int output, int64_t nodes, int64_t graphs) {
  const size_t count = program.layouts.size();
  std::vector<Life> lives(count);
  for (size_t i = 0; i < program.touches.size(); ++i)
    for (int v : program.touches[i]) {
      Life& life = lives[static_cast<size_t>(v)];
      if (life.first < 0) life.first = static_cast<int>(i);
      life.last = static_cast<int>(i);
    }
  const int last = program.roots[static_cast<size_t>(output)];
  lives[static_cast<size_t>(last)].last = static_cast<int>(program.touches.size());
  std::vector<int64_t> sizes;
  for (const Layout& layout : program.layouts)
    sizes.push_back(rounded_up(layout.of(layout.per == Per::Node ? nodes : graphs).bytes(), kLine));
  Placement out;
  out.offsets.assign(count, -1);
  for (size_t v = 0; v < count; ++v) {
    if (lives[v].first < 0) continue;
    int64_t at = kLine;
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t o = 0; o < count; ++o) {
        if (o == v || out.offsets[o] < 0) continue;
        const int64_t end = out.offsets[o] + sizes[o];
        const bool together = lives[o].first <= lives[v].last && lives[v].first <= lives[o].last;
        if (together && out.offsets[o] < at + sizes[v] && at < end) {
          at = end;
          moved = true;
        }
      }
    }
    out.offsets[v] = at;
    out.bytes = std::max(out.bytes, at + sizes[v]);
  }
  for (size_t v = 0; v < program.roots.size(); ++v)
    out.offsets[v] = out.offsets[static_cast<size_t>(program.roots[v])];
  return out;
}

}  // namespace quantbench::engine
