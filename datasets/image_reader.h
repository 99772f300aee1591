// Reads one image file the way an ImagePreparation says. JPEG and PNG of any kind: grey images and
// CMYK become red, green and blue, 16 bits a channel become 8, an EXIF orientation is not looked at
// (as in the published pipelines), what is smaller than the crop is enlarged.
#pragma once

#include <array>
#include <filesystem>
#include <string>

#include "base/random.h"
#include "datasets/image_preparation.h"

namespace quantbench {

constexpr uint64_t kMostImageBytes = uint64_t{1} << 28;  // of one file

class ImageReader {
 public:
  // `dataset` starts every error.
  ImageReader(std::string dataset, ImagePreparation how);

  // The image at `path` into `out`, float [3, crop, crop], red first. `random` varies a training
  // image; none: as in evaluation. Returns what is damaged inside a JPEG that is shown as far as it
  // could be decoded; empty: nothing. Safe to call from several threads. Throws Error, naming the
  // file, on what is no JPEG or PNG, is cut off, cannot be decoded or is absurdly large.
  std::string read(const std::filesystem::path& path, const RandomStream* random, float* out) const;

  const ImagePreparation& how() const { return how_; }

 private:
  std::string dataset_;
  ImagePreparation how_;
  std::array<std::array<float, 256>, 3> value_of_byte_{};  // by channel
};

}  // namespace quantbench
