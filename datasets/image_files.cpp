#include "datasets/image_files.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/file.h"
#include "datasets/image_header.h"

namespace quantbench {
namespace {
namespace fs = std::filesystem;

constexpr float kMean[] = {0.485f, 0.456f, 0.406f}, kDeviation[] = {0.229f, 0.224f, 0.225f};
constexpr size_t kMostFiles = size_t{1} << 24;
constexpr size_t kSampledFiles = 2000;              // of a split, for the fingerprint
constexpr uint64_t kMostBytes = uint64_t{1} << 28;  // of one image file
constexpr int64_t kMostPixels = int64_t{1} << 27;   // of one image; the largest of ILSVRC has 2^25

std::vector<fs::path> sorted_entries(const fs::path& folder, bool folders) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory() == folders && entry.path().filename().string()[0] != '.')
      out.push_back(entry.path());
  require(out.size() <= kMostFiles, "{} holds more than {} entries.", folder.string(), kMostFiles);
  std::sort(out.begin(), out.end());
  return out;
}

// The middle `crop` x `crop` of the image with its shorter side at `resize`.
cv::Mat centre_crop(const cv::Mat& image, int resize, int crop, const std::string& dataset) {
  const double factor = static_cast<double>(resize) / std::min(image.rows, image.cols);
  require(factor * factor * image.rows * image.cols <= static_cast<double>(kMostPixels),
          "Dataset {}: an image of {} x {} is too long to be resized to {}.", dataset, image.cols,
          image.rows, resize);
  cv::Mat scaled = image;
  if (factor != 1)
    cv::resize(image, scaled,
               {std::max(crop, static_cast<int>(std::lround(image.cols * factor))),
                std::max(crop, static_cast<int>(std::lround(image.rows * factor)))},
               0, 0, factor < 1 ? cv::INTER_AREA : cv::INTER_LINEAR);
  return scaled({(scaled.cols - crop) / 2, (scaled.rows - crop) / 2, crop, crop});
}

// 8 % to 100 % of the area at an aspect ratio of 3/4 to 4/3, mirrored in half of the cases.
cv::Mat random_crop(const cv::Mat& image, int crop, const RandomStream& random) {
  cv::Rect box(0, 0, image.cols, image.rows);
  uint64_t draw = 0;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = (0.08 + 0.92 * random.uniform(draw++)) * image.cols * image.rows;
    const double ratio = std::exp((2 * random.uniform(draw++) - 1) * std::log(4.0 / 3.0));
    const auto width = static_cast<int>(std::lround(std::sqrt(area * ratio)));
    const auto height = static_cast<int>(std::lround(std::sqrt(area / ratio)));
    if (width < 1 || height < 1 || width > image.cols || height > image.rows) continue;
    const auto x = random.below(draw++, static_cast<uint64_t>(image.cols - width) + 1);
    const auto y = random.below(draw++, static_cast<uint64_t>(image.rows - height) + 1);
    box = {static_cast<int>(x), static_cast<int>(y), width, height};
    break;
  }
  cv::Mat out;
  cv::resize(image(box), out, {crop, crop}, 0, 0,
             box.width > crop ? cv::INTER_AREA : cv::INTER_LINEAR);
  if (random.uniform(100) < 0.5) cv::flip(out, out, 1);
  return out;
}

cv::Mat decode(const fs::path& path, const std::string& dataset) {
  const std::string bytes = read_file(path, kMostBytes);
  const ImageSize size =
      checked_image_size(bytes, fmt::format("Dataset {}: {}", dataset, path.string()));
  require(size.width <= kMostPixels / size.height,
          "Dataset {}: {} would have {} x {} pixels; at most {} are decoded.", dataset,
          path.string(), size.width, size.height, kMostPixels);
  cv::Mat image;
  try {
    const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8UC1,
                          const_cast<char*>(bytes.data()));  // it is only read
    image = cv::imdecode(encoded, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception&) {
    // What OpenCV itself refuses reads like any damaged file.
  }
  require(!image.empty(), "Dataset {}: {} cannot be decoded.", dataset, path.string());
  return image;
}

