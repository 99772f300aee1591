#include "tests/datasets/support.h"

namespace quantbench {
namespace {

using Options = std::map<std::string, std::string>;

const Options small{{"train", "40"}, {"validation", "10"}, {"test", "20"}};

std::unique_ptr<Dataset> images(Options options = small) {
  return open_dataset("synthetic_images", "", options);
}

std::unique_ptr<Dataset> graph(const Options& options = {}) {
  return open_dataset("synthetic_graph", "", options);
}

Batch whole(const Dataset& dataset, Split split) {
  BatchRequest request;
  for (int64_t i = 0; i < dataset.size(split); ++i) request.positions.push_back(i);
  return dataset.batch(split, request);
}

TEST(SyntheticImages, HaveTheSizesThatWereAskedFor) {
  const auto dataset = images(
      {{"train", "40"}, {"validation", "10"}, {"test", "20"}, {"size", "12"}, {"channels", "1"}});

  EXPECT_EQ(dataset->size(Split::Train), 40);
  EXPECT_EQ(dataset->size(Split::Validation), 10);
  EXPECT_EQ(dataset->size(Split::Test), 20);
  EXPECT_EQ(dataset->input_shape(), (std::vector<int64_t>{1, 12, 12}));
  EXPECT_EQ(dataset->class_count(), 10);
}

TEST(SyntheticImages, HaveEveryClassEquallyOftenInEverySplit) {
  const auto dataset = images();

  for (Split split : {Split::Train, Split::Validation, Split::Test}) {
    const Tensor counts = torch::bincount(whole(*dataset, split).target);
    EXPECT_EQ(counts.numel(), 10);
    EXPECT_EQ(counts.min().item<int64_t>(), counts.max().item<int64_t>());
  }
}

TEST(SyntheticImages, AreTheSameEveryTime) {
  EXPECT_TRUE(
      torch::equal(whole(*images(), Split::Train).input, whole(*images(), Split::Train).input));
  EXPECT_EQ(images()->fingerprint(), images()->fingerprint());
}

TEST(SyntheticImages, DifferBySeedAndBySplit) {
  Options other = small;
  other["data_seed"] = "1";
  const Tensor train = whole(*images(), Split::Train).input.slice(0, 0, 20);

  EXPECT_FALSE(torch::equal(train, whole(*images(other), Split::Train).input.slice(0, 0, 20)));
  EXPECT_FALSE(torch::equal(train, whole(*images(), Split::Test).input));
  EXPECT_NE(images()->fingerprint(), images(other)->fingerprint());
}

// The phase of a grating is random, so that no fixed template tells the classes apart, but the
// power along its orientation is not: the nearest class mean in that space is far above chance.
TEST(SyntheticImages, ShowTheirClassInTheirSpectrum) {
  const auto dataset =
      images({{"train", "400"}, {"test", "200"}, {"validation", "0"}, {"noise", "0.1"}});
  auto spectrum = [](const Tensor& input) {
    return at::fft_fft2(input - input.mean({2, 3}, true)).abs().sum(1).flatten(1);
  };
  const Batch train = whole(*dataset, Split::Train), test = whole(*dataset, Split::Test);
  const Tensor one_hot = torch::one_hot(train.target, 10).to(torch::kFloat);
  const Tensor means = one_hot.t().mm(spectrum(train.input)) / one_hot.sum(0).unsqueeze(1);

  const Tensor predicted = torch::cdist(spectrum(test.input), means).argmin(1);

  EXPECT_GT(predicted.eq(test.target).to(torch::kFloat).mean().item<float>(), 0.5);
}

TEST(SyntheticGraph, IsOneUndirectedGraphWithoutSelfLoopsAndDuplicates) {
  const Batch batch = whole(*graph(), Split::Train);
  const Tensor source = batch.topology->source(), target = batch.topology->target();
  const int64_t nodes = batch.topology->node_count();

  Tensor forth = std::get<0>((source * nodes + target).sort());
  Tensor back = std::get<0>((target * nodes + source).sort());

  EXPECT_TRUE(torch::equal(forth, back));
  EXPECT_EQ(source.eq(target).sum().item<int64_t>(), 0);
  EXPECT_TRUE((forth.slice(0, 1) > forth.slice(0, 0, -1)).all().item<bool>());
}

TEST(SyntheticGraph, SharesOneGraphAndKeepsTheScoredNodesApart) {
  const auto dataset = graph();
  const Batch train = whole(*dataset, Split::Train);
  const Batch validation = whole(*dataset, Split::Validation), test = whole(*dataset, Split::Test);

  EXPECT_EQ(dataset->size(Split::Train), 1);
  EXPECT_EQ(train.input.data_ptr(), test.input.data_ptr());
  EXPECT_EQ(train.topology, test.topology);
  EXPECT_EQ(train.target.size(0), 100);
  EXPECT_EQ(validation.target.size(0), 200);
  EXPECT_EQ(test.target.size(0), 700);
  const Tensor all = torch::cat({train.scored_rows, validation.scored_rows, test.scored_rows});
  EXPECT_TRUE(torch::equal(all, torch::arange(1000)));
}

TEST(SyntheticGraph, LinksNodesOfAClassAsOftenAsAsked) {
  const Batch batch = whole(*graph({{"nodes", "5000"}, {"homophily", "0.8"}}), Split::Train);
  const Tensor labels = torch::arange(5000).remainder(5);

  const Tensor same = labels.index_select(0, batch.topology->source())
                          .eq(labels.index_select(0, batch.topology->target()));

  // 15,000 edges: five standard errors are 0.016; a few duplicates are lost.
  EXPECT_NEAR(same.to(torch::kFloat).mean().item<float>(), 0.8, 0.02);
}

TEST(SyntheticGraph, RefusesSplitsThatDoNotFit) {
  const std::string sentence = error_of([] { graph({{"nodes", "300"}}); });

  EXPECT_THAT(sentence, testing::HasSubstr("raise option nodes"));
}

TEST(SyntheticGraph, RefusesAnyOtherSample) {
  const auto dataset = graph();

  EXPECT_THROW(dataset->batch(Split::Train, {{1}, false, {0, ""}}), Error);
  EXPECT_THROW(dataset->batch(Split::Train, {{}, false, {0, ""}}), Error);
}

}  // namespace
}  // namespace quantbench
