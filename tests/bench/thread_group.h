// A process group of threads, so that what several processes do together can be tested in one.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>

#include "bench/data_parallel.h"

namespace quantbench {

// Where the threads of a test meet.
struct Meeting {
  explicit Meeting(int members) : size(members), offered(static_cast<size_t>(members)) {}

  const int size;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Tensor> offered;
  int64_t arrived = 0, taken = 0;
  bool closed = false;
  std::map<std::string, std::string> board;
};

class ThreadGroup : public ProcessGroup {
 public:
  ThreadGroup(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return meeting_.size; }
  void broadcast(Tensor& tensor) override { tensor.copy_(gather(tensor)[0]); }
  Tensor exchange(const Tensor& rows) override;
  std::vector<Tensor> gather(const Tensor& x) override;
  void put(const std::string& key, const std::string& text) override;
  std::optional<std::string> look(const std::string& key) override;
  void close() override;

 private:
  Meeting& meeting_;
  const int rank_;
};

// Runs `work` in a thread for each of `size` members; returns what each threw, "" for nothing.
std::vector<std::string> in_threads(int size, const std::function<void(DataParallel&)>& work);

}  // namespace quantbench
