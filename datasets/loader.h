// Yields the batches of one epoch in seeded order, made ahead of time by prefetch threads. Where an
// epoch stands is one number, so a resumed run goes on at the very batch where it was killed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "datasets/dataset.h"

namespace quantbench {

struct LoaderConfig {
  Split split = Split::Train;
  int64_t batch_size = 128;
  int64_t samples = 0;  // the first ones of the split; 0: all
  bool shuffle = false;
  bool augment = false;
  bool drop_last = false;
  int threads = 1;    // prefetch threads; 0: batches are made in next()
  uint64_t seed = 0;  // of the streams "order" and "augment"
  // Of the index-th batch with that many samples, the first sample to make and how many; a batch of
  // none is not made, and next() gives an empty one in its place. None: all of every batch.
  std::function<std::pair<int64_t, int64_t>(int64_t index, int64_t samples)> share;
};

class Loader {
 public:
  // `dataset` must outlive the loader. Throws Error when the batch size is below 1 or the number of
  // threads is not 0..64.
  Loader(const Dataset& dataset, LoaderConfig config);
  ~Loader();

  int64_t batches_per_epoch() const;

  // Starts `epoch` at its `first`-th batch. What was prefetched is thrown away. The order is a
  // permutation drawn from RandomStream(seed, "order").child(epoch) when shuffling, else ascending;
  // images are varied by RandomStream(seed, "augment").child(epoch). Throws Error when the epoch
  // has fewer than `first` batches.
  void start(int64_t epoch, int64_t first = 0);

  // The next batch, the same whatever the number of threads; nothing at the end of the epoch and
  // before start(). An exception met while that batch was made is thrown here.
  std::optional<Batch> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quantbench
