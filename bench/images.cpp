// How many images a second are read, decoded, varied and normalised, and how much memory that
// takes: measure_images FOLDER [train|evaluate] [THREADS] [EPOCHS] [KEY=VALUE ...] prints one line
// of JSON an epoch. scripts/compare_images.py holds it against the same in Python.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "base/error.h"
#include "bench/output.h"
#include "datasets/dataset.h"
#include "datasets/loader.h"

namespace quantbench {
namespace {

int64_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  int64_t size = 0, resident = 0;
  in >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

int run(const std::vector<std::string>& words) {
  require(!words.empty(),
          "measure_images takes FOLDER [train|evaluate] [THREADS] [EPOCHS] [KEY=VALUE ...].");
  const auto word = [&](size_t i, const char* otherwise) {
    return words.size() > i ? words[i] : otherwise;
  };
  const bool train = word(1, "train") == "train";
  const int threads = std::stoi(word(2, "2"));
  const int64_t epochs = std::stoll(word(3, "1"));
  std::map<std::string, std::string> options{{"path", words[0]}, {"test_percent", "100"}};
  for (size_t i = 4; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    require(equals != std::string::npos, "'{}' is no KEY=VALUE.", words[i]);
    options[words[i].substr(0, equals)] = words[i].substr(equals + 1);
  }
  const DatasetEntry& entry = datasets().get("image_folder");
  const auto dataset =
      entry.open({data_root(""), OptionValues("image_folder", entry.options, options), 0, threads});
  LoaderConfig config;
  config.split = Split::Test;
  config.batch_size = 50;
  config.shuffle = config.augment = train;
  Loader loader(*dataset, config);
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    const auto start = std::chrono::steady_clock::now();
    int64_t images = 0;
    loader.start(epoch);
    while (const auto batch = loader.next()) images += batch->target.size(0);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    say("{{\"epoch\": {}, \"images\": {}, \"images_per_second\": {:.1f}, \"resident_bytes\": "
        "{}}}\n",
        epoch, images, static_cast<double>(images) / seconds, resident_bytes());
  }
  return 0;
}

}  // namespace
}  // namespace quantbench

int main(int count, char** words) {
  try {
    return quantbench::run({words + 1, words + count});
  } catch (const std::exception& problem) {
    quantbench::note("measure_images: {}\n", problem.what());
    return 1;
  }
}
