// ImageNet (ILSVRC 2012) as folders of JPEGs: imagenet/train/WNID/*.JPEG and imagenet/val/WNID/*,
// or imagenet/val/*.JPEG and a file of labels; the classes numbered in the order of their names.
#include "datasets/image_files.h"

namespace quantbench {
namespace {
namespace fs = std::filesystem;

fs::path folder_of(const fs::path& root, const char* split) { return root / "imagenet" / split; }

std::string missing(const fs::path& root) {
  for (const char* split : {"train", "val"}) {
    std::error_code code;
    if (!fs::is_directory(folder_of(root, split), code))
      return fmt::format(
          "Dataset imagenet: there is no folder {}; unpack ILSVRC 2012 into one folder a class "
          "(www.image-net.org, which asks for a registration).",
          folder_of(root, split).string());
  }
  return "";
}

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  const std::string gap = missing(config.root);
  require(gap.empty(), "{}", gap);
  const fs::path train = folder_of(config.root, "train"), val = folder_of(config.root, "val");
  const std::vector<std::string> classes = class_folders(train);
  const std::string& labels = config.options.text("val_labels");
  require(
      !labels.empty() || classes == class_folders(val),
      "Dataset imagenet: the folders train and val do not hold the same classes; where val holds "
      "the images themselves, --imagenet.val_labels=FILE gives their classes.");
  Sha256 digest;
  std::vector<ImageFile> training = list_images(train, classes, digest, "imagenet");
  std::vector<ImageFile> test = labels.empty()
                                    ? list_images(val, classes, digest, "imagenet")
                                    : list_labelled_images(val, config.root / "imagenet" / labels,
                                                           classes, digest, "imagenet");
  HeldOut split = hold_out(static_cast<int64_t>(training.size()), config, "imagenet");
  for (int64_t held : split.validation) digest.update(fmt::format(" {}", held));
  return std::make_unique<ImageFilesDataset>(
      "imagenet", config, config.root / "imagenet", static_cast<int64_t>(classes.size()),
      std::move(training), std::move(split), std::move(test), digest.hex());
}

DatasetEntry entry() {
  DatasetEntry made;
  made.name = "imagenet";
  made.help =
      "ImageNet (ILSVRC 2012), imagenet/{train,val}/WNID/*.JPEG; fingerprint by names, "
      "sizes and the contents of 2,000 files of each split";
  made.options = hold_out_options(10000, int64_t{1} << 24);
  made.options.push_back(Option::text("val_labels", "",
                                      "file in imagenet/ with the class of each image of a val/ "
                                      "without class folders"));
  for (Option& option : image_options()) made.options.push_back(std::move(option));
  made.open = open;
  made.missing = missing;
  return made;
}

QUANTBENCH_DATASET(entry());

}  // namespace
}  // namespace quantbench
