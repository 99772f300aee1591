#include "runtime/engine/thread_team.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>

namespace quantbench::engine {
namespace {

// About 20 microseconds to 100: longer than a layer, shorter than a scheduler's slice.
constexpr int kSpins = 4000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// The processor that this thread is on; -1 where the system does not say.
int processor() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

}  // namespace

ThreadTeam::ThreadTeam(int threads)
    : size_(threads), processors_(static_cast<size_t>(std::max(threads, 1))) {
  for (auto& processor : processors_) processor = -1;
  for (int worker = 1; worker < size_; ++worker)
    threads_.emplace_back([this, worker] { serve(worker); });
}

ThreadTeam::~ThreadTeam() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::run(const std::function<void(int)>& work) {
  if (size_ > 1) {
    work_ = &work;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      job_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
  }
  work(0);
  meet(0);
}

bool ThreadTeam::shares_a_processor(int worker) {
  const int here = processor();
  if (here < 0) return false;
  // Written only when it changes: all threads read it all the time.
  std::atomic<int>& mine = processors_[static_cast<size_t>(worker)];
  if (mine.load(std::memory_order_relaxed) != here) mine.store(here, std::memory_order_relaxed);
  for (int other = 0; other < size_; ++other)
    if (other != worker &&
        processors_[static_cast<size_t>(other)].load(std::memory_order_relaxed) == here)
      return true;
  return false;
}

void ThreadTeam::meet(int worker) {
  if (size_ == 1) return;
  const int spins_at_most = shares_a_processor(worker) ? 0 : kSpins;
  const unsigned meeting = meeting_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == size_ - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    meeting_.store(meeting + 1, std::memory_order_release);
    return;
  }
  for (int spins = 0; meeting_.load(std::memory_order_acquire) == meeting; ++spins) {
    if (spins < spins_at_most)
      pause();
    else
      std::this_thread::yield();
  }
}

void ThreadTeam::serve(int worker) {
  for (unsigned done = 0;; ++done) {
    int spins = 0;
    while (job_.load(std::memory_order_acquire) == done && !stop_ && ++spins < kSpins) pause();
    if (job_.load(std::memory_order_acquire) == done) {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || job_.load(std::memory_order_acquire) != done; });
    }
    if (stop_) return;
    (*work_)(worker);
    meet(worker);
  }
}

}  // namespace quantbench::engine
