#include "bench/latency.h"

#include <gtest/gtest.h>

namespace quantbench {
namespace {

TEST(Latency, EverySubjectGetsARowInOrder) {
  int a = 0, b = 0;

  const auto rows = measure_latency({{"first", "simulated", "engine", [&] { ++a; }},
                                     {"second", "simulated", "engine", [&] { ++b; }}},
                                    4);

  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].subject, "first");
  EXPECT_EQ(rows[1].subject, "second");
  EXPECT_EQ(rows[0].batch, 4);
  EXPECT_GT(a, 10);
  EXPECT_GT(b, 10);
  for (const LatencyRow& row : rows) {
    EXPECT_LE(row.low_ms, row.median_ms);
    EXPECT_LE(row.median_ms, row.high_ms);
    EXPECT_FALSE(row.isa.empty());
  }
}

}  // namespace
}  // namespace quantbench
