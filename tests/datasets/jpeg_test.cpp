// The pixels are OpenCV's; what OpenCV would say to the terminal is said to the caller.
#include "datasets/jpeg.h"

#include <opencv2/imgcodecs.hpp>

#include "tests/datasets/odd_jpegs.h"
#include "tests/datasets/support.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;

std::string encoded(const cv::Mat& image, const std::vector<int>& how = {}) {
  std::vector<unsigned char> bytes;
  cv::imencode(".jpg", image, bytes, how);
  return {bytes.begin(), bytes.end()};
}

cv::Mat noise(int rows, int columns, int type) {
  cv::Mat image(rows, columns, type);
  cv::RNG random(3);
  random.fill(image, cv::RNG::UNIFORM, 0, 256);
  return image;
}

TEST(Jpeg, HasOpenCvsPixels) {
  const std::vector<std::pair<const char*, std::string>> files = {
      {"colour", encoded(noise(67, 93, CV_8UC3))},
      {"one pixel", encoded(noise(1, 1, CV_8UC3))},
      {"one row", encoded(noise(1, 300, CV_8UC3))},
      {"grey", encoded(noise(67, 93, CV_8UC1))},
      {"progressive", encoded(noise(67, 93, CV_8UC3), {cv::IMWRITE_JPEG_PROGRESSIVE, 1})},
      {"restarts", encoded(noise(67, 93, CV_8UC3), {cv::IMWRITE_JPEG_RST_INTERVAL, 2})},
      {"inks", cmyk_jpeg({200, 31, 7, 129})}};
  const std::pair<int, int> reductions[] = {{1, cv::IMREAD_COLOR},
                                            {2, cv::IMREAD_REDUCED_COLOR_2},
                                            {4, cv::IMREAD_REDUCED_COLOR_4},
                                            {8, cv::IMREAD_REDUCED_COLOR_8}};
  for (const auto& [name, bytes] : files)
    for (const auto& [by, flag] : reductions) {
      const std::vector<unsigned char> all(bytes.begin(), bytes.end());
      const cv::Mat expected = cv::imdecode(all, flag);
      const DecodedJpeg jpeg = decode_jpeg(bytes, by, "it");
      ASSERT_EQ(jpeg.image.size(), expected.size()) << name << " / " << by;
      EXPECT_EQ(cv::norm(jpeg.image, expected, cv::NORM_INF), 0) << name << " / " << by;
      EXPECT_EQ(jpeg.damage, "");
    }
}

TEST(Jpeg, DamageInsideIsToldAndTheRestIsThere) {
  const std::string whole = encoded(noise(64, 64, CV_8UC3));

  const DecodedJpeg jpeg = decode_jpeg(damaged_inside(whole), 1, "it");

  EXPECT_THAT(jpeg.damage, HasSubstr("Corrupt JPEG data"));
  const cv::Rect top(0, 0, 64, 8);
  EXPECT_EQ(cv::norm(jpeg.image(top), decode_jpeg(whole, 1, "it").image(top), cv::NORM_INF), 0);
}

TEST(Jpeg, WhatCannotBeDecodedIsOneSentence) {
  const std::string whole = encoded(noise(64, 64, CV_8UC3));
  std::string wide = whole;  // 12 bits a channel
  wide[whole.find("\xff\xc0") + 4] = 12;
  for (const auto& [bytes, why] :
       {std::pair{whole.substr(0, whole.size() / 2), "Premature end"},
        std::pair{wide, "precision 12"}, std::pair{whole.substr(0, 2), "Premature end"},
        std::pair{std::string("GIF89a"), "Not a JPEG file"},
        std::pair{std::string(), "Empty input file"}})
    EXPECT_THAT(error_of([&bytes = bytes] { decode_jpeg(bytes, 1, "it"); }),
                testing::AllOf(HasSubstr("it cannot be decoded: "), HasSubstr(why)));
}

// A scan of a few bytes costs a walk over the whole image.
TEST(Jpeg, ThousandScansAreRefused) {
  const std::string one = encoded(noise(64, 64, CV_8UC3), {cv::IMWRITE_JPEG_PROGRESSIVE, 1});
  const size_t last = one.rfind("\xff\xda"), end = one.rfind("\xff\xd9");
  std::string many = one.substr(0, last);
  for (int i = 0; i < 1000; ++i) many += one.substr(last, end - last);

  EXPECT_THAT(error_of([&] { decode_jpeg(many + one.substr(end), 1, "it"); }),
              HasSubstr("more than 500 scans"));
}

}  // namespace
}  // namespace quantbench
