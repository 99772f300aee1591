#include "bench/latency.h"

#include <gtest/gtest.h>

#include "bench/package_latency.h"
#include "models/model.h"
#include "tests/runtime/quantized_package.h"

namespace quantbench {
namespace {

TEST(Latency, EverySubjectGetsARowInOrder) {
  int a = 0, b = 0;

  const auto rows = measure_latency({{"first", "simulated", "engine", [&] { ++a; }, {}},
                                     {"second", "simulated", "engine", [&] { ++b; }, {}}},
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
    EXPECT_LE(row.p50_ms, row.p90_ms);
    EXPECT_LE(row.p90_ms, row.p99_ms);
    EXPECT_FALSE(row.offline_per_second);
    EXPECT_FALSE(row.isa.empty());
  }
}

// GAT's softmax is the one thing of a graph network that stays in floats, in an order of its own.
TEST(Latency, KindNamesTheFloatPartsOfAttention) {
  const auto kind = [](const char* model, const ModelInput& shape) {
    torch::manual_seed(4);
    return latency_kind(EngineExecutor(quantized_package(build_model(model, shape), 8, 8)));
  };

  EXPECT_EQ(kind("lenet5", {{1, 28, 28}, 4}), "integer fused");
  EXPECT_EQ(kind("gat2", {{9}, 4}), "integer with float parts");
}

TEST(Latency, SamplesASecondAreOfThoseThatTakeManyAtOnce) {
  int many = 0;

  const auto rows = measure_latency({{"first", "simulated", "engine", [] {}, [&] { ++many; }},
                                     {"second", "simulated", "engine", [] {}, {}}},
                                    1, 64);

  EXPECT_GT(many, 5);
  EXPECT_EQ(rows[0].offline_batch, 64);
  EXPECT_GT(rows[0].offline_per_second, 0);
  EXPECT_FALSE(rows[1].offline_per_second);
}

}  // namespace
}  // namespace quantbench
