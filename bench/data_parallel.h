// Data-parallel training: every process computes its share of each batch, and all of them add their
// gradients and take the same step. This class keeps them equal; rank 0 leads: it alone plans,
// looks at what must be looked at once, and writes.
//
// Sums are taken in the order of ranks, so that N processes with one part each give the bits of one
// process with N parts (batch.parts), as far as nothing else depends on who computed what: see
// keep_statistics().
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "bench/process_group.h"
#include "bench/saved_state.h"

namespace quantbench {

class DataParallel {
 public:
  // `patience`: how long to wait for what others have to do.
  DataParallel(std::unique_ptr<ProcessGroup> group, std::chrono::seconds patience);
  // Says to the others that the launch is over, unless finish() has.
  ~DataParallel();
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  int rank() const { return group_->rank(); }
  int size() const { return group_->size(); }
  bool leads() const { return rank() == 0; }

  // All of what follows throws Interrupted or Error when another process ended so, and Error when
  // one has gone without a word or does not answer within c10d's timeout.

  // The gradients of `tensors` become their sums over all processes, where any has one, and so do
  // `numbers` (one float each). Whether anybody was asked to stop is agreed on along the way.
  void add_up(const std::vector<Tensor>& tensors, const std::vector<Tensor*>& numbers);
  bool stop_agreed() const { return stop_; }

  // A sum of tables that have the same shape everywhere.
  Tensor sum(const Tensor& table);

  // What a forward pass leaves in buffers depends on whose samples it saw: BatchNorm's running
  // statistics, running ranges of activations. They become those of rank 0. A tap's buffers above
  // 64 KiB are left alone, as they are no statistics.
  void keep_statistics(torch::nn::Module& network);

  // Rank 0's replaces the others'.
  void send(std::string& text);
  void send(NamedTensors& tensors);
  void send(SavedState& state);
  void send_state(torch::nn::Module& network);  // parameters and buffers, in place

  // Does `work` on rank 0, however long that takes, while the others wait; how it ends, they end.
  void first(const std::function<void()>& work);

  // Throws Error unless `digest` is the same everywhere; `when` is for the sentence.
  void require_equal(const std::string& digest, const std::string& when);

  // Rank 0: a new piece of work for the others; returns when all are ready for it. Throws Error
  // with the sentence of one that is not.
  void start(const std::string& work);
  // The others: the next piece of work; none: the launch is over (exit_code()).
  std::optional<std::string> next();
  // The others: "" or what keeps this process from it. Returns when rank 0 goes ahead; throws
  // Error when it does not.
  void answer(const std::string& problem);

  // Before this process leaves the work on its own: the others are told why as soon as they ask.
  void leave(const std::exception& why);
  // Rank 0: the launch is over.
  void finish(int exit_code);
  int exit_code() const { return exit_code_; }

 private:
  template <typename Call>
  void together(Call call);
  [[noreturn]] void pass_on(const std::string& words);
  std::string wait_for(const std::string& key);
  Tensor sum_flat(const Tensor& flat);
  void beat();

  std::unique_ptr<ProcessGroup> group_;
  std::chrono::seconds patience_;
  bool stop_ = false, finished_ = false;
  int64_t works_ = 0, turns_ = 0;
  int exit_code_ = 0;

  // Rank 0 shows the others that it lives.
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread heart_;
};

}  // namespace quantbench
