// What becomes of one image file: sizes, crops, variation, and files that are not as they should
// be.
#include "datasets/image_reader.h"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/file.h"
#include "tests/datasets/odd_jpegs.h"
#include "tests/datasets/support.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

using Given = std::map<std::string, std::string>;

class Images : public testing::Test {
 protected:
  static ImagePreparation preparation(Given given) {
    given.insert({{"resize", "24"}, {"crop", "16"}, {"normalization", "unit"}});
    return preparation_of(OptionValues("dataset it", preparation_options(), given), "it");
  }
  // Bytes 0..255 of red, green and blue.
  static Tensor read(const fs::path& path, const Given& given = {},
                     std::optional<uint64_t> varied = std::nullopt) {
    const ImageReader reader("it", preparation(given));
    const int64_t side = reader.how().crop;
    Tensor out = torch::empty({3, side, side});
    const RandomStream random(varied.value_or(0), "augment");
    EXPECT_EQ(reader.read(path, varied ? &random : nullptr, out.data_ptr<float>()), "");
    return ((out + 1) * 127.5).round();
  }
  fs::path put(const std::string& name, const cv::Mat& image) const {
    cv::imwrite((folder_ / name).string(), image);
    return folder_ / name;
  }
  static cv::Mat noise(int rows, int columns) {
    cv::Mat image(rows, columns, CV_8UC3);
    cv::RNG random(7);
    random.fill(image, cv::RNG::UNIFORM, 0, 256);
    return image;
  }
  static Tensor filled(double red, double green, double blue) {
    return torch::tensor({red, green, blue}, torch::kFloat).view({3, 1, 1}).expand({3, 16, 16});
  }
  std::string file(const char* name) const { return read_file(folder_ / name); }

  TemporaryFolder folder_;
};

TEST_F(Images, OfTheRightSizeAreShownAsTheyAre) {
  const cv::Mat image = noise(16, 16);
  const Tensor seen = read(put("a.png", image), {{"resize", "16"}});

  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 16; ++x)
      for (int c = 0; c < 3; ++c)
        ASSERT_EQ(seen[c][y][x].item<float>(), image.at<cv::Vec3b>(y, x)[2 - c]);
}

TEST_F(Images, AreResizedByTheInterpolationAskedFor) {
  const cv::Mat image = noise(48, 60);
  const fs::path path = put("a.png", image);
  const std::pair<const char*, int> known[] = {{"area", cv::INTER_AREA},
                                               {"bilinear", cv::INTER_LINEAR},
                                               {"bicubic", cv::INTER_CUBIC},
                                               {"lanczos", cv::INTER_LANCZOS4}};
  for (const auto& [name, how] : known) {
    cv::Mat expected;
    cv::resize(image, expected, {30, 24}, 0, 0, how);
    const Tensor seen = read(path, {{"interpolation", name}});
    EXPECT_EQ(seen[0][0][0].item<float>(), expected.at<cv::Vec3b>(4, 7)[2]) << name;
    EXPECT_EQ(seen[2][15][15].item<float>(), expected.at<cv::Vec3b>(19, 22)[0]) << name;
  }
}

TEST_F(Images, AreVariedByTheirStreamAlone) {
  const fs::path path = put("a.png", noise(64, 80));
  for (const char* crop : {"random_resized", "random", "centre"}) {
    const Given given{{"training_crop", crop}, {"colour_jitter", "0.3"}};
    EXPECT_TRUE(torch::equal(read(path, given, 1), read(path, given, 1))) << crop;
    EXPECT_FALSE(torch::equal(read(path, given, 1), read(path, given, 2))) << crop;
  }
}

