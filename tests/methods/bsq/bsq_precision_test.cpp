// The integers under the bit planes: conversion, re-quantization, removal of empty planes.
#include <gtest/gtest.h>

#include <cmath>

#include "methods/bsq/precision.h"
#include "methods/bsq/quantizers.h"
#include "tests/methods/support.h"

namespace quantbench::bsq {
namespace {

Tensor values_of(const Magnitudes& m) { return m.codes.to(torch::kFloat64) * m.step(); }

double largest_difference(const Tensor& a, const Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

TEST(BsqPrecision, EightBitsMissAWeightByHalfAStepAtMost) {
  const Tensor weight = random_tensor({100000}, 1, 0.1);

  const Magnitudes m = magnitudes_of(weight, 8);

  const double error = largest_difference(weight, values_of(m));
  EXPECT_LE(error, m.scale / (2 * 255) + 1e-7 * m.scale);
  EXPECT_GE(error, 0.49 * m.scale / 255) << "a hundred thousand weights come close to the bound";
}

TEST(BsqPrecision, AWeightOnTheGridComesBack) {
  for (int bits = 1; bits <= 8; ++bits) {
    const int64_t largest = largest_code(bits);
    torch::manual_seed(static_cast<uint64_t>(bits));
    Tensor codes = torch::randint(-largest, largest + 1, {1000}, torch::kInt32);
    codes[0] = static_cast<int32_t>(largest);
    const Magnitudes start{bits, 0.37, codes};
    const Tensor weight = values_of(start).to(torch::kFloat32);

    const Magnitudes once = magnitudes_of(weight, bits);
    const Magnitudes twice = magnitudes_of(values_of(once).to(torch::kFloat32), bits);

    EXPECT_TRUE(torch::equal(once.codes, codes)) << bits;
    EXPECT_LE(largest_difference(values_of(once), weight), 2 * 0.37 * 0x1p-24) << bits;
    EXPECT_TRUE(torch::equal(twice.codes, once.codes)) << bits;
    EXPECT_EQ(twice.scale, once.scale) << bits;
  }
}

TEST(BsqPrecision, PlanesRebuildTheIntegersExactly) {
  const Magnitudes m = magnitudes_of(random_tensor({7, 5, 3, 3}, 2), 8);

  const BitPlanes planes = planes_of(m);

  EXPECT_EQ(planes.positive.sizes(), (torch::IntArrayRef{8, 7 * 5 * 9}));
  EXPECT_TRUE(torch::equal(sum_of(planes), m.codes.reshape({-1}).to(torch::kFloat32)));
  EXPECT_TRUE(((planes.positive.sum(0) == 0) | (planes.negative.sum(0) == 0)).all().item<bool>())
      << "a weight has one sign";
}

TEST(BsqPrecision, EmptyPlanesGoWithoutChangingTheWeights) {
  // Multiples of 4 up to 60 of 255: two planes are empty at the bottom and two at the top.
  const Tensor codes = 4 * torch::arange(-15, 16, torch::kInt32);
  const Magnitudes before{8, 0.37, codes};

  const Adjusted after = drop_empty_planes(before, 1);

  EXPECT_EQ(after.low, 2);
  EXPECT_EQ(after.high, 2);
  EXPECT_EQ(after.weights.bits, 4);
  EXPECT_NEAR(after.weights.scale, 0.0870588, 1e-7);
  EXPECT_LE(largest_difference(values_of(before), values_of(after.weights)), 1e-16);
  const PlaneQuantizer old(before), fresh(after.weights);
  EXPECT_LE(largest_difference(decode(old.encode({})), decode(fresh.encode({}))), 1e-7 * 0.37);
}

TEST(BsqPrecision, NothingGoesWhereBothEndsAreUsed) {
  const Magnitudes before{3, 1.0, torch::tensor({5, -4, 0, 1}, torch::kInt32)};

  const Adjusted after = drop_empty_planes(before, 1);

  EXPECT_EQ(after.weights.bits, 3);
  EXPECT_EQ(after.weights.scale, 1.0);
  EXPECT_TRUE(torch::equal(after.weights.codes, before.codes));
}

TEST(BsqPrecision, ALayerOfZerosKeepsOneBitUntilItMayVanish) {
  const Magnitudes zeros{8, 0.5, torch::zeros({4}, torch::kInt32)};

  EXPECT_EQ(drop_empty_planes(zeros, 1).weights.bits, 1);
  EXPECT_EQ(drop_empty_planes(zeros, 0).weights.bits, 0);
}

TEST(BsqPrecision, CarriesLetALayerGrowByOneBitAtMost) {
  torch::manual_seed(3);
  for (int bits = 1; bits <= 8; ++bits) {
    BitPlanes planes{2 * torch::rand({bits, 4000}), torch::zeros({bits, 4000})};
    planes.positive.select(1, 0).fill_(2);  // the largest sum that bits can reach
    const double scale = 0.7;

    const Magnitudes m = requantize(planes, {4000}, scale, /*may_grow=*/true);

    EXPECT_EQ(m.bits, std::min(bits + 1, kMostBits));
    EXPECT_LE(m.codes.abs().max().item<int>(), largest_code(m.bits));
    EXPECT_GE(m.codes.min().item<int>(), 0);
    if (bits == kMostBits) continue;
    EXPECT_NEAR(m.step(), scale / static_cast<double>(largest_code(bits)), 1e-15)
        << "one code is worth what it was";
    EXPECT_TRUE(torch::equal(m.codes, torch::round(sum_of(planes)).to(torch::kInt32)));
  }
}

TEST(BsqPrecision, WithoutGrowthTheForwardPassStaysWhatItWas) {
  torch::manual_seed(4);
  const BitPlanes planes{2 * torch::rand({3, 500}), 2 * torch::rand({3, 500})};

  const Magnitudes m = requantize(planes, {500}, 0.7, /*may_grow=*/false);

  EXPECT_EQ(m.bits, 3);
  EXPECT_EQ(m.scale, 0.7);
  EXPECT_TRUE(torch::equal(m.codes, torch::round(sum_of(planes)).clamp(-7, 7).to(torch::kInt32)));
}

// The density of bits in a layer of Gaussian weights, from the lowest to the highest plane.
TEST(BsqPrecision, TheHighestPlaneOfGaussianWeightsIsNearlyEmpty) {
  Tensor weight = random_tensor({200000}, 5).clamp(-4.69, 4.69);
  weight[0] = 4.7;

  const BitPlanes planes = planes_of(magnitudes_of(weight, 8));

  const Tensor density = (planes.positive + planes.negative).mean(1);
  const double expected[] = {.50, .50, .49, .47, .44, .38, .22, .02};
  for (int b = 0; b < 8; ++b)
    EXPECT_NEAR(density[b].item<double>(), expected[b], b == 7 ? 0.015 : 0.025) << b;
}

}  // namespace
}  // namespace quantbench::bsq
