#include "runtime/engine/thread_team.h"

#include <gtest/gtest.h>

#include <chrono>

namespace quantbench::engine {
namespace {

TEST(ThreadTeam, NobodyGoesOnBeforeAllHaveCome) {
  for (int threads : {1, 2, 5}) {
    ThreadTeam team(threads);
    std::atomic<int> come{0};
    std::atomic<bool> early{false};
    for (int round = 0; round < 50; ++round) {
      come = 0;
      team.run([&](int worker) {
        for (int meeting = 1; meeting <= 20; ++meeting) {
          ++come;
          team.meet(worker);
          if (come.load() < meeting * threads) early = true;
          team.meet(worker);
        }
      });
    }
    EXPECT_FALSE(early.load());
  }
}

// Long after those who wait have stopped spinning.
TEST(ThreadTeam, WhoComesLateIsWaitedFor) {
  ThreadTeam team(3);
  std::atomic<int> done{0};
  for (int late = 0; late < 3; ++late)
    team.run([&](int worker) {
      if (worker == late) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      team.meet(worker);
      ++done;
      team.meet(worker);
    });
  EXPECT_EQ(done.load(), 9);
}

}  // namespace
}  // namespace quantbench::engine
