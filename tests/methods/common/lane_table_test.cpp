#include "methods/common/lane_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace quantbench::kernels {
namespace {

TEST(IntervalTable, FindsTheLastIntervalThatBeginsBelow) {
  IntervalTable table{};
  std::fill(std::begin(table.from), std::end(table.from), std::numeric_limits<float>::infinity());
  table.from[0] = -std::numeric_limits<float>::infinity();
  for (int i = 1; i < 11; ++i) table.from[i] = static_cast<float>(i * i);
  for (int k = 0; k < IntervalTable::kNumbers; ++k)
    for (int i = 0; i < 11; ++i) table.numbers[k][i] = static_cast<float>(100 * k + i);
  std::vector<float> x(128);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) - 4;
  x[1] = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::vector<float>> found(IntervalTable::kNumbers, std::vector<float>(x.size(), -1));
  float* numbers[IntervalTable::kNumbers];
  for (int k = 0; k < IntervalTable::kNumbers; ++k)
    numbers[k] = found[static_cast<size_t>(k)].data();

  for (int64_t used : {int64_t{3}, IntervalTable::kNumbers}) {
    table.used = used;
    look_up(table, x.data(), numbers, static_cast<int64_t>(x.size()));
    for (int64_t k = 0; k < used; ++k)
      for (size_t i = 0; i < x.size(); ++i) {
        int at = 0;
        while (at < 10 && x[i] > table.from[at + 1]) ++at;
        EXPECT_EQ(found[static_cast<size_t>(k)][i], static_cast<float>(100 * k + at)) << x[i];
      }
  }
}

}  // namespace
}  // namespace quantbench::kernels
