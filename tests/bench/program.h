// The program as its users meet it: a folder of its own for each test, and a recipe of about a
// second.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "base/file.h"

namespace quantbench {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Answer {
  int code = 0;
  std::string out, err;
};

class Program : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("program-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string command(const std::string& words) const {
    return std::string(QUANTBENCH_PROGRAM) + " " + words + " --quiet --threads 1 --store " +
           (folder_ / "q.db").string();
  }

  Answer ask(const std::string& words) const {
    const fs::path out = folder_ / "out", err = folder_ / "err";
    const int status =
        std::system((command(words) + " >" + out.string() + " 2>" + err.string()).c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(out),
            read_file(err)};
  }

  // Starts the program in the background; `exec` makes the child's pid the program's own.
  pid_t start(const std::string& words) const {
    const pid_t child = fork();
    if (child == 0) {
      execl("/bin/sh", "sh", "-c", ("exec " + command(words) + " >/dev/null 2>&1").c_str(),
            nullptr);
      _exit(127);
    }
    return child;
  }

  // Until a run in the store's folder has saved where it is: it is at work, and far from its end.
  void wait_for_a_checkpoint() const {
    const auto saved = [&] {
      for (const auto& entry : fs::directory_iterator(folder_))
        if (fs::exists(entry.path() / "checkpoint.safetensors")) return true;
      return false;
    };
    while (!saved()) usleep(1000);
  }

  // A run of about a second; `over` replaces or adds keys, `more` is appended.
  static std::string small(const std::map<std::string, std::string>& over = {},
                           const std::string& more = "") {
    std::map<std::string, std::string> keys{{"method", "uniform"},
                                            {"uniform.weight_bits", "4"},
                                            {"fp32.epochs", "1"},
                                            {"train.epochs", "1"},
                                            {"latency", "no"},
                                            {"synthetic_images.train", "600"},
                                            {"synthetic_images.test", "100"},
                                            {"synthetic_images.validation", "50"},
                                            {"synthetic_images.size", "16"},
                                            {"batch", "20"}};
    for (const auto& [key, value] : over) keys[key] = value;
    std::string out = "run default " + more;
    for (const auto& [key, value] : keys) out += " --" + key + "=" + value;
    return out;
  }

  Json show(int64_t run) const {
    return Json::parse(ask("show " + std::to_string(run) + " --format json").out);
  }

  fs::path folder_;
};

}  // namespace quantbench
