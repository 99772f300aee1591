// What networks for ImageNet have beyond others: uneven borders, ReLU6, branches side by side,
// pools that reach beyond the border.
#pragma once

#include "models/builder.h"

namespace quantbench {

inline Graph imagenet_operations() {
  GraphBuilder g("imagenet_operations", {3, 17, 14}, 4);
  int x = g.conv_same("conv", g.input(), 8, 3, {2});
  x = g.relu("relu6", g.batch_norm("bn", x), 6);
  x = g.node("ceil_pool", op::MaxPool{2, 2, 0, /*ceil=*/true}, {x});
  const int mean = g.node("mean_pool", op::AvgPool{3, 1, 1}, {x});
  const int left = g.relu("left_relu", g.conv("left", mean, 6, 1, {1, 0, 1, true}));
  const int deep = g.conv_same("right", x, 8, 3, {1, 0, 8, true});
  x = g.concat("cat", {left, g.relu("right_relu", deep, 6)});
  x = g.relu("row_relu", g.conv_same("row", x, 10, {1, 3}));
  g.linear("linear", g.global_avg_pool("mean", x), 4);
  return std::move(g).build();
}

}  // namespace quantbench
