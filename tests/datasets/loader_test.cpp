#include "datasets/loader.h"

#include <atomic>
#include <thread>

#include "tests/datasets/support.h"

namespace quantbench {
namespace {

// Batches whose sample_ids are the positions that were asked for, and whose input is one number of
// the augmentation stream. Counts how many it made; fails at one position, if asked to.
class Positions : public Dataset {
 public:
  explicit Positions(int64_t count, int64_t bad = -1) : count_(count), bad_(bad) {}

  int64_t size(Split) const override { return count_; }
  int64_t class_count() const override { return 1; }
  std::vector<int64_t> input_shape() const override { return {1}; }
  std::string fingerprint() const override { return "positions"; }
  std::string preprocessing() const override { return "none"; }
  Batch batch(Split, const BatchRequest& request) const override {
    ++made;
    // Later batches tend to be ready before earlier ones.
    if (request.positions[0] % 2 == 0) std::this_thread::yield();
    for (int64_t position : request.positions)
      require(position != bad_, "Position {} is bad.", position);
    Batch out;
    out.sample_ids = torch::tensor(request.positions, torch::kLong);
    out.input = torch::tensor({static_cast<double>(request.random.uniform(0))}, torch::kDouble);
    return out;
  }

  mutable std::atomic<int> made{0};

 private:
  int64_t count_, bad_;
};

LoaderConfig config_of(int64_t batch_size, int threads, bool shuffle = false) {
  LoaderConfig config;
  config.batch_size = batch_size;
  config.threads = threads;
  config.shuffle = shuffle;
  return config;
}

using Order = std::vector<std::vector<int64_t>>;

Order rest_of_epoch(Loader& loader) {
  Order out;
  while (auto batch = loader.next()) out.push_back(integers(batch->sample_ids));
  return out;
}

Order epoch_of(Loader& loader, int64_t epoch, int64_t first = 0) {
  loader.start(epoch, first);
  return rest_of_epoch(loader);
}

class Threads : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Loader, Threads, testing::Values(0, 1, 4));

TEST_P(Threads, GiveEveryPositionOnceInOrder) {
  Positions dataset(7);
  Loader loader(dataset, config_of(3, GetParam()));

  const Order order = epoch_of(loader, 0);

  EXPECT_EQ(order, (Order{{0, 1, 2}, {3, 4, 5}, {6}}));
}

TEST_P(Threads, MakeOnlyTheirShareOfEachBatch) {
  Positions dataset(7);
  LoaderConfig config = config_of(3, GetParam());
  config.share = [](int64_t index, int64_t samples) {
    return std::pair<int64_t, int64_t>(1, index == 1 ? 0 : samples - 1);
  };
  Loader loader(dataset, config);

  loader.start(0);
  const Batch first = loader.next().value(), second = loader.next().value(),
              third = loader.next().value();

  EXPECT_EQ(integers(first.sample_ids), (std::vector<int64_t>{1, 2}));
  EXPECT_FALSE(second.sample_ids.defined());
  EXPECT_FALSE(third.sample_ids.defined());
  EXPECT_FALSE(loader.next().has_value());
  EXPECT_EQ(dataset.made, 1);
}

TEST_P(Threads, GiveTheSameShuffledOrder) {
  Positions dataset(100);
  Loader loader(dataset, config_of(8, GetParam(), true));
  Loader reference(dataset, config_of(8, 0, true));

  const Order order = epoch_of(loader, 5);

  EXPECT_EQ(order, epoch_of(reference, 5));
  EXPECT_NE(order, epoch_of(reference, 6));
}

TEST_P(Threads, GoOnWhereAnEpochWasLeft) {
  Positions dataset(50);
  Loader loader(dataset, config_of(4, GetParam(), true));
  const Order whole = epoch_of(loader, 2);

  const Order rest = epoch_of(loader, 2, 9);

  EXPECT_EQ(rest, Order(whole.begin() + 9, whole.end()));
}

TEST_P(Threads, ThrowWhatWasThrownThereAndGoOn) {
  Positions dataset(9, 4);
  Loader loader(dataset, config_of(3, GetParam()));
  loader.start(0);
  loader.next();

  const std::string sentence = error_of([&] { loader.next(); });

  EXPECT_EQ(sentence, "Position 4 is bad.");
  EXPECT_EQ(rest_of_epoch(loader), (Order{{6, 7, 8}}));
}

TEST_P(Threads, ThrowAwayWhatWasPrefetchedAtANewStart) {
  Positions dataset(1000);
  Loader loader(dataset, config_of(2, GetParam(), true));
  Loader reference(dataset, config_of(2, 0, true));
  for (int64_t epoch = 0; epoch < 20; ++epoch) {
    loader.start(epoch);
    loader.next();
  }

  EXPECT_EQ(epoch_of(loader, 20), epoch_of(reference, 20));
}

TEST_P(Threads, StopInTheMiddleOfAnEpoch) {
  Positions dataset(1000);
  auto loader = std::make_unique<Loader>(dataset, config_of(1, GetParam()));
  loader->start(0);
  loader->next();

  loader.reset();

  EXPECT_LT(dataset.made, 1000);
}

TEST(Loader, DropsAnIncompleteLastBatchWhenAsked) {
  Positions dataset(7);
  LoaderConfig config = config_of(3, 0);
  config.drop_last = true;
  Loader loader(dataset, config);

  EXPECT_EQ(loader.batches_per_epoch(), 2);
  EXPECT_EQ(epoch_of(loader, 0), (Order{{0, 1, 2}, {3, 4, 5}}));
}

TEST(Loader, GivesNothingOfAnEmptySplit) {
  Positions dataset(0);
  Loader loader(dataset, config_of(3, 1));

  EXPECT_EQ(loader.batches_per_epoch(), 0);
  EXPECT_TRUE(epoch_of(loader, 0).empty());
}

TEST(Loader, GivesNothingBeforeItIsStarted) {
  Positions dataset(5);
  Loader loader(dataset, config_of(3, 2));

  EXPECT_FALSE(loader.next().has_value());
}

TEST(Loader, HoldsABoundedNumberOfBatches) {
  Positions dataset(1000);
  Loader loader(dataset, config_of(1, 2));
  loader.start(0);
  for (int i = 0; i < 10; ++i) loader.next();

  // Two threads prepare at most two batches each beyond what was taken.
  EXPECT_LE(dataset.made, 10 + 4);
}

TEST(Loader, DrawsOrderAndAugmentationFromStreamsOfTheirOwn) {
  Positions dataset(20);
  LoaderConfig config = config_of(20, 0, true);
  config.seed = 3;
  Loader loader(dataset, config);
  loader.start(4);

  const Batch batch = *loader.next();

  EXPECT_EQ(integers(batch.sample_ids), permutation(20, RandomStream(3, "order").child(4)));
  EXPECT_EQ(batch.input.item<double>(), RandomStream(3, "augment").child(4).uniform(0));
}

TEST(Loader, RefusesSettingsThatMakeNoSense) {
  Positions dataset(5);
  Loader loader(dataset, config_of(3, 0));

  EXPECT_THROW(Loader(dataset, config_of(0, 0)), Error);
  EXPECT_THROW(Loader(dataset, config_of(1, -1)), Error);
  EXPECT_THROW(loader.start(0, 3), Error);
  EXPECT_THROW(loader.start(0, -1), Error);
}

}  // namespace
}  // namespace quantbench
