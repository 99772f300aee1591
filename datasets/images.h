// Labelled images of one size, kept as bytes in memory and turned into normalised float batches:
// what all image-classification datasets share. It never reads a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/dataset.h"

namespace quantbench {

// Bytes of count() images of one shape, planes in order: [N, C, H, W].
struct ImageSet {
  std::vector<uint8_t> pixels;
  std::vector<uint8_t> labels;

  int64_t count() const { return static_cast<int64_t>(labels.size()); }
};

struct ImageFormat {
  int64_t channels = 0, height = 0, width = 0;
  int64_t class_count = 0;
  std::vector<float> mean, deviation;  // per channel, of byte / 255

  // The training augmentation: the image is shifted by up to `shift` pixels in each direction,
  // black (byte 0) coming in at the edges, and mirrored in half of the cases if `mirror`.
  int64_t shift = 0;
  bool mirror = false;

  int64_t plane() const { return height * width; }
  int64_t pixels() const { return channels * plane(); }
  // "bytes / 255, mean (0.5), deviation (0.25); training images shifted by up to 2 pixels".
  std::string words() const;
};

// Which of a format's training images are trained on and which are held out; both ascending.
struct HeldOut {
  std::vector<int64_t> train, validation;
};

// Holds `validation` of `count` images out, drawn from RandomStream(seed, "split"). Throws Error
// unless at least one is left to train on.
HeldOut hold_out(int64_t count, int64_t validation, uint64_t seed, const std::string& dataset);

// The options "validation" (default `validation`) and "split_seed" of formats without a split of
// their own, and what they choose.
std::vector<Option> hold_out_options(int64_t validation, int64_t most);
HeldOut hold_out(int64_t count, const DatasetConfig& config, const std::string& dataset);

// Throws Error naming `what` when a label is not below `class_count`.
void check_labels(const std::vector<uint8_t>& labels, int64_t class_count, const std::string& what);

class ImageDataset : public Dataset {
 public:
  // `training` holds the images of Train and Validation, told apart by `split`. `content` is a
  // digest of what the images were made from. sample_ids of a batch are positions in `training` or
  // `test`.
  ImageDataset(ImageFormat format, ImageSet training, HeldOut split, ImageSet test,
               std::string content);

  int64_t size(Split split) const override;
  int64_t class_count() const override { return format_.class_count; }
  std::vector<int64_t> input_shape() const override {
    return {format_.channels, format_.height, format_.width};
  }
  Batch batch(Split split, const BatchRequest& request) const override;
  std::string fingerprint() const override { return fingerprint_; }
  std::string preprocessing() const override { return format_.words(); }

 private:
  int64_t index(Split split, int64_t position) const;

  ImageFormat format_;
  ImageSet training_, test_;
  HeldOut split_;
  std::vector<float> value_of_byte_;  // [C, 256]
  std::string fingerprint_;
};

}  // namespace quantbench
