#include "datasets/loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>

namespace quantbench {
namespace {

// One epoch: what its batches are made of. Immutable, so that threads can share it.
struct Epoch {
  std::vector<int64_t> order;
  RandomStream augment;
};

struct Made {
  std::optional<Batch> batch;
  std::exception_ptr problem;
};

}  // namespace

struct Loader::State {
  State(const Dataset& source, const LoaderConfig& settings) : dataset(source), config(settings) {
    capacity = 2 * config.threads;
    for (int i = 0; i < config.threads; ++i) workers.emplace_back([this] { work(); });
  }

  ~State() {
    {
      std::lock_guard lock(mutex);
      stopping = true;
    }
    room.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  int64_t sample_count() const {
    const int64_t all = dataset.size(config.split);
    return config.samples > 0 ? std::min(config.samples, all) : all;
  }

  int64_t batch_count() const {
    const int64_t samples = sample_count();
    return config.drop_last ? samples / config.batch_size
                            : (samples + config.batch_size - 1) / config.batch_size;
  }

  Made make(const Epoch& of, int64_t index) const {
    int64_t first = index * config.batch_size;
    int64_t last = std::min(first + config.batch_size, static_cast<int64_t>(of.order.size()));
    if (config.share) {
      const auto [skipped, count] = config.share(index, last - first);
      first += skipped;
      last = first + count;
      if (count == 0) return {Batch{}, nullptr};
    }
    BatchRequest request;
    request.positions.assign(of.order.begin() + first, of.order.begin() + last);
    request.augment = config.augment;
    request.random = of.augment;
    try {
      return {dataset.batch(config.split, request), nullptr};
    } catch (...) {
      return {std::nullopt, std::current_exception()};
    }
  }

  bool has_work() const { return to_make < count && to_make < to_take + capacity; }

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      room.wait(lock, [this] { return stopping || has_work(); });
      if (stopping) return;
      const std::shared_ptr<const Epoch> of = epoch;
      const int64_t index = to_make++;
      lock.unlock();
      Made made = make(*of, index);
      lock.lock();
      // A batch of an epoch that was left in the meantime is thrown away.
      if (of == epoch) {
        ready.emplace(index, std::move(made));
        filled.notify_all();
      }
    }
  }

  Made take() {
    if (workers.empty()) return make(*epoch, to_take++);
    std::unique_lock lock(mutex);
    filled.wait(lock, [this] { return ready.count(to_take) > 0; });
    Made made = std::move(ready.at(to_take));
    ready.erase(to_take++);
    room.notify_all();
    return made;
  }

  void start(std::shared_ptr<const Epoch> next, int64_t first) {
    {
      std::lock_guard lock(mutex);
      epoch = std::move(next);
      ready.clear();
      to_make = to_take = first;
      count = batch_count();
    }
    room.notify_all();
  }

  const Dataset& dataset;
  const LoaderConfig config;
  int64_t capacity = 0;

  std::mutex mutex;
  std::condition_variable room, filled;
  bool stopping = false;
  std::shared_ptr<const Epoch> epoch;
  int64_t to_make = 0, to_take = 0, count = 0;
  std::map<int64_t, Made> ready;
  std::vector<std::thread> workers;
};

Loader::Loader(const Dataset& dataset, LoaderConfig config) {
  require(config.batch_size >= 1, "The batch size must be at least 1, not {}.", config.batch_size);
  require(config.threads >= 0 && config.threads <= 64,
          "The number of loader threads must be 0..64, not {}.", config.threads);
  state_ = std::make_unique<State>(dataset, config);
}

Loader::~Loader() = default;

int64_t Loader::batches_per_epoch() const { return state_->batch_count(); }

void Loader::start(int64_t epoch, int64_t first) {
  require(epoch >= 0 && first >= 0 && first <= batches_per_epoch(),
          "Epoch {} cannot start at batch {}; it has {} batches.", epoch, first,
          batches_per_epoch());
  const LoaderConfig& config = state_->config;
  const uint64_t child = static_cast<uint64_t>(epoch);
  const int64_t samples = state_->sample_count();
  std::vector<int64_t> order(static_cast<size_t>(samples));
  if (config.shuffle)
    order = permutation(samples, RandomStream(config.seed, "order").child(child));
  else
    std::iota(order.begin(), order.end(), int64_t{0});
  state_->start(std::make_shared<const Epoch>(
                    Epoch{std::move(order), RandomStream(config.seed, "augment").child(child)}),
                first);
}

std::optional<Batch> Loader::next() {
  if (state_->to_take >= state_->count) return std::nullopt;
  Made made = state_->take();
  if (made.problem) std::rethrow_exception(made.problem);
  return std::move(made.batch);
}

}  // namespace quantbench
