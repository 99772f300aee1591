// A few threads that work through one short list of steps together and meet at a barrier after
// each: they spin for a bounded while before they yield, since a step takes microseconds. Two of
// them on one processor do not spin at all: who waits would only keep the other from coming.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace quantbench::engine {

class ThreadTeam {
 public:
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return size_; }

  // work(0) here and work(1) .. work(size - 1) on the other threads; returns when all are done.
  // Not to be called from two threads at once. `work` must not throw.
  void run(const std::function<void(int)>& work);

  // For use inside run(), by `worker`: returns when all have come.
  void meet(int worker);

 private:
  void serve(int worker);
  // Notes where `worker` runs; whether another one was seen there last.
  bool shares_a_processor(int worker);

  const int size_;
  std::atomic<int> arrived_{0};
  std::atomic<unsigned> meeting_{0};
  std::atomic<unsigned> job_{0};
  std::atomic<bool> stop_{false};
  const std::function<void(int)>* work_ = nullptr;
  std::vector<std::atomic<int>> processors_;  // where each was seen last
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> threads_;
};

}  // namespace quantbench::engine
