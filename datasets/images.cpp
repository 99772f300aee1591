#include "datasets/images.h"

#include <algorithm>

#include "base/sha256.h"

namespace quantbench {
namespace {

struct Placement {
  int64_t down = 0, right = 0;  // where the image's first pixel comes to lie
  bool mirrored = false;
};

Placement draw_placement(const ImageFormat& format, const RandomStream& random) {
  const uint64_t places = static_cast<uint64_t>(2 * format.shift + 1);
  return {static_cast<int64_t>(random.below(0, places)) - format.shift,
          static_cast<int64_t>(random.below(1, places)) - format.shift,
          format.mirror && random.below(2, 2) == 1};
}

// One row of `width` bytes: shifted by `right` pixels, then mirrored.
void convert_row(const uint8_t* from, float* to, int64_t width, int64_t right, bool mirrored,
                 const float* value_of_byte) {
  const int64_t first = std::clamp<int64_t>(right, 0, width);
  const int64_t last = std::clamp<int64_t>(width + right, 0, width);
  const float black = value_of_byte[0];
  std::fill(to, to + first, black);
  for (int64_t x = first; x < last; ++x) to[x] = value_of_byte[from[x - right]];
  std::fill(to + last, to + width, black);
  if (mirrored) std::reverse(to, to + width);
}

void convert_image(const ImageFormat& format, const uint8_t* from, float* to,
                   const float* value_of_byte, const Placement& place) {
  for (int64_t channel = 0; channel < format.channels; ++channel, value_of_byte += 256) {
    for (int64_t y = 0; y < format.height; ++y, to += format.width) {
      const int64_t row = y - place.down;
      if (row < 0 || row >= format.height)
        std::fill(to, to + format.width, value_of_byte[0]);
      else
        convert_row(from + channel * format.plane() + row * format.width, to, format.width,
                    place.right, place.mirrored, value_of_byte);
    }
  }
}

}  // namespace

std::string ImageFormat::words() const {
  std::string out = fmt::format("bytes / 255, mean ({}), deviation ({})", fmt::join(mean, ", "),
                                fmt::join(deviation, ", "));
  if (shift > 0 || mirror) out += "; training images";
  if (shift > 0) out += fmt::format(" shifted by up to {} pixels over black", shift);
  if (mirror) out += fmt::format("{} mirrored at random", shift > 0 ? " and" : "");
  return out;
}

HeldOut hold_out(int64_t count, int64_t validation, uint64_t seed, const std::string& dataset) {
  require(validation >= 0 && validation < count,
          "Dataset {}: option validation holds out {} of {} training images; at least one must be "
          "left to train on.",
          dataset, validation, count);
  const std::vector<int64_t> order = permutation(count, RandomStream(seed, "split"));
  HeldOut out;
  out.validation.assign(order.begin(), order.begin() + validation);
  out.train.assign(order.begin() + validation, order.end());
  std::sort(out.validation.begin(), out.validation.end());
  std::sort(out.train.begin(), out.train.end());
  return out;
}

std::vector<Option> hold_out_options(int64_t validation, int64_t most) {
  return {Option::integer("validation", validation, 0, most,
                          "training images held out for validation; 0: validate on nothing"),
          Option::integer("split_seed", 0, -1, int64_t{1} << 31,
                          "seed that chooses them; -1: the run's seed")};
}

HeldOut hold_out(int64_t count, const DatasetConfig& config, const std::string& dataset) {
  const int64_t seed = config.options.integer("split_seed");
  return hold_out(count, config.options.integer("validation"),
                  seed < 0 ? config.seed : static_cast<uint64_t>(seed), dataset);
}

void check_labels(const std::vector<uint8_t>& labels, int64_t class_count,
                  const std::string& what) {
  for (size_t i = 0; i < labels.size(); ++i)
    require(labels[i] < class_count, "{}: sample {} has label {}, but labels are 0..{}.", what, i,
            labels[i], class_count - 1);
}

ImageDataset::ImageDataset(ImageFormat format, ImageSet training, HeldOut split, ImageSet test,
                           std::string content)
    : format_(std::move(format)),
      training_(std::move(training)),
      test_(std::move(test)),
      split_(std::move(split)) {
  for (int64_t channel = 0; channel < format_.channels; ++channel) {
    const size_t c = static_cast<size_t>(channel);
    for (int byte = 0; byte < 256; ++byte)
      value_of_byte_.push_back((static_cast<float>(byte) / 255.0f - format_.mean[c]) /
                               format_.deviation[c]);
  }
  Sha256 digest;
  digest.update(content);
  for (int64_t held : split_.validation) digest.update(fmt::format(" {}", held));
  fingerprint_ = digest.hex();
}

int64_t ImageDataset::size(Split split) const {
  switch (split) {
    case Split::Train:
      return static_cast<int64_t>(split_.train.size());
    case Split::Validation:
      return static_cast<int64_t>(split_.validation.size());
    case Split::Test:
      return test_.count();
  }
  return 0;
}

int64_t ImageDataset::index(Split split, int64_t position) const {
  require(position >= 0 && position < size(split), "There is no {} image {}; there are {}.",
          name_of(split), position, size(split));
  const size_t at = static_cast<size_t>(position);
  if (split == Split::Train) return split_.train[at];
  return split == Split::Validation ? split_.validation[at] : position;
}

Batch ImageDataset::batch(Split split, const BatchRequest& request) const {
  const ImageSet& images = split == Split::Test ? test_ : training_;
  const int64_t count = static_cast<int64_t>(request.positions.size());
  Batch out;
  out.input = torch::empty({count, format_.channels, format_.height, format_.width});
  out.target = torch::empty({count}, torch::kLong);
  out.sample_ids = torch::empty({count}, torch::kLong);
  float* input = out.input.data_ptr<float>();
  int64_t* target = out.target.data_ptr<int64_t>();
  int64_t* sample = out.sample_ids.data_ptr<int64_t>();
  for (int64_t position : request.positions) {
    const int64_t image = index(split, position);
    const RandomStream random = request.random.child(static_cast<uint64_t>(position));
    const Placement place = request.augment ? draw_placement(format_, random) : Placement{};
    convert_image(format_, images.pixels.data() + image * format_.pixels(), input,
                  value_of_byte_.data(), place);
    input += format_.pixels();
    *target++ = images.labels[static_cast<size_t>(image)];
    *sample++ = image;
  }
  return out;
}

}  // namespace quantbench
