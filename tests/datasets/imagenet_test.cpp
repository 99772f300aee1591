#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <opencv2/imgcodecs.hpp>

#include "base/error.h"
#include "datasets/dataset.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

class ImageNetFolder : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) / ("imagenet-" + std::to_string(::getpid()));
    for (const char* wnid : {"n02", "n01"}) {
      put("train", wnid, "a.png", 40, 30, {0, 0, 255});
      put("train", wnid, "b.png", 30, 60, {0, 255, 0});
      put("val", wnid, "c.png", 32, 64, {255, 0, 0});
    }
  }
  void TearDown() override { fs::remove_all(root_); }

  void put(const std::string& split, const std::string& wnid, const std::string& name, int rows,
           int columns, const cv::Scalar& blue_green_red) const {
    const fs::path folder = root_ / "imagenet" / split / wnid;
    fs::create_directories(folder);
    cv::imwrite((folder / name).string(), cv::Mat(rows, columns, CV_8UC3, blue_green_red));
  }
  std::unique_ptr<Dataset> open(std::map<std::string, std::string> given = {}) const {
    given.insert({{"resize", "24"}, {"crop", "16"}, {"validation", "1"}});
    const DatasetEntry& entry = datasets().get("imagenet");
    return entry.open({root_, OptionValues("dataset imagenet", entry.options, given), 0});
  }
  static Batch take(const Dataset& dataset, Split split, int64_t position, bool augment = false,
                    uint64_t seed = 0) {
    return dataset.batch(split, {{position}, augment, RandomStream(seed, "augment")});
  }

  fs::path root_;
};

TEST_F(ImageNetFolder, NumbersItsClassesByName) {
  const auto dataset = open();

  EXPECT_EQ(dataset->class_count(), 2);
  EXPECT_EQ(dataset->size(Split::Train), 3);
  EXPECT_EQ(dataset->size(Split::Validation), 1);
  EXPECT_EQ(dataset->size(Split::Test), 2);
  EXPECT_EQ(dataset->input_shape(), (std::vector<int64_t>{3, 16, 16}));
  EXPECT_EQ(take(*dataset, Split::Test, 0).target[0].item<int64_t>(), 0);
  EXPECT_EQ(take(*dataset, Split::Test, 1).target[0].item<int64_t>(), 1);
}

TEST_F(ImageNetFolder, GivesNormalisedPlanesOfRedGreenBlue) {
  const Tensor image = take(*open(), Split::Test, 0).input[0];  // blue

  EXPECT_TRUE(torch::allclose(image[0], torch::full({16, 16}, (0 - 0.485) / 0.229), 1e-5));
  EXPECT_TRUE(torch::allclose(image[1], torch::full({16, 16}, (0 - 0.456) / 0.224), 1e-5));
  EXPECT_TRUE(torch::allclose(image[2], torch::full({16, 16}, (1 - 0.406) / 0.225), 1e-5));
}

TEST_F(ImageNetFolder, CropsTheMiddle) {
  cv::Mat image(16, 48, CV_8UC3, cv::Scalar(0, 0, 0));
  image.colRange(16, 32).setTo(cv::Scalar(255, 255, 255));
  cv::imwrite((root_ / "imagenet/val/n01/c.png").string(), image);

  const Tensor red = take(*open({{"resize", "16"}}), Split::Test, 0).input[0][0];

  EXPECT_GT(red.min().item<float>(), 2);
}

TEST_F(ImageNetFolder, AugmentsByItsStreamAlone) {
  cv::Mat noise(64, 64, CV_8UC3);
  cv::randu(noise, 0, 255);
  for (const char* wnid : {"n01", "n02"})
    for (const char* name : {"a.png", "b.png"})
      cv::imwrite((root_ / "imagenet/train" / wnid / name).string(), noise);
  const auto dataset = open();

  const Tensor once = take(*dataset, Split::Train, 0, true, 1).input;

  EXPECT_TRUE(torch::equal(once, take(*dataset, Split::Train, 0, true, 1).input));
  EXPECT_FALSE(torch::equal(once, take(*dataset, Split::Train, 0, true, 2).input));
}

TEST_F(ImageNetFolder, ItsFingerprintFollowsFilesAndSplit) {
  const std::string before = open()->fingerprint();

  EXPECT_EQ(open()->fingerprint(), before);
  EXPECT_NE(open({{"validation", "2"}})->fingerprint(), before);
  put("train", "n01", "d.png", 10, 10, {1, 2, 3});
  EXPECT_NE(open()->fingerprint(), before);
}

TEST_F(ImageNetFolder, ItsFingerprintFollowsTheContents) {
  const fs::path path = root_ / "imagenet/val/n01/c.png";
  std::ofstream(path, std::ios::binary) << "0123456789";
  const std::string before = open()->fingerprint();

  std::ofstream(path, std::ios::binary) << "0123456780";

  EXPECT_NE(open()->fingerprint(), before);
}

TEST_F(ImageNetFolder, RefusesAJpegThatIsCutOff) {
  std::vector<unsigned char> bytes;
  cv::Mat noise(64, 64, CV_8UC3);
  cv::randu(noise, 0, 255);
  cv::imencode(".jpg", noise, bytes);
  const auto write = [&](size_t size) {
    std::ofstream(root_ / "imagenet/val/n01/c.png", std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(size));
  };
  write(bytes.size());
  EXPECT_NO_THROW(take(*open(), Split::Test, 0));

  write(bytes.size() / 2);

  EXPECT_THROW(take(*open(), Split::Test, 0), Error);
}

TEST_F(ImageNetFolder, LabelsAFlatValidationFolderFromAFile) {
  for (const char* wnid : {"n01", "n02"}) {
    fs::rename(root_ / "imagenet/val" / wnid / "c.png",
               root_ / "imagenet/val" / (std::string(wnid) + ".png"));
    fs::remove_all(root_ / "imagenet/val" / wnid);
  }
  EXPECT_THROW(open(), Error);
  std::ofstream(root_ / "imagenet/val.txt") << "n01.png 1\nn02.png n01\n";

  const auto dataset = open({{"val_labels", "val.txt"}});

  EXPECT_EQ(take(*dataset, Split::Test, 0).target[0].item<int64_t>(), 1);
  EXPECT_EQ(take(*dataset, Split::Test, 1).target[0].item<int64_t>(), 0);
  EXPECT_EQ(dataset->sample_name(Split::Test, 1), "val/n02.png");
}

TEST_F(ImageNetFolder, RefusesWhatItCannotRead) {
  std::ofstream(root_ / "imagenet/val/n01/c.png") << "no picture";
  EXPECT_THROW(take(*open(), Split::Test, 0), Error);
  EXPECT_THROW(take(*open(), Split::Test, 5), Error);

  // A header that claims 65535 x 65535 pixels and ends there.
  const unsigned char huge[] = {0xff, 0xd8, 0xff, 0xc0, 0, 17,   8, 0xff, 0xff, 0xff, 0xff,
                                3,    1,    0x11, 0,    2, 0x11, 1, 3,    0x11, 1};
  std::ofstream(root_ / "imagenet/val/n01/c.png", std::ios::binary)
      .write(reinterpret_cast<const char*>(huge), sizeof(huge));
  EXPECT_THROW(take(*open(), Split::Test, 0), Error);

  fs::remove_all(root_ / "imagenet/val/n02");
  EXPECT_THROW(open(), Error);
  fs::remove_all(root_ / "imagenet/val");
  EXPECT_THROW(open(), Error);
  EXPECT_NE(datasets().get("imagenet").missing(root_), "");
}

}  // namespace
}  // namespace quantbench
