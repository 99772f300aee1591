// Images of any classes, one folder a class. The folder holds train/ and test/ (or val/), each with
// the same classes, and maybe a validation split between them; or it holds the classes alone, and a
// seed draws the splits. The images of test/ may lie side by side when a file gives their labels.
#include <set>

#include "datasets/image_files.h"

namespace quantbench {
namespace {
namespace fs = std::filesystem;

constexpr char kName[] = "image_folder";

// The path of the option, looked up below the root unless it is absolute or there as it stands.
fs::path folder_of(const fs::path& root, const std::string& option) {
  if (option.empty()) return root / kName;
  std::error_code code;
  return fs::is_directory(option, code) ? fs::path(option) : root / option;
}

bool is_folder(const fs::path& path) {
  std::error_code code;
  return fs::is_directory(path, code);
}

struct Files {
  std::vector<std::string> classes;
  std::vector<ImageFile> training, test;
  HeldOut split;
};

int64_t share_of(double percent, size_t count) {
  return static_cast<int64_t>(percent / 100 * static_cast<double>(count) + 0.5);
}

uint64_t split_seed(const DatasetConfig& config) {
  const int64_t seed = config.options.integer("split_seed");
  return seed < 0 ? config.seed : static_cast<uint64_t>(seed);
}

void check_classes(const fs::path& folder, const std::vector<std::string>& classes) {
  require(class_folders(folder) == classes,
          "Dataset {}: the folder {} does not hold the same classes as the training split.", kName,
          folder.string());
}

// train/ and test/ or val/: where both of these are there, val/ is the validation split.
Files split_by_folders(const fs::path& folder, const DatasetConfig& config, Sha256& digest) {
  Files out;
  out.classes = class_folders(folder / "train");
  out.training = list_images(folder / "train", out.classes, digest, kName);
  fs::path validation;
  for (const char* name : {"val", "valid", "validation"})
    if (is_folder(folder / name)) validation = folder / name;
  fs::path test = folder / "test";
  if (!is_folder(test)) std::swap(test, validation);
  require(is_folder(test), "Dataset {}: {} has a folder train, but neither test nor val.", kName,
          folder.string());
  const std::string& labels = config.options.text("test_labels");
  if (labels.empty()) check_classes(test, out.classes);
  out.test = labels.empty()
                 ? list_images(test, out.classes, digest, kName)
                 : list_labelled_images(test, folder / labels, out.classes, digest, kName);
  if (!is_folder(validation)) {
    out.split = hold_out(static_cast<int64_t>(out.training.size()),
                         share_of(config.options.real("validation_percent"), out.training.size()),
                         split_seed(config), kName);
    return out;
  }
  check_classes(validation, out.classes);
  const std::vector<ImageFile> held = list_images(validation, out.classes, digest, kName);
  const auto first = static_cast<int64_t>(out.training.size());
  out.training.insert(out.training.end(), held.begin(), held.end());
  for (int64_t i = 0; i < static_cast<int64_t>(out.training.size()); ++i)
    (i < first ? out.split.train : out.split.validation).push_back(i);
  return out;
}

Files split_by_seed(const fs::path& folder, const DatasetConfig& config, Sha256& digest) {
  Files out;
  out.classes = class_folders(folder);
  const std::vector<ImageFile> all = list_images(folder, out.classes, digest, kName);
  const int64_t tests = share_of(config.options.real("test_percent"), all.size());
  require(config.options.text("test_labels").empty(),
          "Dataset {}: option test_labels is for a folder with train/ and test/ (or val/).", kName);
  require(tests > 0, "Dataset {}: {} images are too few for a test split of {} %.", kName,
          all.size(), config.options.real("test_percent"));
  const std::vector<int64_t> order =
      permutation(static_cast<int64_t>(all.size()), RandomStream(split_seed(config), "test split"));
  std::set<int64_t> drawn(order.begin(), order.begin() + tests);
  for (int64_t i = 0; i < static_cast<int64_t>(all.size()); ++i)
    (drawn.count(i) ? out.test : out.training).push_back(all[static_cast<size_t>(i)]);
  for (int64_t position : drawn) digest.update(fmt::format(" test {}", position));
  if (out.training.empty()) return out;
  out.split = hold_out(static_cast<int64_t>(out.training.size()),
                       share_of(config.options.real("validation_percent"), out.training.size()),
                       split_seed(config), kName);
  return out;
}

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  const fs::path folder = folder_of(config.root, config.options.text("path"));
  require(
      is_folder(folder),
      "Dataset {}: there is no folder {}; --{}.path=FOLDER names it, with one folder of JPEG or "
      "PNG files a class in it, or in its train/ and test/.",
      kName, folder.string(), kName);
  Sha256 digest;
  Files files = is_folder(folder / "train") ? split_by_folders(folder, config, digest)
                                            : split_by_seed(folder, config, digest);
  require(files.classes.size() >= 2, "Dataset {}: {} holds {} class(es), and there must be two.",
          kName, folder.string(), files.classes.size());
  for (int64_t held : files.split.validation) digest.update(fmt::format(" {}", held));
  return std::make_unique<ImageFilesDataset>(
      kName, config, folder, static_cast<int64_t>(files.classes.size()), std::move(files.training),
      std::move(files.split), std::move(files.test), digest.hex());
}

DatasetEntry entry() {
  DatasetEntry made;
  made.name = kName;
  made.help =
      "your own images: a folder with one folder of JPEG or PNG files a class, in train/ and test/ "
      "(and val/) or split by a seed";
  made.options = {
      Option::text("path", "", "the folder; relative to here or to the data root"),
      Option::real("test_percent", 20, 0, 100,
                   "test split where there is no train/ and test/; 100: nothing to train on"),
      Option::text("test_labels", "",
                   "file in the folder with the class of each image of a test/ (or val/) without "
                   "class folders"),
      Option::real("validation_percent", 10, 0, 90,
                   "of the training images, where there is no validation folder"),
      Option::integer("split_seed", 0, -1, int64_t{1} << 31,
                      "seed that draws the splits; -1: the run's seed")};
  for (Option& option : image_options()) made.options.push_back(std::move(option));
  made.open = open;
  return made;
}

QUANTBENCH_DATASET(entry());

}  // namespace
}  // namespace quantbench
