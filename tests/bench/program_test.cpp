// The program as its users meet it: exit codes, sentences, stores.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "base/random.h"

namespace quantbench {
namespace {

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

TEST_F(Program, OneSentenceAndANonZeroCodeForBadInput) {
  std::ofstream(folder_ / "foreign.db")
      << "this is no database, and long enough to be told apart from one";
  const std::string foreign = " --store " + (folder_ / "foreign.db").string();
  const std::vector<std::pair<std::string, std::string>> mistakes{
      {"juggle", "juggle"},
      {"run /no/such.ini", "/no/such.ini"},
      {"run --no-such-key=1", "no-such-key"},
      {"run --batch=0", "1..65536"},
      {"run --method=sorcery", "sorcery"},
      {"run --method=fp32 --model=gcn2 --dataset=synthetic_images", "graphs"},
      {"run --method=fp32 --dataset=cifar10 --model=lenet5 --data=/no/such/folder", "cifar10"},
      {"run --device=tpu", "tpu"},
      {"resume 7", "7"},
      {"resume nine", "number"},
      {"show 7", "quantbench"},
      {"list sorceries", "methods"},
      {"run --plugin=/no/such.so", "/no/such.so"},
  };
  for (const auto& [words, expected] : mistakes) {
    const Answer answer = ask(words);

    EXPECT_NE(answer.code, 0) << words;
    EXPECT_NE(answer.err.find(expected), std::string::npos) << words << " said: " << answer.err;
    EXPECT_LE(std::count(answer.err.begin(), answer.err.end(), '\n'), 1)
        << words << " said: " << answer.err;
  }
}

TEST_F(Program, AForeignOrUnwritableDatabaseIsLeftAlone) {
  const fs::path path = folder_ / "q.db";
  std::ofstream(path) << "this is no database, and long enough to be told apart from one of those";
  const std::string before = read_file(path);

  const Answer answer = ask(small());

  EXPECT_NE(answer.code, 0);
  EXPECT_NE(answer.err.find("q.db"), std::string::npos) << answer.err;
  EXPECT_EQ(read_file(path), before);
}

TEST_F(Program, ARunIsStoredShownAndReplayedExactly) {
  const Answer run = ask(small({}, "--format json"));
  ASSERT_EQ(run.code, 0) << run.err;

  const Json row = Json::parse(run.out), shown = show(1),
             listed = Json::parse(ask("runs --format json").out);
  const Answer replay = ask("replay 1");

  for (const char* key : {"id", "method", "model", "dataset", "seed", "status", "top1_simulated",
                          "top1_shipped", "size_bytes", "weight_bits_average"}) {
    EXPECT_TRUE(row.contains(key)) << key;
    EXPECT_TRUE(shown.contains(key)) << key;
    EXPECT_TRUE(listed.at(0).contains(key)) << key;
  }
  EXPECT_EQ(row.at("status"), "ok");
  EXPECT_EQ(row.at("size_bytes"),
            fs::file_size(folder_ / "1-uniform-lenet5-synthetic_images-s1/package.safetensors"));
  EXPECT_EQ(replay.code, 0) << replay.err;
  EXPECT_NE(replay.out.find("replay of run 1: exact"), std::string::npos) << replay.out;
  EXPECT_EQ(show(2).at("repetition"), 1);
}

TEST_F(Program, AFailedRunSaysWhyAndTheSweepGoesOn) {
  const Answer answer = ask(small({}, "--fp32.lr=10000 --fp32.lr=0.05"));

  EXPECT_EQ(answer.code, 1);
  const Json runs = Json::parse(ask("runs --format json").out);
  ASSERT_EQ(runs.size(), 2u);
  std::map<std::string, std::string> reasons;
  for (const Json& run : runs) reasons[run.at("status")] = run.at("reason");
  EXPECT_TRUE(reasons.count("ok"));
  EXPECT_NE(reasons["failed"].find("fp32.lr"), std::string::npos) << reasons["failed"];
}

TEST_F(Program, CtrlCSavesAndResumeFinishes) {
  const pid_t child = start(small({{"fp32.epochs", "60"}}));
  while (!fs::exists(folder_ / "1-uniform-lenet5-synthetic_images-s1/recipe.ini")) usleep(20000);
  usleep(600000);
  ::kill(child, SIGINT);
  int status = 0;
  waitpid(child, &status, 0);

  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_EQ(show(1).at("status"), "interrupted");
  EXPECT_EQ(ask("resume 1").code, 0);
  EXPECT_EQ(show(1).at("status"), "ok");
  EXPECT_NE(ask("resume 1").code, 0) << "a finished run cannot be resumed";
}

TEST_F(Program, KilledAtRandomMomentsItEndsWithTheSameBits) {
  // Long enough that the first kill, at most 1.2 s after the start, finds it at work on any
  // machine.
  const std::map<std::string, std::string> epochs{{"fp32.epochs", "40"}, {"train.epochs", "40"}};
  ASSERT_EQ(ask(small(epochs)).code, 0);
  const std::string whole = show(1).at("weights_hash");
  const RandomStream random(static_cast<uint64_t>(::getpid()), "kills");

  // A kill can come before the store knows of the run, or after its last word was stored while
  // the process still ends: what to do next is the store's to say.
  std::string words = small(epochs, "--checkpoint-seconds=0.02"), status = "absent";
  int kills = 0;
  for (uint64_t attempt = 0; status != "ok"; ++attempt) {
    ASSERT_LT(attempt, 100u) << "the run is " << status;
    const pid_t child = start(words);
    const auto wait = static_cast<useconds_t>(300000 + 900000 * random.uniform(attempt));
    bool ended = false;
    for (useconds_t waited = 0; !ended && (waited < wait || kills >= 10); waited += 5000) {
      usleep(5000);
      ended = waitpid(child, nullptr, WNOHANG) == child;
    }
    if (!ended) {
      ::kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
      ++kills;
    }
    const Json stored = Json::parse(ask("runs --format json").out);
    for (const Json& run : stored)
      if (run.at("id") == 2) status = run.at("status");
    if (status != "absent") words = "resume 2 --checkpoint-seconds=0.02";
  }

  EXPECT_GE(kills, 1);
  EXPECT_EQ(show(2).at("weights_hash"), whole);
}

TEST_F(Program, EightProcessesShareOneDatabase) {
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) children.push_back(start(small({{"seed", std::to_string(i)}})));
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }

  const Json runs = Json::parse(ask("runs --format json --status ok").out);
  EXPECT_EQ(runs.size(), 8u);
  std::set<int64_t> seeds;
  for (const Json& run : runs) seeds.insert(run.at("seed").get<int64_t>());
  EXPECT_EQ(seeds.size(), 8u);
}

TEST_F(Program, ListAndDoctorSpeakJson) {
  for (const char* words :
       {"list methods", "list models", "list datasets", "list recipes", "list keys", "doctor"}) {
    const Answer answer = ask(std::string(words) + " --format json");

    EXPECT_EQ(answer.code, 0) << words;
    EXPECT_TRUE(Json::accept(answer.out)) << words;
  }
}

}  // namespace
}  // namespace quantbench
