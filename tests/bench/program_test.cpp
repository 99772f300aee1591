// The program as its users meet it: exit codes, sentences, stores.
#include "tests/bench/program.h"

#include <signal.h>

#include <algorithm>
#include <set>

#include "base/random.h"

namespace quantbench {
namespace {

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
            fs::file_size(fs::path(shown.at("folder")) / "package.safetensors"));
  EXPECT_EQ(replay.code, 0) << replay.err;
  EXPECT_NE(replay.out.find("replay of run 1: exact"), std::string::npos) << replay.out;
  EXPECT_EQ(show(2).at("repetition"), 1);
}

TEST_F(Program, BitsFromAFileAreTheRecipesOwn) {
  const fs::path file = folder_ / "bits.json";
  const std::string run = small({{"model", "lenet5"}, {"uniform.mode", "ptq"}});
  const auto bits = [](const Json& run) {
    std::map<std::string, double> out;
    for (const Json& site : run.at("sites"))
      if (site.at("kind") == "weight") out[site.at("name")] = site.at("bits");
    return out;
  };
  const std::string text =
      R"({"bits": {"conv1.weight": 7, "conv2.weight": 5, "fc1.weight": 3, "fc2.weight": 6}})";
  const std::map<std::string, double> wanted{
      {"conv1.weight", 7}, {"conv2.weight", 5}, {"fc1.weight", 3}, {"fc2.weight", 6}};
  write_atomically(file, text);
  ASSERT_EQ(ask(run + " --allocation " + file.string()).code, 0);
  ASSERT_EQ(ask(run + " --uniform.allocation=@" + file.string()).code, 0);
  fs::remove(file);

  EXPECT_EQ(bits(show(1)), wanted);
  EXPECT_EQ(show(1).at("identity"), show(2).at("identity"));
  EXPECT_EQ(show(1).at("recipe").get<std::string>().find(file.string()), std::string::npos);
  EXPECT_EQ(ask("replay 1").code, 0);

  for (const char* wrong : {"{}", R"({"bits": {"conv1.weight": 7}})"}) {
    write_atomically(file, wrong);
    EXPECT_EQ(ask(run + " --allocation " + file.string()).code, 1) << wrong;
  }
  const Answer missing = ask(run + " --uniform.allocation=@" + (folder_ / "none").string());
  EXPECT_EQ(missing.code, 1);
  EXPECT_EQ(std::count(missing.err.begin(), missing.err.end(), '\n'), 1) << missing.err;
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
  const pid_t child = start(small({{"fp32.epochs", "60"}}, "--checkpoint-seconds=0"));
  wait_for_a_checkpoint();
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

TEST_F(Program, APartOfASweepIsEveryNthPointOfIt) {
  const std::string sweep = "run default --dry-run --uniform.weight_bits=2 --seed=1 --seed=2 ";
  EXPECT_NE(ask(sweep).out.find("4 run(s)"), std::string::npos);

  const std::string first = ask(sweep + "--part=1/3").out, second = ask(sweep + "--part=2/3").out;

  EXPECT_NE(first.find("2 run(s)"), std::string::npos) << first;
  EXPECT_NE(second.find("1 run(s)"), std::string::npos) << second;
  for (const char* wrong : {"0/3", "4/3", "1", "1/3x", "-1/3", "1/ 3", "99999999999/99999999999"}) {
    const Answer answer = ask(sweep + "--part='" + wrong + "'");
    EXPECT_NE(answer.code, 0) << wrong;
    EXPECT_NE(answer.err.find("--part takes I/N"), std::string::npos) << answer.err;
  }
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
