// Labelled image files in folders, one folder a class: what ImageNet and image folders share.
// Images stay on disk and are decoded by OpenCV when a batch asks for them: bilinear resize and
// crop as published (He et al. 2016), random resized crops and mirroring in training (Szegedy et
// al. 2015).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/sha256.h"
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

struct ImageFilesConfig {
  std::string dataset;  // for errors
  int resize = 256;     // shorter side before the crop
  int crop = 224;       // side of what the network sees
};

// Batches of three channels, red, green and blue, normalised by ImageNet's means and deviations.
class ImageFilesDataset : public Dataset {
 public:
  // `training` holds the files of Train and Validation, told apart by `split`.
  ImageFilesDataset(ImageFilesConfig config, int64_t class_count, std::vector<ImageFile> training,
                    HeldOut split, std::vector<ImageFile> test, std::string fingerprint);

  int64_t size(Split split) const override;
  int64_t class_count() const override { return class_count_; }
  std::vector<int64_t> input_shape() const override { return {3, config_.crop, config_.crop}; }
  Batch batch(Split split, const BatchRequest& request) const override;
  std::string fingerprint() const override { return fingerprint_; }
  std::string preprocessing() const override;

 private:
  int64_t index_of(Split split, int64_t position) const;

  ImageFilesConfig config_;
  int64_t class_count_;
  std::vector<ImageFile> training_, test_;
  HeldOut split_;
  std::string fingerprint_;
};

}  // namespace quantbench
