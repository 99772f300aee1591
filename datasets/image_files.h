// Labelled image files, in one folder a class or in one folder with a file of labels: what ImageNet
// and image folders share. Images stay on disk and are decoded when a batch asks for them.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "datasets/image_reader.h"
#include "datasets/images.h"

namespace quantbench {

struct ImageFile {
  std::filesystem::path path;
  int64_t label = 0;
};

// The folders in `folder` by name, the hidden ones left out: one a class.
std::vector<std::string> class_folders(const std::filesystem::path& folder);

// The files below one folder a class, labelled by its position, the hidden ones left out; their
// names and sizes go into `digest`, and the contents of 2,000 of them (of all, where there are no
// more). Throws Error, naming `dataset`, when there is none.
std::vector<ImageFile> list_images(const std::filesystem::path& folder,
                                   const std::vector<std::string>& classes, Sha256& digest,
                                   const std::string& dataset);

// The files of one folder, labelled by the rows of `labels`: a file's name, with or without its
// ending, then its class, a number from 0 on or a name out of `classes`; spaces or commas between,
// further columns left out, and a first row that starts with "ImageId". Otherwise as list_images().
// Throws Error when a file has no row or two, a row no file, or a class is not known.
std::vector<ImageFile> list_labelled_images(const std::filesystem::path& folder,
                                            const std::filesystem::path& labels,
                                            const std::vector<std::string>& classes, Sha256& digest,
                                            const std::string& dataset);

// The options of every such dataset: preparation_options(), and what to do about an image that
// cannot be read.
std::vector<Option> image_options();

// Batches of three channels, red, green and blue.
class ImageFilesDataset : public Dataset {
 public:
  // `training` holds the files of Train and Validation, told apart by `split`. `config` has the
  // options of image_options(). `root`: names are relative to it.
  ImageFilesDataset(std::string name, const DatasetConfig& config, std::filesystem::path root,
                    int64_t class_count, std::vector<ImageFile> training, HeldOut split,
                    std::vector<ImageFile> test, std::string fingerprint);

  int64_t size(Split split) const override;
  int64_t class_count() const override { return class_count_; }
  std::vector<int64_t> input_shape() const override;
  // An image that cannot be read ends it, or, on request, is left out. Throws Error when none is
  // left.
  Batch batch(Split split, const BatchRequest& request) const override;
  std::string fingerprint() const override { return fingerprint_; }
  std::string preprocessing() const override;
  std::string sample_name(Split split, int64_t position) const override;
  bool is_parallel() const override { return true; }
  std::vector<std::string> remarks() const override;

 private:
  int64_t index_of(Split split, int64_t position) const;
  const ImageFile& file(Split split, int64_t position) const;

  std::string name_;
  ImageReader reader_;
  std::filesystem::path root_;
  bool skips_broken_ = false;
  int threads_ = 1;
  int64_t class_count_;
  std::vector<ImageFile> training_, test_;
  HeldOut split_;
  std::string fingerprint_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::string> broken_, damaged_;  // why, by file
};

}  // namespace quantbench
