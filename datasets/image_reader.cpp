#include "datasets/image_reader.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/error.h"
#include "base/file.h"
#include "datasets/image_header.h"
#include "datasets/jpeg.h"

namespace quantbench {
namespace {
namespace fs = std::filesystem;

constexpr int64_t kMostPixels = int64_t{1} << 27;  // of one image; the largest of ILSVRC has 2^25

// The numbers of one image's stream.
enum Draw : uint64_t { kBox = 0, kFlip = 100, kBrightness, kContrast, kSaturation };

int rounded(double value) { return static_cast<int>(std::lround(value)); }

bool is_jpeg(const std::string& bytes) { return bytes.compare(0, 2, "\xff\xd8") == 0; }

cv::Mat decode_png(const std::string& bytes) {
  try {
    const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8UC1,
                          const_cast<char*>(bytes.data()));  // it is only read
    return cv::imdecode(encoded, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception&) {
    return {};  // what OpenCV itself refuses reads like any damaged file
  }
}

cv::Mat resized(const cv::Mat& image, cv::Size size, Interpolation interpolation) {
  if (image.size() == size) return image;
  const bool shrinks = size.width <= image.cols && size.height <= image.rows;
  const int how = interpolation == Interpolation::Bicubic           ? cv::INTER_CUBIC
                  : interpolation == Interpolation::Lanczos         ? cv::INTER_LANCZOS4
                  : interpolation == Interpolation::Area && shrinks ? cv::INTER_AREA
                                                                    : cv::INTER_LINEAR;
  cv::Mat out;
  cv::resize(image, out, size, 0, 0, how);
  return out;
}

// 8 % to 100 % of the area at an aspect ratio of 3/4 to 4/3; after ten boxes that do not fit, the
// largest one in the middle.
cv::Rect random_box(const cv::Size& image, const RandomStream& random) {
  uint64_t draw = kBox;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = (0.08 + 0.92 * random.uniform(draw++)) * image.width * image.height;
    const double ratio = std::exp((2 * random.uniform(draw++) - 1) * std::log(4.0 / 3.0));
    const int width = rounded(std::sqrt(area * ratio)), height = rounded(std::sqrt(area / ratio));
    if (width < 1 || height < 1 || width > image.width || height > image.height) continue;
    const auto x = random.below(draw++, static_cast<uint64_t>(image.width - width) + 1);
    const auto y = random.below(draw++, static_cast<uint64_t>(image.height - height) + 1);
    return {static_cast<int>(x), static_cast<int>(y), width, height};
  }
  const int width = std::min(image.width, std::max(1, rounded(image.height * 4.0 / 3.0)));
  const int height = std::min(image.height, std::max(1, rounded(image.width * 4.0 / 3.0)));
  return {(image.width - width) / 2, (image.height - height) / 2, width, height};
}

// A box of the whole image in one that is `by` times smaller.
cv::Rect reduced_box(const cv::Rect& box, int by, const cv::Mat& image) {
  const int left = std::min(box.x / by, image.cols - 1);
  const int top = std::min(box.y / by, image.rows - 1);
  return {left, top, std::clamp(rounded(static_cast<double>(box.width) / by), 1, image.cols - left),
          std::clamp(rounded(static_cast<double>(box.height) / by), 1, image.rows - top)};
}

uint8_t byte_of(float value) {
  return static_cast<uint8_t>(std::clamp(std::nearbyint(value), 0.0f, 255.0f));
}

float grey_of(const uint8_t* pixel) {  // blue, green, red (ITU-R BT.601)
  return 0.114f * pixel[0] + 0.587f * pixel[1] + 0.299f * pixel[2];
}

// Brightness, contrast (about the image's mean grey), saturation (about each pixel's grey).
void jitter(cv::Mat& image, double strength, const RandomStream& random) {
  const auto factor = [&](Draw draw) {
    return static_cast<float>(1 + strength * (2 * random.uniform(draw) - 1));
  };
  const auto each_pixel = [&](const auto& act) {
    for (int y = 0; y < image.rows; ++y)
      for (int x = 0; x < image.cols; ++x) act(image.ptr<uint8_t>(y) + 3 * x);
  };
  const float brightness = factor(kBrightness), contrast = factor(kContrast),
              saturation = factor(kSaturation);
  double sum = 0;
  each_pixel([&](uint8_t* pixel) {
    for (int c = 0; c < 3; ++c) pixel[c] = byte_of(pixel[c] * brightness);
    sum += grey_of(pixel);
  });
  const float mean = static_cast<float>(sum / static_cast<double>(image.total()));
  each_pixel([&](uint8_t* pixel) {
    for (int c = 0; c < 3; ++c) pixel[c] = byte_of(mean + (pixel[c] - mean) * contrast);
    const float grey = grey_of(pixel);
    for (int c = 0; c < 3; ++c) pixel[c] = byte_of(grey + (pixel[c] - grey) * saturation);
  });
}

// What is shown of one file.
class Picture {
 public:
  Picture(const ImagePreparation& how, const std::string& bytes, std::string what)
      : how_(how), bytes_(bytes), what_(std::move(what)) {
    const ImageSize size = checked_image_size(bytes_, what_);
    require(size.width <= kMostPixels / size.height,
            "{} would have {} x {} pixels; at most {} are decoded.", what_, size.width, size.height,
            kMostPixels);
    size_ = {static_cast<int>(size.width), static_cast<int>(size.height)};
  }

