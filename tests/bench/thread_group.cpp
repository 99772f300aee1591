#include "tests/bench/thread_group.h"

#include <stdexcept>
#include <thread>

namespace quantbench {

std::vector<Tensor> ThreadGroup::gather(const Tensor& x) {
  std::unique_lock lock(meeting_.mutex);
  const auto until = [&](const auto& holds) {
    meeting_.changed.wait(lock, [&] { return meeting_.closed || holds(); });
    if (meeting_.closed) throw std::runtime_error("closed");
  };
  until([&] { return meeting_.arrived < meeting_.size; });  // all have left the call before
  meeting_.offered[static_cast<size_t>(rank_)] = x.clone();
  ++meeting_.arrived;
  meeting_.changed.notify_all();
  until([&] { return meeting_.arrived == meeting_.size; });
  std::vector<Tensor> out;
  for (const Tensor& one : meeting_.offered) out.push_back(one.clone());
  if (++meeting_.taken == meeting_.size) meeting_.arrived = meeting_.taken = 0;
  meeting_.changed.notify_all();
  return out;
}

Tensor ThreadGroup::exchange(const Tensor& rows) {
  std::vector<Tensor> mine;
  for (const Tensor& one : gather(rows)) mine.push_back(one[rank_]);
  return torch::stack(mine);
}

void ThreadGroup::put(const std::string& key, const std::string& text) {
  const std::lock_guard lock(meeting_.mutex);
  meeting_.board[key] = text;
}

std::optional<std::string> ThreadGroup::look(const std::string& key) {
  const std::lock_guard lock(meeting_.mutex);
  const auto found = meeting_.board.find(key);
  return found == meeting_.board.end() ? std::nullopt : std::optional<std::string>(found->second);
}

void ThreadGroup::close() {
  const std::lock_guard lock(meeting_.mutex);
  meeting_.closed = true;
  meeting_.changed.notify_all();
}

std::vector<std::string> in_threads(int size, const std::function<void(DataParallel&)>& work) {
  Meeting meeting(size);
  std::vector<std::string> thrown(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      DataParallel parallel(std::make_unique<ThreadGroup>(meeting, rank), std::chrono::hours(1));
      try {
        work(parallel);
      } catch (const std::exception& problem) {
        thrown[static_cast<size_t>(rank)] = problem.what();
        parallel.leave(problem);
      }
      parallel.finish(0);
    });
  for (std::thread& thread : threads) thread.join();
  return thrown;
}

}  // namespace quantbench