// Blue, green, red bytes to normalised planes of red, green, blue.
void convert(const cv::Mat& image, int crop, float* out) {
  for (int y = 0; y < crop; ++y) {
    const uint8_t* row = image.ptr<uint8_t>(y);
    for (int x = 0; x < crop; ++x)
      for (int c = 0; c < 3; ++c)
        out[(c * crop + y) * crop + x] =
            (static_cast<float>(row[3 * x + 2 - c]) / 255.0f - kMean[c]) / kDeviation[c];
  }
}

}  // namespace

std::vector<std::string> class_folders(const fs::path& folder) {
  std::vector<std::string> out;
  for (const fs::path& entry : sorted_entries(folder, /*folders=*/true))
    out.push_back(entry.filename().string());
  return out;
}

std::vector<ImageFile> list_images(const fs::path& folder, const std::vector<std::string>& classes,
                                   Sha256& digest, const std::string& dataset) {
  std::vector<ImageFile> out;
  for (size_t label = 0; label < classes.size(); ++label)
    for (const fs::path& path : sorted_entries(folder / classes[label], /*folders=*/false)) {
      out.push_back({path, static_cast<int64_t>(label)});
      digest.update(
          fmt::format("{}/{} {}\n", classes[label], path.filename().string(), fs::file_size(path)));
    }
  require(!out.empty(), "Dataset {}: {} holds no image.", dataset, folder.string());
  // Reading 150 GB for a digest would take longer than many a run: a sample, evenly spread.
  const size_t sampled = std::min(out.size(), kSampledFiles);
  for (size_t i = 0; i < sampled; ++i)
    digest.update(read_file(out[i * out.size() / sampled].path, kMostBytes));
  return out;
}

ImageFilesDataset::ImageFilesDataset(ImageFilesConfig config, int64_t class_count,
                                     std::vector<ImageFile> training, HeldOut split,
                                     std::vector<ImageFile> test, std::string fingerprint)
    : config_(std::move(config)),
      class_count_(class_count),
      training_(std::move(training)),
      test_(std::move(test)),
      split_(std::move(split)),
      fingerprint_(std::move(fingerprint)) {
  require(config_.crop <= config_.resize, "Dataset {}: option crop is above option resize.",
          config_.dataset);
}

int64_t ImageFilesDataset::size(Split split) const {
  if (split == Split::Test) return static_cast<int64_t>(test_.size());
  return static_cast<int64_t>(split == Split::Train ? split_.train.size()
                                                    : split_.validation.size());
}

std::string ImageFilesDataset::preprocessing() const {
  return fmt::format(
      "shorter side {}, centre crop {}, bytes / 255, mean (0.485, 0.456, 0.406), deviation "
      "(0.229, 0.224, 0.225); training images: random resized crops, mirrored",
      config_.resize, config_.crop);
}

int64_t ImageFilesDataset::index_of(Split split, int64_t position) const {
  require(position >= 0 && position < size(split), "There is no {} image {}; there are {}.",
          name_of(split), position, size(split));
  if (split == Split::Test) return position;
  return (split == Split::Train ? split_.train : split_.validation)[static_cast<size_t>(position)];
}

Batch ImageFilesDataset::batch(Split split, const BatchRequest& request) const {
  const int crop = config_.crop;
  const auto count = static_cast<int64_t>(request.positions.size());
  Batch out;
  out.input = torch::empty({count, 3, crop, crop});
  out.target = torch::empty({count}, torch::kLong);
  out.sample_ids = torch::empty({count}, torch::kLong);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t position = request.positions[static_cast<size_t>(i)];
    const int64_t index = index_of(split, position);
    const ImageFile& file = (split == Split::Test ? test_ : training_)[static_cast<size_t>(index)];
    const RandomStream random = request.random.child(static_cast<uint64_t>(position));
    const cv::Mat image = decode(file.path, config_.dataset);
    convert(request.augment ? random_crop(image, crop, random)
                            : centre_crop(image, config_.resize, crop, config_.dataset),
            crop, out.input.data_ptr<float>() + i * 3 * crop * crop);
    out.target.data_ptr<int64_t>()[i] = file.label;
    out.sample_ids.data_ptr<int64_t>()[i] = index;
  }
  return out;
}

}  // namespace quantbench
