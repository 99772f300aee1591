#include "datasets/image_preparation.h"

#include <fmt/ranges.h>

#include "base/error.h"

namespace quantbench {
namespace {

const std::vector<std::string> kInterpolations{"area", "bilinear", "bicubic", "lanczos"};
const std::vector<std::string> kCrops{"random_resized", "random", "centre"};
const std::vector<std::string> kReduced{"never", "training", "always"};

// The choice at the same place as the enumerator.
template <typename Enum>
Enum chosen(const OptionValues& options, const std::string& name,
            const std::vector<std::string>& choices) {
  size_t i = 0;
  while (choices.at(i) != options.text(name)) ++i;
  return static_cast<Enum>(i);
}

std::string training_in_words(const ImagePreparation& how) {
  std::string out;
  switch (how.training_crop) {
    case TrainingCrop::RandomResized:
      out = "random resized crops";
      break;
    case TrainingCrop::Random:
      out = "random crops";
      break;
    case TrainingCrop::Centre:
      out = "centre crops";
      break;
  }
  if (how.flip) out += ", mirrored";
  if (how.jitter > 0) out += fmt::format(", colours jittered by {}", how.jitter);
  if (how.reduced == ReducedDecoding::Training) out += ", JPEGs decoded at reduced size";
  return out;
}

}  // namespace

std::vector<Option> preparation_options() {
  return {Option::integer("resize", 256, 8, 4096, "shorter side before the crop"),
          Option::integer("crop", 224, 8, 4096, "side of what the network sees"),
          Option::choice("interpolation", "area", kInterpolations,
                         "how sizes change; area: bilinear where an image grows"),
          Option::choice("training_crop", "random_resized", kCrops,
                         "which part of a training image is shown"),
          Option::flag("flip", true, "mirror half of the training images"),
          Option::real("colour_jitter", 0, 0, 0.9,
                       "training: brightness, contrast and saturation vary by so much"),
          Option::choice("reduced_decoding", "training", kReduced,
                         "whose JPEGs are decoded at 1/2, 1/4 or 1/8 of their size where the crop "
                         "stays smaller: faster, with slightly other pixels"),
          Option::choice("normalization", "imagenet", {"imagenet", "unit"},
                         "imagenet: its channels' means and deviations; unit: -1..1, as "
                         "TensorFlow's networks expect")};
}

ImagePreparation preparation_of(const OptionValues& options, const std::string& dataset) {
  ImagePreparation how;
  how.resize = static_cast<int>(options.integer("resize"));
  how.crop = static_cast<int>(options.integer("crop"));
  require(how.crop <= how.resize, "Dataset {}: option crop is above option resize.", dataset);
  how.interpolation = chosen<Interpolation>(options, "interpolation", kInterpolations);
  how.training_crop = chosen<TrainingCrop>(options, "training_crop", kCrops);
  how.flip = options.flag("flip");
  how.jitter = options.real("colour_jitter");
  how.reduced = chosen<ReducedDecoding>(options, "reduced_decoding", kReduced);
  if (options.text("normalization") == "imagenet") {
    how.mean = {0.485f, 0.456f, 0.406f};
    how.deviation = {0.229f, 0.224f, 0.225f};
  } else {
    how.mean = how.deviation = {0.5f, 0.5f, 0.5f};
  }
  return how;
}

std::string in_words(const ImagePreparation& how) {
  return fmt::format(
      "shorter side {} ({}){}, centre crop {}, bytes / 255, mean ({}), deviation ({}); training "
      "images: {}",
      how.resize, kInterpolations.at(static_cast<size_t>(how.interpolation)),
      how.reduced == ReducedDecoding::Always ? ", JPEGs decoded at reduced size" : "", how.crop,
      fmt::join(how.mean, ", "), fmt::join(how.deviation, ", "), training_in_words(how));
}

int reduction(int64_t side, int64_t target) {
  for (int by : {8, 4, 2})
    if (side / by >= target) return by;
  return 1;
}

}  // namespace quantbench
