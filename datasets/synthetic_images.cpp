// Images made from a formula, so that the program can be tried and tested without any download.
// Each class is a grating of one orientation; phase, contrast, position of the window and colours
// vary, and noise covers it. Neighbouring classes differ by 18 degrees only: a network whose
// filters are rounded to few levels confuses them.
#include <cmath>

#include "datasets/images.h"

namespace quantbench {
namespace {

constexpr int64_t class_count = 10;
constexpr double pi = 3.14159265358979323846;

// What sets one image apart from the others of its class.
struct Look {
  double angle, wavelength, phase, centre_x, centre_y, width;
  double contrast[3], brightness[3];
};

Look draw_look(int64_t label, int64_t size, const RandomStream& random) {
  auto between = [&](uint64_t counter, double low, double high) {
    return low + (high - low) * random.uniform(counter);
  };
  Look look{};
  look.angle = pi * (static_cast<double>(label) + between(0, -0.2, 0.2)) / class_count;
  look.wavelength = between(1, 4.0, 6.0);
  look.phase = between(2, 0, 2 * pi);
  look.centre_x = static_cast<double>(size) * between(3, 0.35, 0.65);
  look.centre_y = static_cast<double>(size) * between(4, 0.35, 0.65);
  look.width = static_cast<double>(size) * between(5, 0.25, 0.4);
  for (uint64_t channel = 0; channel < 3; ++channel) {
    look.contrast[channel] = between(6 + channel, 0.12, 0.3);
    look.brightness[channel] = between(9 + channel, 0.35, 0.65);
  }
  return look;
}

void draw_image(const Look& look, int64_t channels, int64_t size, double noise,
                const RandomStream& random, uint8_t* out) {
  const double along_x = 2 * pi * std::cos(look.angle) / look.wavelength;
  const double along_y = 2 * pi * std::sin(look.angle) / look.wavelength;
  uint64_t counter = 0;
  for (int64_t channel = 0; channel < channels; ++channel)
    for (int64_t y = 0; y < size; ++y)
      for (int64_t x = 0; x < size; ++x) {
        const double dx = static_cast<double>(x) - look.centre_x;
        const double dy = static_cast<double>(y) - look.centre_y;
        const double window = std::exp(-(dx * dx + dy * dy) / (2 * look.width * look.width));
        const double wave = std::sin(along_x * dx + along_y * dy + look.phase);
        const double value = look.brightness[channel] + look.contrast[channel] * window * wave +
                             noise * random.normal(counter++);
        *out++ = static_cast<uint8_t>(std::lround(255 * std::fmin(1, std::fmax(0, value))));
      }
}

ImageSet make_images(int64_t count, int64_t channels, int64_t size, double noise,
                     const RandomStream& random) {
  ImageSet set;
  const int64_t pixels = channels * size * size;
  set.pixels.resize(static_cast<size_t>(count * pixels));
  for (int64_t i = 0; i < count; ++i) {
    const RandomStream own = random.child(static_cast<uint64_t>(i));
    const int64_t label = i % class_count;
    const Look look = draw_look(label, size, own.child(0));
    draw_image(look, channels, size, noise, own.child(1), set.pixels.data() + i * pixels);
    set.labels.push_back(static_cast<uint8_t>(label));
  }
  return set;
}

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  const OptionValues& options = config.options;
  const int64_t size = options.integer("size"), channels = options.integer("channels");
  const int64_t train = options.integer("train"), validation = options.integer("validation");
  const double noise = options.real("noise");
  const RandomStream random(static_cast<uint64_t>(options.integer("data_seed")), "synthetic");
  ImageFormat format{channels, size, size, class_count, {}, {}, 0, false};
  format.mean.assign(static_cast<size_t>(channels), 0.5f);
  format.deviation.assign(static_cast<size_t>(channels), 0.25f);
  HeldOut split;
  for (int64_t i = 0; i < train + validation; ++i)
    (i < train ? split.train : split.validation).push_back(i);
  ImageSet training = make_images(train + validation, channels, size, noise, random.child(0));
  ImageSet test = make_images(options.integer("test"), channels, size, noise, random.child(1));
  return std::make_unique<ImageDataset>(std::move(format), std::move(training), std::move(split),
                                        std::move(test),
                                        synthetic_fingerprint("synthetic_images", 1, options));
}

DatasetEntry entry() {
  DatasetEntry made;
  made.name = "synthetic_images";
  made.help = "10 classes of noisy gratings, made on the spot: nothing to download";
  made.options = {
      Option::integer("train", 4000, 1, 1000000, "training images"),
      Option::integer("validation", 500, 0, 1000000, "validation images; 0: validate on nothing"),
      Option::integer("test", 1000, 1, 1000000, "test images"),
      Option::integer("size", 16, 8, 256, "height and width in pixels"),
      Option::integer("channels", 3, 1, 3, "colour planes"),
      Option::real("noise", 0.32, 0, 1, "deviation of the noise; full brightness is 1"),
      Option::integer("data_seed", 0, 0, int64_t{1} << 31, "seed of the images")};
  made.open = open;
  return made;
}

}  // namespace

QUANTBENCH_DATASET(entry());

}  // namespace quantbench
