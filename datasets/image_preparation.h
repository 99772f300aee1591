// How an image file becomes what a network sees: decoding, size, crop, variation in training,
// normalisation. Every choice is an option of the dataset and part of its preprocessing's name.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/options.h"

namespace quantbench {

// Area: the mean over the pixels that an output pixel covers, bilinear where the image grows. The
// others look at a fixed number of neighbours.
enum class Interpolation { Area, Bilinear, Bicubic, Lanczos };

// Which part of a training image is shown.
enum class TrainingCrop {
  RandomResized,  // 8 to 100 % of the area at 3/4 to 4/3 (Szegedy et al. 2015)
  Random,         // of the image with its shorter side at `resize` (Krizhevsky et al. 2012)
  Centre,         // as in evaluation
};

// JPEGs can be decoded at 1/2, 1/4 or 1/8 of their size: less work, other pixels.
enum class ReducedDecoding { Never, Training, Always };

struct ImagePreparation {
  int resize = 256, crop = 224;  // shorter side before the crop; side of what is shown
  Interpolation interpolation = Interpolation::Area;
  TrainingCrop training_crop = TrainingCrop::RandomResized;
  bool flip = true;   // half of the training images
  double jitter = 0;  // factors of brightness, contrast and saturation lie within 1 -+ jitter
  ReducedDecoding reduced = ReducedDecoding::Training;
  std::array<float, 3> mean{}, deviation{};  // of red, green, blue bytes / 255
};

// The options resize, crop, interpolation, training_crop, flip, colour_jitter, reduced_decoding and
// normalization.
std::vector<Option> preparation_options();

// Throws Error, naming `dataset`, when the crop is larger than the image.
ImagePreparation preparation_of(const OptionValues& options, const std::string& dataset);

std::string in_words(const ImagePreparation& how);

// By how much the decoder may reduce an image of which `side` pixels become `target`: 1, 2, 4 or 8.
int reduction(int64_t side, int64_t target);

}  // namespace quantbench
