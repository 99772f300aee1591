#include "datasets/images.h"

#include <set>

#include "tests/datasets/support.h"

namespace quantbench {
namespace {

using testing::HasSubstr;

constexpr int64_t side = 8;

// Two channels; pixel (channel, y, x) of image i is 1 + 100 channel + 10 y + x + i, never black.
ImageSet counting_images(int count) {
  ImageSet set;
  for (int i = 0; i < count; ++i) {
    for (int channel = 0; channel < 2; ++channel)
      for (int y = 0; y < side; ++y)
        for (int x = 0; x < side; ++x)
          set.pixels.push_back(static_cast<uint8_t>(1 + 100 * channel + 10 * y + x + i));
    set.labels.push_back(static_cast<uint8_t>(i % 3));
  }
  return set;
}

ImageFormat format_of(int64_t shift, bool mirror) {
  return {2, side, side, 3, {0.25f, 0.5f}, {0.5f, 2.0f}, shift, mirror};
}

ImageDataset dataset_of(int64_t shift, bool mirror, HeldOut split = {{0, 2, 3}, {1, 4}}) {
  return {format_of(shift, mirror), counting_images(5), std::move(split), counting_images(2),
          "content"};
}

Tensor varied(const ImageDataset& dataset, int64_t position, uint64_t seed) {
  return dataset.batch(Split::Train, {{position}, true, RandomStream(seed, "augment")}).input[0];
}

// The image without its first two dimensions' normalisation: bytes as int64.
Tensor bytes_of(const Tensor& image) {
  const Tensor mean = torch::tensor({0.25f, 0.5f}).reshape({2, 1, 1});
  const Tensor deviation = torch::tensor({0.5f, 2.0f}).reshape({2, 1, 1});
  return ((image * deviation + mean) * 255).round().to(torch::kLong);
}

TEST(ImageDataset, NormalisesBytesByChannel) {
  const ImageDataset dataset = dataset_of(0, false);

  const Batch batch = dataset.batch(Split::Train, {{0}, false, RandomStream(0, "")});

  EXPECT_EQ(batch.input.sizes(), (std::vector<int64_t>{1, 2, side, side}));
  EXPECT_TRUE(batch.input.is_contiguous());
  EXPECT_FLOAT_EQ(batch.input[0][0][2][3].item<float>(), (24.0f / 255 - 0.25f) / 0.5f);
  EXPECT_FLOAT_EQ(batch.input[0][1][0][0].item<float>(), (101.0f / 255 - 0.5f) / 2.0f);
}

TEST(ImageDataset, KeepsItsSplitsApart) {
  const ImageDataset dataset = dataset_of(0, false);

  const Batch train = dataset.batch(Split::Train, {{0, 1, 2}, false, RandomStream(0, "")});
  const Batch validation = dataset.batch(Split::Validation, {{1, 0}, false, RandomStream(0, "")});
  const Batch test = dataset.batch(Split::Test, {{1}, false, RandomStream(0, "")});

  EXPECT_EQ(integers(train.sample_ids), (std::vector<int64_t>{0, 2, 3}));
  EXPECT_EQ(integers(train.target), (std::vector<int64_t>{0, 2, 0}));
  EXPECT_EQ(integers(validation.sample_ids), (std::vector<int64_t>{4, 1}));
  EXPECT_EQ(bytes_of(validation.input[0])[0][0][0].item<int64_t>(), 5);
  EXPECT_EQ(integers(test.sample_ids), (std::vector<int64_t>{1}));
}

TEST(ImageDataset, RefusesAPositionOutsideTheSplit) {
  const ImageDataset dataset = dataset_of(0, false);
  const RandomStream random(0, "");

  EXPECT_THROW(dataset.batch(Split::Train, {{3}, false, random}), Error);
  EXPECT_THROW(dataset.batch(Split::Validation, {{-1}, false, random}), Error);
  EXPECT_THROW(dataset.batch(Split::Test, {{2}, false, random}), Error);
}

TEST(ImageDataset, ShiftsAndMirrorsWithinItsBoundsAndReachesAllOfThem) {
  const ImageDataset dataset = dataset_of(2, true);
  const Tensor plain = bytes_of(dataset.batch(Split::Train, {{1}, false, {0, ""}}).input[0]);
  const Tensor canvas = torch::constant_pad_nd(plain, {2, 2, 2, 2}, 0);
  std::set<std::tuple<int, int, bool>> seen;

  for (uint64_t seed = 0; seed < 600; ++seed) {
    const Tensor image = bytes_of(varied(dataset, 1, seed));
    int matches = 0;
    for (int down = 0; down < 5; ++down)
      for (int right = 0; right < 5; ++right)
        for (bool mirrored : {false, true}) {
          Tensor crop = canvas.slice(1, down, down + side).slice(2, right, right + side);
          if (!torch::equal(mirrored ? crop.flip(2) : crop, image)) continue;
          ++matches;
          seen.emplace(down, right, mirrored);
        }
    ASSERT_EQ(matches, 1) << "seed " << seed;
  }

  EXPECT_EQ(seen.size(), 5u * 5u * 2u);
}

TEST(ImageDataset, VariesAnImageByItsPositionWhateverTheOrder) {
  const ImageDataset dataset = dataset_of(2, true);
  const RandomStream random(5, "augment");

  const Batch forth = dataset.batch(Split::Train, {{0, 1, 2}, true, random});
  const Batch back = dataset.batch(Split::Train, {{2, 1, 0}, true, random});

  EXPECT_TRUE(torch::equal(forth.input.flip(0), back.input));
}

TEST(ImageDataset, LeavesImagesAloneWhenNotAskedToVaryThem) {
  const ImageDataset dataset = dataset_of(2, true);

  const Batch one = dataset.batch(Split::Train, {{0}, false, RandomStream(1, "augment")});
  const Batch other = dataset.batch(Split::Train, {{0}, false, RandomStream(2, "augment")});

  EXPECT_TRUE(torch::equal(one.input, other.input));
}

TEST(ImageDataset, FingerprintFollowsContentAndSplit) {
  const std::string one = dataset_of(0, false).fingerprint();
  const ImageDataset other_content(format_of(0, false), counting_images(5), {{0, 2, 3}, {1, 4}},
                                   counting_images(2), "other content");

  EXPECT_EQ(dataset_of(0, false).fingerprint(), one);
  EXPECT_NE(dataset_of(0, false, {{0, 1, 2}, {3, 4}}).fingerprint(), one);
  EXPECT_NE(other_content.fingerprint(), one);
}

TEST(ImageDataset, SaysWhatWasDoneToTheImages) {
  EXPECT_EQ(dataset_of(0, false).preprocessing(),
            "bytes / 255, mean (0.25, 0.5), deviation (0.5, 2)");
  EXPECT_THAT(dataset_of(4, true).preprocessing(),
              HasSubstr("training images shifted by up to 4 pixels over black and mirrored"));
}

TEST(HoldOut, SplitsEveryImageIntoOneOfTheTwo) {
  const HeldOut split = hold_out(100, 30, 0, "test");

  std::set<int64_t> all(split.train.begin(), split.train.end());
  all.insert(split.validation.begin(), split.validation.end());
  EXPECT_EQ(split.validation.size(), 30u);
  EXPECT_EQ(split.train.size(), 70u);
  EXPECT_EQ(all.size(), 100u);
  EXPECT_EQ(*all.rbegin(), 99);
}

TEST(HoldOut, DependsOnTheSeedAlone) {
  EXPECT_EQ(hold_out(100, 30, 1, "test").validation, hold_out(100, 30, 1, "test").validation);
  EXPECT_NE(hold_out(100, 30, 1, "test").validation, hold_out(100, 30, 2, "test").validation);
}

TEST(HoldOut, MayHoldNothing) { EXPECT_TRUE(hold_out(10, 0, 0, "test").validation.empty()); }

TEST(HoldOut, LeavesSomethingToTrainOn) {
  const std::string sentence = error_of([] { hold_out(10, 10, 0, "tiny"); });

  EXPECT_THAT(sentence, HasSubstr("tiny"));
  EXPECT_THAT(sentence, HasSubstr("validation"));
}

TEST(HoldOut, TakesTheRunsSeedWhenTheOptionSaysSo) {
  auto split = [](const std::string& split_seed, uint64_t run_seed) {
    const OptionValues options("test", hold_out_options(3, 9), {{"split_seed", split_seed}});
    return hold_out(100, {"", options, run_seed}, "test").validation;
  };

  EXPECT_EQ(split("4", 1), split("4", 2));
  EXPECT_NE(split("-1", 1), split("-1", 2));
  EXPECT_EQ(split("-1", 4), split("4", 0));
}

TEST(CheckLabels, NamesTheSampleAndItsLabel) {
  const std::string sentence = error_of([] { check_labels({0, 2, 3}, 3, "labels.bin"); });

  EXPECT_THAT(sentence, HasSubstr("labels.bin: sample 2 has label 3"));
}

}  // namespace
}  // namespace quantbench