TEST_F(Images, AreMirroredInHalfOfTheCasesAndOnlyIfAsked) {
  const fs::path path = put("a.png", noise(24, 24));
  const Given plain{{"training_crop", "centre"}, {"flip", "no"}}, flip{{"training_crop", "centre"}};
  const Tensor seen = read(path);
  int mirrored = 0;
  for (uint64_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(torch::equal(seen, read(path, plain, i)));
    const Tensor varied = read(path, flip, i);
    const bool is_mirrored = torch::equal(varied, seen.flip({2}));
    ASSERT_TRUE(is_mirrored || torch::equal(varied, seen));
    mirrored += is_mirrored;
  }
  EXPECT_GT(mirrored, 10);
  EXPECT_LT(mirrored, 30);
}

TEST_F(Images, RandomCropsComeFromTheResizedImage) {
  const fs::path path = put("a.png", noise(24, 40));
  const Given given{{"training_crop", "random"}, {"flip", "no"}};
  std::set<float> corners;
  for (uint64_t i = 0; i < 20; ++i) corners.insert(read(path, given, i)[0][0][0].item<float>());
  EXPECT_GT(corners.size(), 10u);
}

TEST_F(Images, JitterScalesBrightnessContrastAndSaturation) {
  const fs::path grey = put("grey.png", cv::Mat(16, 16, CV_8UC3, cv::Scalar(100, 100, 100)));
  const Given given{{"resize", "16"}, {"training_crop", "centre"}, {"colour_jitter", "0.2"}};
  float least = 255, most = 0;
  for (uint64_t i = 0; i < 50; ++i) {
    const Tensor seen = read(grey, given, i);
    ASSERT_TRUE(torch::equal(seen, seen[0][0][0].expand_as(seen))) << "grey stays grey";
    least = std::min(least, seen.min().item<float>());
    most = std::max(most, seen.max().item<float>());
  }
  EXPECT_GE(least, 80);
  EXPECT_LE(most, 120);
  EXPECT_LT(least, 90);
  EXPECT_GT(most, 110);
}

TEST_F(Images, OfJpegsAreDecodedSmallerOnlyWhereThatIsAskedFor) {
  const fs::path path = put("a.jpg", noise(200, 240));
  const Given never{{"reduced_decoding", "never"}}, training{{"reduced_decoding", "training"}},
      always{{"reduced_decoding", "always"}};

  EXPECT_TRUE(torch::equal(read(path, never), read(path, training)));
  EXPECT_FALSE(torch::equal(read(path, never), read(path, always)));
  EXPECT_FALSE(torch::equal(read(path, never, 1), read(path, training, 1)));
  // The picture is the same: means over 12 x 12 pixels of noise, give or take.
  EXPECT_LT((read(path, never) - read(path, always)).abs().mean().item<float>(), 12);
  const fs::path other = put("a.png", noise(200, 240));
  EXPECT_TRUE(torch::equal(read(other, always), read(other, never)))
      << "a PNG has no smaller sizes";
}

TEST(Reduction, LeavesAtLeastWhatIsNeeded) {
  EXPECT_EQ(reduction(447, 224), 1);
  EXPECT_EQ(reduction(448, 224), 2);
  EXPECT_EQ(reduction(895, 224), 2);
  EXPECT_EQ(reduction(896, 224), 4);
  EXPECT_EQ(reduction(100000, 224), 8);
}

TEST_F(Images, OfOnePixelFillTheCrop) {
  const fs::path path = put("a.png", cv::Mat(1, 1, CV_8UC3, cv::Scalar(10, 20, 30)));

  EXPECT_TRUE(torch::equal(read(path), filled(30, 20, 10)));
  EXPECT_TRUE(torch::equal(read(path, {}, 1), filled(30, 20, 10)));
}

TEST_F(Images, OfOneChannelAndOfSixteenBitsBecomeRedGreenBlue) {
  EXPECT_TRUE(torch::equal(read(put("grey.png", cv::Mat(20, 20, CV_8UC1, cv::Scalar(77)))),
                           filled(77, 77, 77)));
  EXPECT_TRUE(torch::equal(read(put("grey.jpg", cv::Mat(20, 20, CV_8UC1, cv::Scalar(77)))),
                           filled(77, 77, 77)));
  EXPECT_TRUE(torch::equal(
      read(put("deep.png", cv::Mat(20, 20, CV_16UC3, cv::Scalar(0x1000, 0x2000, 0x3000)))),
      filled(0x30, 0x20, 0x10)));
}

