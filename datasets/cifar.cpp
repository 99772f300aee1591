#include "datasets/cifar.h"

#include "base/file.h"
#include "datasets/raw_files.h"

namespace quantbench {
namespace {
namespace fs = std::filesystem;

constexpr int64_t pixel_bytes = 3 * 32 * 32;

struct Files {
  CifarLayout layout;
  std::string folder;
  std::vector<std::string> training;
  int64_t training_records = 0;  // of each file
  std::string test;
  int64_t test_records = 0;
};

const Files& cifar10_files() {
  static const Files files{{"cifar10", 1, 10},
                           "cifar-10-batches-bin",
                           {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                            "data_batch_4.bin", "data_batch_5.bin"},
                           10000,
                           "test_batch.bin",
                           10000};
  return files;
}

const Files& cifar100_files() {
  static const Files files{
      {"cifar100", 2, 100}, "cifar-100-binary", {"train.bin"}, 50000, "test.bin", 10000};
  return files;
}

std::string missing(const Files& files, const fs::path& root) {
  std::vector<fs::path> paths;
  for (const std::string& name : files.training) paths.push_back(root / files.folder / name);
  paths.push_back(root / files.folder / files.test);
  return missing_file(paths, files.layout.dataset);
}

ImageFormat image_format(const Files& files, const OptionValues& options) {
  ImageFormat format{3, 32, 32, files.layout.class_count, {}, {}, 4, true};
  if (options.text("mean_std") == "imagenet") {
    format.mean = {0.485f, 0.456f, 0.406f};
    format.deviation = {0.229f, 0.224f, 0.225f};
  } else {
    format.mean = {0.4914f, 0.4822f, 0.4465f};
    format.deviation = {0.2023f, 0.1994f, 0.2010f};
  }
  return format;
}

std::unique_ptr<Dataset> open(const Files& files, const DatasetConfig& config) {
  const std::string gap = missing(files, config.root);
  require(gap.empty(), "{}", gap);
  const fs::path folder = config.root / files.folder;
  Sha256 digest;
  ImageSet training, test;
  reading(files.layout.dataset, [&] {
    for (const std::string& name : files.training)
      read_cifar_file(folder / name, files.layout, files.training_records, training, digest);
    read_cifar_file(folder / files.test, files.layout, files.test_records, test, digest);
  });
  HeldOut split = hold_out(training.count(), config, files.layout.dataset);
  return std::make_unique<ImageDataset>(image_format(files, config.options), std::move(training),
                                        std::move(split), std::move(test), digest.hex());
}

DatasetEntry entry(const Files& files, std::string help) {
  DatasetEntry made;
  made.name = files.layout.dataset;
  made.help = std::move(help);
  made.options = hold_out_options(5000, 49999);
  made.options.push_back(
      Option::choice("mean_std", "imagenet", {"imagenet", "cifar"},
                     "normalisation: ImageNet's mean and deviation (public weights) or CIFAR's"));
  made.open = [&files](const DatasetConfig& config) { return open(files, config); };
  made.missing = [&files](const fs::path& root) { return missing(files, root); };
  return made;
}

}  // namespace

void read_cifar_file(const fs::path& path, const CifarLayout& layout, int64_t records,
                     ImageSet& images, Sha256& digest) {
  const uint64_t record = static_cast<uint64_t>(layout.label_bytes + pixel_bytes);
  const uint64_t expected = record * static_cast<uint64_t>(records);
  std::error_code code;
  const uint64_t size = fs::file_size(path, code);
  require(!code && size == expected, "{} should have {} bytes ({} records); it {}.", path.string(),
          expected, records, code ? "cannot be read" : fmt::format("has {}", size));
  const std::string bytes = read_file(path, expected);
  digest.update(bytes);
  std::vector<uint8_t> labels;
  images.pixels.reserve(images.pixels.size() + static_cast<size_t>(records * pixel_bytes));
  for (size_t at = 0; at < bytes.size(); at += record) {
    const auto pixels = bytes.begin() + static_cast<std::ptrdiff_t>(at) + layout.label_bytes;
    labels.push_back(static_cast<uint8_t>(*(pixels - 1)));
    images.pixels.insert(images.pixels.end(), pixels, pixels + pixel_bytes);
  }
  check_labels(labels, layout.class_count, path.string());
  images.labels.insert(images.labels.end(), labels.begin(), labels.end());
}

QUANTBENCH_DATASET(entry(cifar10_files(), "CIFAR-10, binary version: 50,000 + 10,000 images"));
QUANTBENCH_DATASET(entry(cifar100_files(), "CIFAR-100, binary version, fine labels"));

}  // namespace quantbench
