// The real files, under $QUANTBENCH_DATA or ./data. What is not there is skipped.
#include "tests/datasets/support.h"

namespace quantbench {
namespace {

class RealData : public testing::Test {
 protected:
  // nullptr when the files are not there.
  static std::unique_ptr<Dataset> open(const std::string& name,
                                       const std::map<std::string, std::string>& options = {}) {
    if (!datasets().get(name).missing(data_root("")).empty()) return nullptr;
    return open_dataset(name, data_root(""), options);
  }

  static Batch whole(const Dataset& dataset, Split split) {
    BatchRequest request;
    for (int64_t i = 0; i < dataset.size(split); ++i) request.positions.push_back(i);
    return dataset.batch(split, request);
  }

  static std::vector<int64_t> class_counts(const Dataset& dataset, Split split) {
    return integers(torch::bincount(whole(dataset, split).target));
  }
};

#define OPEN_OR_SKIP(dataset, ...)        \
  const auto dataset = open(__VA_ARGS__); \
  if (!dataset) GTEST_SKIP() << "The files are not there; scripts/fetch_datasets.sh gets them."

TEST_F(RealData, Cifar10HasAllImagesOfEveryClass) {
  OPEN_OR_SKIP(cifar, "cifar10", {{"validation", "0"}});

  EXPECT_EQ(class_counts(*cifar, Split::Train), std::vector<int64_t>(10, 5000));
  EXPECT_EQ(class_counts(*cifar, Split::Test), std::vector<int64_t>(10, 1000));
  EXPECT_EQ(cifar->size(Split::Validation), 0);
}

TEST_F(RealData, Cifar10HoldsFiveThousandImagesOut) {
  OPEN_OR_SKIP(cifar, "cifar10");

  EXPECT_EQ(cifar->size(Split::Train), 45000);
  EXPECT_EQ(cifar->size(Split::Validation), 5000);
}

TEST_F(RealData, Cifar10HasItsOwnMeanAndDeviation) {
  OPEN_OR_SKIP(cifar, "cifar10", {{"validation", "0"}, {"mean_std", "cifar"}});

  const Tensor mean = whole(*cifar, Split::Train).input.mean({0, 2, 3});

  EXPECT_LT(mean.abs().max().item<float>(), 0.001);
}

TEST_F(RealData, ImdbBinaryHasAColumnForEveryDegreeUpTo135) {
  OPEN_OR_SKIP(imdb, "imdb_binary");

  EXPECT_EQ(imdb->input_shape(), std::vector<int64_t>{136});
}

TEST_F(RealData, MnistHasAllImages) {
  OPEN_OR_SKIP(mnist, "mnist", {{"validation", "0"}});

  const Batch train = whole(*mnist, Split::Train);

  EXPECT_EQ(train.input.size(0), 60000);
  EXPECT_EQ(class_counts(*mnist, Split::Test),
            (std::vector<int64_t>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}));
  EXPECT_NEAR(train.input.mean().item<float>(), 0, 0.001);
  EXPECT_NEAR(train.input.std().item<float>(), 1, 0.001);
}

TEST_F(RealData, RedditBinaryHasTheFoldsOfDegreeQuant) {
  OPEN_OR_SKIP(reddit, "reddit_binary", {{"fold", "0"}});

  EXPECT_EQ(reddit->size(Split::Train), 1600);
  EXPECT_EQ(reddit->size(Split::Validation), 200);
  EXPECT_EQ(reddit->input_shape(), std::vector<int64_t>{1});
  EXPECT_EQ(class_counts(*reddit, Split::Test), std::vector<int64_t>(2, 100));
  const Batch test = whole(*reddit, Split::Test);
  // The first and the sum of the test graphs of scikit-learn's first fold.
  EXPECT_EQ(test.sample_ids[0].item<int64_t>(), 21);
  EXPECT_EQ(test.sample_ids.sum().item<int64_t>(), 206857);
  EXPECT_EQ(whole(*reddit, Split::Train).topology->node_count() + test.topology->node_count() +
                whole(*reddit, Split::Validation).topology->node_count(),
            859254);
}

TEST_F(RealData, GinPublishedFoldsForMutag) {
  OPEN_OR_SKIP(mutag, "mutag", {{"folds_from", "files"}, {"fold", "3"}});

  EXPECT_EQ(mutag->size(Split::Train) + mutag->size(Split::Validation) + mutag->size(Split::Test),
            180);
  EXPECT_EQ(mutag->input_shape(), std::vector<int64_t>{7});
}

TEST_F(RealData, CoraIsTheStandardGraph) {
  OPEN_OR_SKIP(cora, "cora");

  const Batch train = whole(*cora, Split::Train);

  EXPECT_EQ(train.input.sizes(), (std::vector<int64_t>{2708, 1433}));
  EXPECT_EQ(cora->class_count(), 7);
  EXPECT_EQ(train.topology->edge_count(), 10556);
  EXPECT_EQ(class_counts(*cora, Split::Train), std::vector<int64_t>(7, 20));
  EXPECT_EQ(whole(*cora, Split::Validation).target.size(0), 500);
  EXPECT_EQ(class_counts(*cora, Split::Test),
            (std::vector<int64_t>{130, 91, 144, 319, 149, 103, 64}));
  EXPECT_NEAR(train.input.sum(1).min().item<float>(), 1, 1e-5);
}

TEST_F(RealData, CiteSeerIsTheStandardGraphWithItsIsolatedNodes) {
  OPEN_OR_SKIP(citeseer, "citeseer");

  const Batch test = whole(*citeseer, Split::Test);
  const Tensor empty = test.input.sum(1).eq(0).nonzero().squeeze(1);
  const Tensor absent = empty.masked_select(empty.ge(2312));

  EXPECT_EQ(test.input.sizes(), (std::vector<int64_t>{3327, 3703}));
  EXPECT_EQ(citeseer->class_count(), 6);
  EXPECT_EQ(test.topology->edge_count(), 9104);
  EXPECT_EQ(class_counts(*citeseer, Split::Train), std::vector<int64_t>(6, 20));
  EXPECT_EQ(test.target.size(0), 1000);
  EXPECT_EQ(absent.numel(), 15);
  EXPECT_EQ(torch::isin(absent, test.scored_rows).sum().item<int64_t>(), 0);
}

}  // namespace
}  // namespace quantbench