TEST_F(Images, InCmykBecomeRedGreenBlue) {
  // Adobe stores inks inverted: 255 is no ink.
  write_bytes(folder_ / "ink.jpg", cmyk_jpeg({255, 128, 0, 255}));

  const Tensor seen = read(folder_ / "ink.jpg");

  EXPECT_NEAR(seen[0].mean().item<float>(), 255, 3);
  EXPECT_NEAR(seen[1].mean().item<float>(), 128, 3);
  EXPECT_NEAR(seen[2].mean().item<float>(), 0, 3);
}

TEST_F(Images, KeepTheOrientationOfTheirPixelsWhateverExifSays) {
  cv::Mat image(32, 32, CV_8UC3, cv::Scalar(0, 0, 0));
  image.rowRange(0, 16).setTo(cv::Scalar(255, 255, 255));
  const std::string plain = read_file(put("plain.jpg", image));
  // An APP1 segment with one tag: Orientation 6, a quarter turn.
  std::string exif(
      "\xff\xe1\x00\x22"
      "Exif\0\0"
      "MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
      36);
  write_bytes(folder_ / "turned.jpg", plain.substr(0, 2) + exif + plain.substr(2));

  EXPECT_TRUE(torch::equal(read(folder_ / "turned.jpg"), read(folder_ / "plain.jpg")));
  EXPECT_GT(read(folder_ / "turned.jpg")[0][0].min().item<float>(), 200);
}

TEST_F(Images, ThatAreNoneEndInASentenceWithTheirName) {
  put("whole.jpg", noise(64, 64));
  put("whole.png", noise(64, 64));
  const std::string jpeg = file("whole.jpg"), png = file("whole.png");
  const std::pair<std::string, const char*> broken[] = {
      {jpeg.substr(0, jpeg.size() / 2), "is a JPEG that is cut off"},
      {jpeg.substr(0, 4), "bad.JPEG"},
      {png.substr(0, png.size() / 2), "cannot be decoded"},
      {"An essay about dogs, saved under a name that it should not have.",
       "is neither a JPEG nor a PNG"},
      {"", "is neither a JPEG nor a PNG"}};
  for (const auto& [bytes, why] : broken) {
    write_bytes(folder_ / "bad.JPEG", bytes);
    const std::string sentence = error_of([&] { read(folder_ / "bad.JPEG"); });
    EXPECT_THAT(sentence, HasSubstr("bad.JPEG"));
    EXPECT_THAT(sentence, HasSubstr(why));
    EXPECT_EQ(std::count(sentence.begin(), sentence.end(), '\n'), 0);
  }
}

TEST_F(Images, ThatAreDamagedInsideAreShownAndSaySo) {
  put("a.jpg", noise(64, 64));
  write_bytes(folder_ / "a.jpg", damaged_inside(file("a.jpg")));
  const ImageReader reader("it", preparation({}));
  std::vector<float> out(3 * 16 * 16);

  testing::internal::CaptureStderr();
  const std::string damage = reader.read(folder_ / "a.jpg", nullptr, out.data());

  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(damage, HasSubstr("Corrupt JPEG data"));
}

TEST(Preparation, IsNamedByAllOfItsChoices) {
  const std::vector<Option> options = preparation_options();
  const auto words = [&](const Given& given) {
    return in_words(preparation_of(OptionValues("dataset it", options, given), "it"));
  };
  const Given others{{"resize", "342"},
                     {"crop", "192"},
                     {"interpolation", "bicubic"},
                     {"training_crop", "random"},
                     {"flip", "no"},
                     {"colour_jitter", "0.4"},
                     {"reduced_decoding", "never"},
                     {"normalization", "unit"}};
  ASSERT_EQ(others.size(), options.size());
  std::set<std::string> seen{words({})};
  for (const auto& [name, value] : others)
    EXPECT_TRUE(seen.insert(words({{name, value}})).second)
        << name << ": " << words({{name, value}});
  EXPECT_THAT(error_of([&] { words({{"crop", "300"}}); }), HasSubstr("crop is above"));
}

