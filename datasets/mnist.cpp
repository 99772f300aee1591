// MNIST in its original IDX files, plain or gzipped.
#include "base/file.h"
#include "base/sha256.h"
#include "datasets/idx.h"
#include "datasets/images.h"
#include "datasets/raw_files.h"

namespace quantbench {
namespace {
namespace fs = std::filesystem;

constexpr int64_t side = 28;
constexpr uint64_t most_bytes = uint64_t{1} << 28;  // of one unfolded file

constexpr const char* names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                 "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

fs::path locate(const fs::path& root, const std::string& name) {
  const fs::path plain = root / "MNIST" / "raw" / name;
  std::error_code code;
  return fs::exists(plain, code) ? plain : fs::path(plain.string() + ".gz");
}

std::string missing(const fs::path& root) {
  std::vector<fs::path> paths;
  for (const char* name : names) paths.push_back(locate(root, name));
  return missing_file(paths, "mnist");
}

ImageSet read_images(const fs::path& root, const char* image_name, const char* label_name,
                     Sha256& digest) {
  const fs::path image_path = locate(root, image_name), label_path = locate(root, label_name);
  const std::string image_bytes = read_gzip(image_path, most_bytes);
  const std::string label_bytes = read_gzip(label_path, most_bytes);
  digest.update(image_bytes).update(label_bytes);
  const IdxBytes images = parse_idx(image_bytes, 3, image_path.string());
  const IdxBytes labels = parse_idx(label_bytes, 1, label_path.string());
  require(images.shape[1] == side && images.shape[2] == side,
          "{} holds images of {} x {} pixels; MNIST has {} x {}.", image_path.string(),
          images.shape[1], images.shape[2], side, side);
  require(images.shape[0] == labels.shape[0], "{} holds {} images, but {} holds {} labels.",
          image_path.string(), images.shape[0], label_path.string(), labels.shape[0]);
  ImageSet out;
  out.pixels.assign(images.data.begin(), images.data.end());
  out.labels.assign(labels.data.begin(), labels.data.end());
  check_labels(out.labels, 10, label_path.string());
  return out;
}

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  const std::string gap = missing(config.root);
  require(gap.empty(), "{}", gap);
  Sha256 digest;
  ImageSet training, test;
  reading("mnist", [&] {
    training = read_images(config.root, names[0], names[1], digest);
    test = read_images(config.root, names[2], names[3], digest);
  });
  HeldOut split = hold_out(training.count(), config, "mnist");
  ImageFormat format{1, side, side, 10, {0.1307f}, {0.3081f}, 0, false};
  return std::make_unique<ImageDataset>(std::move(format), std::move(training), std::move(split),
                                        std::move(test), digest.hex());
}

DatasetEntry entry() {
  return {"mnist", "MNIST digits, IDX files (plain or .gz): 60,000 + 10,000 images",
          false,   hold_out_options(5000, 59999),
          open,    missing};
}

}  // namespace

QUANTBENCH_DATASET(entry());

}  // namespace quantbench
