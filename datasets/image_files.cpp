#include "datasets/image_files.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include "base/file.h"
#include "datasets/image_labels.h"

namespace quantbench {
namespace {
namespace fs = std::filesystem;

constexpr size_t kMostFiles = size_t{1} << 24;
constexpr size_t kSampledFiles = 2000;  // of a split, for the fingerprint
constexpr size_t kNamedFiles = 10;      // in a remark

std::vector<fs::path> sorted_entries(const fs::path& folder, bool folders) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory() == folders && entry.path().filename().string()[0] != '.')
      out.push_back(entry.path());
  require(out.size() <= kMostFiles, "{} holds more than {} entries.", folder.string(), kMostFiles);
  std::sort(out.begin(), out.end());
  return out;
}

void check_and_digest(const std::vector<ImageFile>& files, const fs::path& folder, Sha256& digest,
                      const std::string& dataset) {
  require(!files.empty(), "Dataset {}: {} holds no image.", dataset, folder.string());
  // Reading 150 GB for a digest would take longer than many a run: a sample, evenly spread.
  const size_t sampled = std::min(files.size(), kSampledFiles);
  for (size_t i = 0; i < sampled; ++i)
    digest.update(read_file(files[i * files.size() / sampled].path, kMostImageBytes));
}

// act(0) ... act(count - 1) on up to `threads` threads; the problem of the first of them that had
// one is thrown.
template <typename Act>
void parallel(int64_t count, int threads, const Act& act) {
  std::atomic<int64_t> next{0};
  std::vector<std::exception_ptr> problems(static_cast<size_t>(count));
  const auto work = [&] {
    for (int64_t i; (i = next++) < count;) try {
        act(i);
      } catch (...) {
        problems[static_cast<size_t>(i)] = std::current_exception();
      }
  };
  std::vector<std::thread> others;
  for (int64_t i = 1; i < std::min<int64_t>(threads, count); ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  for (const std::exception_ptr& problem : problems)
    if (problem) std::rethrow_exception(problem);
}

std::string names_of(const std::map<std::string, std::string>& files) {
  std::string out;
  size_t named = 0;
  for (const auto& [name, why] : files) {
    if (named == kNamedFiles) return out + ", ...";
    out += (named++ ? ", " : "") + name;
  }
  return out;
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
  check_and_digest(out, folder, digest, dataset);
  return out;
}

std::vector<ImageFile> list_labelled_images(const fs::path& folder, const fs::path& labels,
                                            const std::vector<std::string>& classes, Sha256& digest,
                                            const std::string& dataset) {
  const std::string what = fmt::format("Dataset {}: the label file {}", dataset, labels.string());
  std::map<std::string, int64_t> rows = read_label_file(labels, classes, what);
  std::vector<ImageFile> out;
  for (const fs::path& path : sorted_entries(folder, /*folders=*/false)) {
    auto row = rows.find(path.filename().string());
    if (row == rows.end()) row = rows.find(path.stem().string());
    require(row != rows.end(), "{} has no row for the image {}.", what, path.filename().string());
    out.push_back({path, row->second});
    digest.update(
        fmt::format("{} {} {}\n", path.filename().string(), row->second, fs::file_size(path)));
    rows.erase(row);
  }
  require(rows.empty(), "{} has a row for {}, but {} holds no such image.", what,
          rows.begin()->first, folder.string());
  check_and_digest(out, folder, digest, dataset);
  return out;
}

std::vector<Option> image_options() {
  std::vector<Option> out = preparation_options();
  out.push_back(
      Option::choice("broken_images", "refuse", {"refuse", "skip"},
                     "an image that cannot be read ends the run, or is left out and named"));
  return out;
}

ImageFilesDataset::ImageFilesDataset(std::string name, const DatasetConfig& config, fs::path root,
                                     int64_t class_count, std::vector<ImageFile> training,
                                     HeldOut split, std::vector<ImageFile> test,
                                     std::string fingerprint)
    : name_(name),
      reader_(name, preparation_of(config.options, name)),
      root_(std::move(root)),
      skips_broken_(config.options.text("broken_images") == "skip"),
      threads_(config.threads),
      class_count_(class_count),
      training_(std::move(training)),
      test_(std::move(test)),
      split_(std::move(split)),
      fingerprint_(std::move(fingerprint)) {}

int64_t ImageFilesDataset::size(Split split) const {
  if (split == Split::Test) return static_cast<int64_t>(test_.size());
  return static_cast<int64_t>(split == Split::Train ? split_.train.size()
                                                    : split_.validation.size());
}

std::vector<int64_t> ImageFilesDataset::input_shape() const {
  return {3, reader_.how().crop, reader_.how().crop};
}

std::string ImageFilesDataset::preprocessing() const {
  return in_words(reader_.how()) + (skips_broken_ ? "; broken images left out" : "");
}

int64_t ImageFilesDataset::index_of(Split split, int64_t position) const {
  require(position >= 0 && position < size(split), "There is no {} image {}; there are {}.",
          name_of(split), position, size(split));
  if (split == Split::Test) return position;
  return (split == Split::Train ? split_.train : split_.validation)[static_cast<size_t>(position)];
}

const ImageFile& ImageFilesDataset::file(Split split, int64_t position) const {
  const auto index = static_cast<size_t>(index_of(split, position));
  return (split == Split::Test ? test_ : training_)[index];
}

std::string ImageFilesDataset::sample_name(Split split, int64_t position) const {
  return file(split, position).path.lexically_relative(root_).generic_string();
}

Batch ImageFilesDataset::batch(Split split, const BatchRequest& request) const {
  const int64_t side = reader_.how().crop;
  const auto count = static_cast<int64_t>(request.positions.size());
  Batch out;
  out.input = torch::empty({count, 3, side, side});
  out.target = torch::empty({count}, torch::kLong);
  out.sample_ids = torch::empty({count}, torch::kLong);
  float* const input = out.input.data_ptr<float>();
  int64_t* const target = out.target.data_ptr<int64_t>();
  int64_t* const ids = out.sample_ids.data_ptr<int64_t>();
  std::vector<char> is_broken(static_cast<size_t>(count), 0);
  parallel(count, threads_, [&](int64_t i) {
    const int64_t position = request.positions[static_cast<size_t>(i)];
    const ImageFile& from = file(split, position);
    const RandomStream random = request.random.child(static_cast<uint64_t>(position));
    target[i] = from.label;
    ids[i] = index_of(split, position);
    try {
      std::string damage =
          reader_.read(from.path, request.augment ? &random : nullptr, input + i * 3 * side * side);
      if (damage.empty()) return;
      const std::lock_guard lock(mutex_);
      damaged_.emplace(sample_name(split, position), std::move(damage));
    } catch (const Error& problem) {
      if (!skips_broken_) throw;
      is_broken[static_cast<size_t>(i)] = 1;
      const std::lock_guard lock(mutex_);
      broken_.emplace(sample_name(split, position), problem.what());
    }
  });
  std::vector<int64_t> whole;
  for (int64_t i = 0; i < count; ++i)
    if (!is_broken[static_cast<size_t>(i)]) whole.push_back(i);
  if (static_cast<int64_t>(whole.size()) == count) return out;
  require(!whole.empty(), "Dataset {}: not one image of a batch can be read.", name_);
  const Tensor kept = torch::tensor(whole, torch::kLong);
  out.input = out.input.index_select(0, kept);
  out.target = out.target.index_select(0, kept);
  out.sample_ids = out.sample_ids.index_select(0, kept);
  return out;
}

std::vector<std::string> ImageFilesDataset::remarks() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  if (!broken_.empty())
    out.push_back(fmt::format("Dataset {}: {} of the images cannot be read and were left out: {}.",
                              name_, broken_.size(), names_of(broken_)));
  if (!damaged_.empty())
    out.push_back(fmt::format(
        "Dataset {}: {} of the images are damaged inside and were shown as far as they could be "
        "decoded: {}; the first: {}.",
        name_, damaged_.size(), names_of(damaged_), damaged_.begin()->second));
  return out;
}

}  // namespace quantbench