class ManyImages : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 12; ++i) {
      const fs::path path = folder_ / "all" / (i % 2 ? "dog" : "cat") / fmt::format("{:02}.jpg", i);
      fs::create_directories(path.parent_path());
      cv::Mat image(40 + i, 60, CV_8UC3);
      cv::RNG(static_cast<uint64_t>(i + 1)).fill(image, cv::RNG::UNIFORM, 0, 256);
      cv::imwrite(path.string(), image);
    }
  }
  std::unique_ptr<Dataset> open(int threads, const std::string& broken = "refuse") const {
    const DatasetEntry& entry = datasets().get("image_folder");
    const Given given{{"path", "all"}, {"test_percent", "100"},  {"resize", "24"},
                      {"crop", "16"},  {"colour_jitter", "0.2"}, {"broken_images", broken}};
    return entry.open({folder_.path(), OptionValues("it", entry.options, given), 0, threads});
  }
  static Batch all(const Dataset& data, bool augment) {
    return data.batch(
        Split::Test, {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, augment, RandomStream(3, "augment")});
  }

  TemporaryFolder folder_;
};

TEST_F(ManyImages, AreTheSameOnAnyNumberOfThreads) {
  const Batch one = all(*open(1), true);
  for (int threads : {2, 3, 20}) {
    const Batch more = all(*open(threads), true);
    EXPECT_TRUE(torch::equal(one.input, more.input));
    EXPECT_TRUE(torch::equal(one.target, more.target));
    EXPECT_TRUE(torch::equal(one.sample_ids, more.sample_ids));
  }
}

TEST_F(ManyImages, ThatAreDamagedInsideAreNamed) {
  for (const char* name : {"all/cat/04.jpg", "all/dog/05.jpg"})
    write_bytes(folder_ / name, damaged_inside(read_file(folder_ / name)));
  const auto data = open(2);
  all(*data, false);
  EXPECT_EQ(all(*data, true).input.size(0), 12);

  ASSERT_EQ(data->remarks().size(), 1u);
  EXPECT_THAT(data->remarks()[0], HasSubstr("2 of the images are damaged inside"));
  EXPECT_THAT(data->remarks()[0], HasSubstr("cat/04.jpg, dog/05.jpg; the first: Corrupt JPEG"));
}

TEST_F(ManyImages, EndAtTheFirstBrokenOneOrLeaveThemOutByName) {
  write_bytes(folder_ / "all/cat/04.jpg", "no image");
  write_bytes(folder_ / "all/dog/05.jpg", "no image");
  for (int threads : {1, 4})
    EXPECT_THAT(error_of([&] { all(*open(threads), false); }), HasSubstr("cat/04.jpg"));

  const auto data = open(3, "skip");
  EXPECT_TRUE(data->remarks().empty());
  const Batch batch = all(*data, false);

  EXPECT_EQ(integers(batch.sample_ids), (std::vector<int64_t>{0, 1, 3, 4, 5, 6, 7, 9, 10, 11}));
  EXPECT_EQ(batch.input.size(0), 10);
  all(*data, false);
  ASSERT_EQ(data->remarks().size(), 1u);
  EXPECT_THAT(data->remarks()[0], HasSubstr("2 of the images"));
  EXPECT_THAT(data->remarks()[0], HasSubstr("cat/04.jpg, dog/05.jpg"));
  EXPECT_NE(data->preprocessing(), open(1)->preprocessing());
  EXPECT_THAT(error_of([&] {
                data->batch(Split::Test, {{2, 8}, false, RandomStream(0, "")});
              }),
              HasSubstr("not one image"));
}

}  // namespace
}  // namespace quantbench
