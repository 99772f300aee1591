#include "base/nearest.h"

#include <gtest/gtest.h>

namespace quantbench {
namespace {

TEST(Nearest, OffersWhatWasMostLikelyMeant) {
  const std::vector<std::string> known{"uniform", "hawq", "hawq_v2", "weight_bits"};

  EXPECT_EQ(nearest_name("unifrom", known), "uniform");
  EXPECT_EQ(nearest_name("hawk", known), "hawq");
  EXPECT_EQ(nearest_name("hawq_v3", known), "hawq_v2");
  EXPECT_EQ(nearest_name("weigth_bits", known), "weight_bits");
  EXPECT_EQ(did_you_mean("hawk", known, "--method="), "; did you mean --method=hawq?");
}

TEST(Nearest, OffersNothingRatherThanNonsense) {
  EXPECT_EQ(nearest_name("juggle", {"uniform", "hawq"}), "");
  EXPECT_EQ(nearest_name("x", {}), "");
  EXPECT_EQ(did_you_mean("juggle", {"run"}), "");
}

}  // namespace
}  // namespace quantbench
