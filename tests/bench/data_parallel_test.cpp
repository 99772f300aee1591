// What several processes do together, in threads; tests/bench/processes_test.cpp has real ones.
#include "bench/data_parallel.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "base/interrupt.h"
#include "bench/step.h"
#include "tests/bench/thread_group.h"

namespace quantbench {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Values whose sum depends on the order.
Tensor part_of(int rank, int64_t count) {
  const RandomStream random(static_cast<uint64_t>(rank), "part");
  Tensor out = torch::empty({count});
  for (int64_t i = 0; i < count; ++i)
    out[i] = random.normal(static_cast<uint64_t>(i)) * std::pow(10.0, (i * 7 + rank) % 9);
  return out;
}

TEST(DataParallel, GradientsAreAddedInTheOrderOfRanks) {
  for (int size : {2, 3, 5}) {
    Tensor expected = part_of(0, 7);
    for (int rank = 1; rank < size; ++rank) expected = expected + part_of(rank, 7);
    std::vector<Tensor> got(static_cast<size_t>(size)), losses = got;

    const auto thrown = in_threads(size, [&](DataParallel& parallel) {
      Tensor weight = torch::zeros({7}, torch::requires_grad());
      weight.mutable_grad() = part_of(parallel.rank(), 7);
      Tensor loss = torch::full({}, parallel.rank() + 0.5f);
      parallel.add_up({weight}, {&loss});
      got[static_cast<size_t>(parallel.rank())] = weight.grad();
      losses[static_cast<size_t>(parallel.rank())] = loss;
    });

    EXPECT_THAT(thrown, Each(""));
    for (const Tensor& sum : got) EXPECT_TRUE(torch::equal(sum, expected)) << size;
    for (const Tensor& sum : losses)
      EXPECT_EQ(sum.item<float>(), static_cast<float>(size * (size - 1) / 2 + size * 0.5));
  }
}

TEST(DataParallel, AGradientThatOneProcessHasAllHave) {
  std::vector<Tensor> first(2), second(2), third(2);

  const auto thrown = in_threads(2, [&](DataParallel& parallel) {
    const auto at = static_cast<size_t>(parallel.rank());
    Tensor of_one = torch::zeros({2, 3}, torch::requires_grad());
    Tensor of_none = torch::zeros({4}, torch::requires_grad());
    Tensor doubles = torch::zeros({1}, torch::requires_grad().dtype(torch::kDouble));
    Tensor fixed = torch::zeros({5});
    if (parallel.rank() == 1) of_one.mutable_grad() = torch::full({2, 3}, 2.0f);
    doubles.mutable_grad() = torch::full({1}, 1e-30, torch::kDouble);
    parallel.add_up({of_one, of_none, fixed, doubles}, {});
    first[at] = of_one.grad();
    second[at] = of_none.grad();
    third[at] = doubles.grad();
  });

  EXPECT_THAT(thrown, Each(""));
  for (size_t at : {0u, 1u}) {
    EXPECT_TRUE(torch::equal(first[at], torch::full({2, 3}, 2.0f)));
    EXPECT_FALSE(second[at].defined()) << "an optimizer leaves alone what has no gradient";
    EXPECT_EQ(third[at].item<double>(), 2e-30);
  }
}

struct Statistics : torch::nn::Module {
  Statistics() {
    register_buffer("running_mean", torch::zeros({3}));
    register_buffer("batches", torch::zeros({1}, torch::kLong));
    register_parameter("weight", torch::zeros({2}));
  }
};

TEST(DataParallel, StatisticsAndStatesBecomeThoseOfRank0) {
  const auto thrown = in_threads(3, [&](DataParallel& parallel) {
    const int rank = parallel.rank();
    Statistics network;
    const torch::NoGradGuard no_grad;
    network.named_buffers()["running_mean"].fill_(rank + 1);
    network.named_buffers()["batches"].fill_(rank + 10);
    network.named_parameters()["weight"].fill_(rank + 20);
    parallel.keep_statistics(network);
    EXPECT_EQ(network.named_buffers()["running_mean"][2].item<float>(), 1);
    EXPECT_EQ(network.named_buffers()["batches"].item<int64_t>(), 10);
    EXPECT_EQ(network.named_parameters()["weight"][0].item<float>(), 20 + rank);

    parallel.send_state(network);
    EXPECT_EQ(network.named_parameters()["weight"][0].item<float>(), 20);

    SavedState state;
    if (rank == 0) {
      state.network["a"] = torch::arange(6).view({2, 3});
      state.network["none"] = torch::empty({0});
      state.method.tensors["b"] = torch::ones({}, torch::kBool);
      state.method.values = {{"bits", 4}};
    }
    parallel.send(state);
    EXPECT_TRUE(torch::equal(state.network.at("a"), torch::arange(6).view({2, 3})));
    EXPECT_EQ(state.network.at("none").numel(), 0);
    EXPECT_TRUE(state.method.tensors.at("b").item<bool>());
    EXPECT_EQ(state.method.values.at("bits"), 4);
  });

  EXPECT_THAT(thrown, Each(""));
}

TEST(DataParallel, ProcessesThatDriftApartAreAnError) {
  const auto equal = in_threads(
      3, [](DataParallel& parallel) { parallel.require_equal("0123", "after epoch 1"); });
  const auto drifted = in_threads(3, [](DataParallel& parallel) {
    parallel.require_equal(parallel.rank() == 2 ? "0124" : "0123", "after epoch 7");
  });

  EXPECT_THAT(equal, Each(""));
  EXPECT_THAT(drifted, Each(HasSubstr("no longer equal after epoch 7: 2 of 3 differ")));
}

TEST(DataParallel, WhatRank0DoesForAllEndsForAllAlike) {
  int done = 0;
  const auto thrown = in_threads(3, [&](DataParallel& parallel) {
    parallel.first([&] { ++done; });
    parallel.first([&] { fail("It cannot be planned."); });
  });

  EXPECT_EQ(done, 1);
  EXPECT_THAT(thrown, Each("It cannot be planned."));
}

TEST(DataParallel, WhoLeavesIsHeardByThoseWhoWait) {
  for (int leaver : {0, 1}) {
    const auto thrown = in_threads(2, [&](DataParallel& parallel) {
      if (parallel.rank() == leaver) fail("The disk is full.");
      parallel.sum(torch::ones({3}));
    });

    EXPECT_THAT(thrown, Each("The disk is full.")) << leaver;
  }
}

TEST(DataParallel, WorkBeginsWhenAllAreReadyAndEndsWithACode) {
  std::vector<int> codes(3, -1), began(3, 0);
  for (const bool ready : {true, false}) {
    const auto thrown = in_threads(3, [&](DataParallel& parallel) {
      const auto at = static_cast<size_t>(parallel.rank());
      if (parallel.leads()) {
        parallel.start("recipe");
        ++began[at];
        parallel.finish(7);
        return;
      }
      while (const auto work = parallel.next()) {
        EXPECT_EQ(*work, "recipe");
        parallel.answer(ready || parallel.rank() != 2 ? "" : "There is no such dataset.");
        ++began[at];
      }
      codes[at] = parallel.exit_code();
    });

    if (ready)
      EXPECT_THAT(thrown, Each(""));
    else
      EXPECT_THAT(thrown,
                  Each(HasSubstr("Process 2 of 3 cannot begin: There is no such dataset.")));
    EXPECT_THAT(began, Each(1)) << "only the first time";
    EXPECT_THAT(codes, ElementsAre(-1, 7, 7));
  }
}

TEST(Division, SharesAllPartsOfABatchInTheirOrder) {
  const auto thrown = in_threads(2, [](DataParallel& parallel) {
    const bool leads = parallel.leads();
    using Range = std::pair<int64_t, int64_t>;
    EXPECT_EQ((Division{2, &parallel}.own_samples(20)), leads ? Range(0, 10) : Range(10, 10));
    EXPECT_EQ((Division{2, &parallel}.own_samples(7)), leads ? Range(0, 4) : Range(4, 3));
    EXPECT_EQ((Division{4, &parallel}.own_samples(20)), leads ? Range(0, 10) : Range(10, 10));
    // Five samples are three parts of two, two and one.
    EXPECT_EQ((Division{4, &parallel}.own_parts(5)), leads ? Range(0, 2) : Range(2, 1));
    EXPECT_EQ((Division{4, &parallel}.own_samples(5)), leads ? Range(0, 4) : Range(4, 1));
    EXPECT_EQ((Division{2, &parallel}.own_samples(1)), leads ? Range(0, 1) : Range(0, 0));
  });

  EXPECT_THAT(thrown, Each(""));
  EXPECT_EQ((Division{3}.own_samples(20)), std::make_pair(int64_t{0}, int64_t{20}));
}

}  // namespace
}  // namespace quantbench