  cv::Mat evaluated() { return middle(scaled(how_.reduced == ReducedDecoding::Always)); }

  cv::Mat varied(const RandomStream& random) {
    cv::Mat out = training_crop(random);
    if (how_.flip && random.uniform(kFlip) < 0.5) {
      cv::Mat mirrored;
      cv::flip(out, mirrored, 1);
      out = mirrored;
    }
    if (how_.jitter > 0) {
      if (!out.isContinuous()) out = out.clone();
      jitter(out, how_.jitter, random);
    }
    return out;
  }

  // What was wrong inside the file; empty: nothing was.
  const std::string& damage() const { return damage_; }

 private:
  cv::Mat decoded(int by) {
    if (is_jpeg(bytes_)) {
      DecodedJpeg jpeg = decode_jpeg(bytes_, by, what_);
      damage_ = std::move(jpeg.damage);
      return jpeg.image;
    }
    cv::Mat image = decode_png(bytes_);
    require(!image.empty(), "{} cannot be decoded.", what_);
    return image;
  }

  int reduced_by(bool wanted, int64_t side, int64_t target) const {
    return wanted && is_jpeg(bytes_) ? reduction(side, target) : 1;
  }

  // With its shorter side at `resize`.
  cv::Mat scaled(bool reduced) {
    const int shorter = std::min(size_.width, size_.height);
    const double factor = static_cast<double>(how_.resize) / shorter;
    require(factor * factor * size_.width * size_.height <= static_cast<double>(kMostPixels),
            "{}, an image of {} x {}, is too long to be resized to {}.", what_, size_.width,
            size_.height, how_.resize);
    const cv::Mat image = decoded(reduced_by(reduced, shorter, how_.resize));
    return resized(image,
                   {std::max(how_.resize, rounded(size_.width * factor)),
                    std::max(how_.resize, rounded(size_.height * factor))},
                   how_.interpolation);
  }

  cv::Mat middle(const cv::Mat& image) const {
    const int crop = how_.crop;
    return image({(image.cols - crop) / 2, (image.rows - crop) / 2, crop, crop});
  }

  cv::Mat training_crop(const RandomStream& random) {
    const bool reduced = how_.reduced != ReducedDecoding::Never;
    const int crop = how_.crop;
    if (how_.training_crop == TrainingCrop::RandomResized) {
      const cv::Rect box = random_box(size_, random);
      const int by = reduced_by(reduced, std::min(box.width, box.height), crop);
      const cv::Mat image = decoded(by);
      return resized(image(reduced_box(box, by, image)), {crop, crop}, how_.interpolation);
    }
    const cv::Mat image = scaled(reduced);
    if (how_.training_crop == TrainingCrop::Centre) return middle(image);
    const auto x = random.below(kBox, static_cast<uint64_t>(image.cols - crop) + 1);
    const auto y = random.below(kBox + 1, static_cast<uint64_t>(image.rows - crop) + 1);
    return image({static_cast<int>(x), static_cast<int>(y), crop, crop});
  }

  const ImagePreparation& how_;
  const std::string& bytes_;
  std::string what_, damage_;
  cv::Size size_;
};

}  // namespace

ImageReader::ImageReader(std::string dataset, ImagePreparation how)
    : dataset_(std::move(dataset)), how_(how) {
  cv::setNumThreads(1);  // whole images are what threads share
  for (size_t c = 0; c < 3; ++c)
    for (size_t byte = 0; byte < 256; ++byte)
      value_of_byte_[c][byte] =
          (static_cast<float>(byte) / 255.0f - how_.mean[c]) / how_.deviation[c];
}

std::string ImageReader::read(const fs::path& path, const RandomStream* random, float* out) const {
  const std::string bytes = read_file(path, kMostImageBytes);
  Picture picture(how_, bytes, fmt::format("Dataset {}: {}", dataset_, path.string()));
  const cv::Mat image = random ? picture.varied(*random) : picture.evaluated();
  const auto side = static_cast<size_t>(how_.crop);
  for (size_t y = 0; y < side; ++y) {
    const uint8_t* row = image.ptr<uint8_t>(static_cast<int>(y));
    for (size_t c = 0; c < 3; ++c) {
      float* to = out + (c * side + y) * side;
      for (size_t x = 0; x < side; ++x) to[x] = value_of_byte_[c][row[3 * x + 2 - c]];
    }
  }
  return picture.damage();
}

}  // namespace quantbench
