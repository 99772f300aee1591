// What the tests of the store share: a folder of their own, records with every field set, and child
// processes.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/error.h"
#include "results/sqlite.h"
#include "results/store.h"

namespace quantbench {

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    std::string name = (std::filesystem::temp_directory_path() / "quantbench-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~StoreTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path path(const std::string& name = "runs.db") const { return folder_ / name; }

 private:
  std::filesystem::path folder_;
};

inline RunRecord some_run(const std::string& identity = "identity") {
  RunRecord run;
  run.identity = identity;
  run.recipe = "method = uniform\nmodel = resnet20\n";
  run.method = "uniform";
  run.method_version = 3;
  run.model = "resnet20";
  run.dataset = "cifar10";
  run.dataset_fingerprint = "f00d";
  run.preprocessing = "mean 0.5, crop 32";
  run.seed = 42;
  run.folder = "runs/1";
  run.provenance = {"abc123",   true,        "GNU 12.2.0",
                    "-O2",      "Release",   {{"LibTorch", "1.13.1"}, {"SQLite", "3.40.1"}},
                    "a CPU",    "a GPU",     "AVX2",
                    "OpenBLAS", "Debian 12", 2,
                    "cpu"};
  return run;
}

// The sentence with which `act` fails, or "" when it does not.
template <typename Act>
std::string sentence_of(Act act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Runs `act` in a child process and returns its pid; the child exits with 0, or with 1 when `act`
// throws or returns false.
template <typename Act>
pid_t start_child(Act act) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  int code = 1;
  try {
    code = act() ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "child: {}\n", error.what());
  }
  ::_exit(code);
}

// The wait status of a child.
inline int wait_for(pid_t child) {
  int status = -1;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

}  // namespace quantbench
