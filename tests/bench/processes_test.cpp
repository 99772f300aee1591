// Real processes that train together over Gloo, as their users start them.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cmath>
#include <csignal>

#include "tests/bench/program.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;

// A port of this machine that is free, and stays so while the object lives and listens.
class Port {
 public:
  Port() : socket_(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    socklen_t size = sizeof(address);
    const bool bound = ::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                       ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    EXPECT_TRUE(bound);
    number_ = ntohs(address.sin6_port);
  }
  ~Port() { ::close(socket_); }
  void listen() { EXPECT_EQ(::listen(socket_, 8), 0); }
  int number() const { return number_; }

 private:
  int socket_, number_ = 0;
};

int free_port() { return Port().number(); }

class Processes : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
#ifndef QUANTBENCH_HAS_C10D
    GTEST_SKIP() << "This quantbench was built without c10d.";
#endif
  }

  // What torchrun sets, for a process on this machine.
  static std::string variables(int rank, int size, int port) {
    return "RANK=" + std::to_string(rank) + " WORLD_SIZE=" + std::to_string(size) +
           " LOCAL_RANK=" + std::to_string(rank) + " LOCAL_WORLD_SIZE=" + std::to_string(size) +
           " MASTER_ADDR=127.0.0.1 MASTER_PORT=" + std::to_string(port) + " ";
  }

  pid_t launch(const std::string& environment, const std::string& words,
               const std::string& name) const {
    const pid_t child = fork();
    if (child == 0) {
      const std::string line = "exec env " + environment + command(words) + " >" +
                               (folder_ / (name + ".out")).string() + " 2>" +
                               (folder_ / (name + ".err")).string();
      execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      _exit(127);
    }
    return child;
  }

  std::vector<pid_t> launch_all(const std::string& words, int size = 2) const {
    const int port = free_port();
    std::vector<pid_t> out;
    for (int rank = 0; rank < size; ++rank)
      out.push_back(launch(variables(rank, size, port), words, std::to_string(rank)));
    return out;
  }

  std::vector<Answer> answers(const std::vector<pid_t>& processes) const {
    std::vector<Answer> out;
    for (size_t rank = 0; rank < processes.size(); ++rank) {
      int status = 0;
      waitpid(processes[rank], &status, 0);
      const std::string name = std::to_string(rank);
      out.push_back({WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                     read_file(folder_ / (name + ".out")), read_file(folder_ / (name + ".err"))});
    }
    return out;
  }

  std::vector<Answer> together(const std::string& words, int size = 2) const {
    return answers(launch_all(words, size));
  }

  static void expect_success(const std::vector<Answer>& all) {
    for (size_t rank = 0; rank < all.size(); ++rank) {
      EXPECT_EQ(all[rank].code, 0) << rank << ": " << all[rank].out << all[rank].err;
      EXPECT_EQ(all[rank].err, "") << rank;
      EXPECT_EQ(all[rank].out.empty(), rank > 0) << "rank 0 alone speaks";
    }
  }

  static void expect_one_sentence(const Answer& answer, const std::string& part) {
    EXPECT_EQ(answer.code, 1);
    EXPECT_THAT(answer.err, HasSubstr(part));
    EXPECT_EQ(std::count(answer.err.begin(), answer.err.end(), '\n'), 1) << answer.err;
  }

  // Until a run has begun and saved where it is.
  void wait_until_at_work(int64_t run) const {
    const auto saved = [&] {
      const Answer shown = ask("show " + std::to_string(run) + " --format json");
      return shown.code == 0 &&
             fs::exists(fs::path(Json::parse(shown.out).at("folder").get<std::string>()) /
                        "checkpoint.safetensors");
    };
    while (!saved()) usleep(1000);
  }

  // Weights and answers of a run, and what its epochs lost.
  std::string outcome(int64_t run) const {
    const Json shown = show(run);
    std::string out = shown.at("weights_hash").get<std::string>() + " " +
                      shown.at("predictions_hash").get<std::string>();
    for (Json epoch : shown.at("epochs")) {
      epoch.erase("seconds");
      out += "\n" + epoch.dump();
    }
    return out;
  }
};

// LeNet-5 on images whose last batch has 5 samples, which two processes cannot share evenly.
std::string recipe(const std::map<std::string, std::string>& over) {
  std::map<std::string, std::string> keys{{"method", "fp32"},
                                          {"model", "lenet5"},
                                          {"dataset", "synthetic_images"},
                                          {"synthetic_images.train", "105"},
                                          {"synthetic_images.test", "60"},
                                          {"synthetic_images.validation", "30"},
                                          {"synthetic_images.size", "16"},
                                          {"batch", "20"},
                                          {"evaluation.batch", "20"},
                                          {"fp32.epochs", "2"},
                                          {"fp32.lr", "0.05"},
                                          {"train.epochs", "2"},
                                          {"train.lr", "0.01"},
                                          {"latency", "no"}};
  for (const auto& [key, value] : over) keys[key] = value;
  std::string out = "run";
  for (const auto& [key, value] : keys) out += " --" + key + "=" + value;
  return out;
}

// Long enough that a signal after the first checkpoint finds it at work.
std::string long_recipe() {
  return recipe({{"fp32.epochs", "60"}}) + " --checkpoint-seconds=1000000";
}

TEST_F(Processes, AreOneProcessWithAsManyPartsToTheBit) {
  const std::vector<std::string> recipes{recipe({{"train.epochs", "0"}}),
                                         recipe({{"method", "uniform"},
                                                 {"uniform.mode", "qat"},
                                                 {"uniform.rule", "lsq"},
                                                 {"uniform.weight_bits", "4"},
                                                 {"train.ema", "0.9"},
                                                 {"train.clip_grad_norm", "1"}}),
                                         recipe({{"method", "bsq"},
                                                 {"train.epochs", "4"},
                                                 {"bsq.interval", "1"},
                                                 {"bsq.activation_range", "fixed"}}),
                                         recipe({{"method", "alq"},
                                                 {"alq.rounds", "1"},
                                                 {"alq.basis_epochs", "1"},
                                                 {"alq.coordinate_epochs", "1"},
                                                 {"alq.polish_epochs", "1"},
                                                 {"alq.polish_coordinate_epochs", "1"}})};
  int64_t run = 0;
  for (const std::string& words : recipes) {
    SCOPED_TRACE(words);
    const Answer alone = ask(words + " --batch.parts=2");
    ASSERT_EQ(alone.code, 0) << alone.out << alone.err;
    expect_success(together(words));
    EXPECT_EQ(outcome(run + 2), outcome(run + 1));
    EXPECT_NE(show(run + 2).at("identity"), show(run + 1).at("identity"));
    EXPECT_THAT(show(run + 2).at("recipe").get<std::string>(), HasSubstr("batch.processes = 2"));
    run += 2;
  }
}

TEST_F(Processes, ThreeAddUpInOrder) {
  const std::string words = recipe({{"train.epochs", "0"}});
  ASSERT_EQ(ask(words + " --batch.parts=3").code, 0);

  expect_success(together(words, 3));

  EXPECT_EQ(outcome(2), outcome(1));
}

// What trains depends on the statistics of each part, which are the same; what evaluation uses are
// their running means, which one process takes over both parts and two over those of rank 0.
TEST_F(Processes, DifferInRunningStatisticsAlone) {
  const std::string words =
      recipe({{"model", "resnet20"}, {"synthetic_images.train", "80"}, {"train.epochs", "0"}});
  ASSERT_EQ(ask(words + " --batch.parts=2").code, 0);

  expect_success(together(words));

  const Json one = show(1), two = show(2);
  ASSERT_EQ(one.at("epochs").size(), two.at("epochs").size());
  for (size_t i = 0; i < one.at("epochs").size(); ++i) {
    const Json &a = one.at("epochs")[i], &b = two.at("epochs")[i];
    EXPECT_EQ(a.at("train_loss"), b.at("train_loss"));
    EXPECT_NE(a.at("validation_loss"), b.at("validation_loss"));
    EXPECT_NEAR(a.at("validation_loss").get<double>(), b.at("validation_loss").get<double>(), 0.5);
  }
  EXPECT_NE(one.at("weights_hash"), two.at("weights_hash"));
}

TEST_F(Processes, AreAConfigurationOfTheirOwn) {
  const std::string words = recipe({{"fp32.epochs", "1"}, {"train.epochs", "0"}});
  expect_success(together(words + " --seed=1 --seed=2"));
  ASSERT_EQ(ask(words + " --seed=1").code, 0);

  EXPECT_EQ(show(1).at("repetition"), 0);
  EXPECT_EQ(show(2).at("seed"), 2);
  EXPECT_EQ(show(3).at("repetition"), 0) << "one process is no repetition of two";
  EXPECT_NE(show(1).at("contract"), show(3).at("contract"));
  EXPECT_THAT(ask("replay 1").err, HasSubstr("for 2 process(es)"));
  const auto replayed = together("replay 1");
  expect_success(replayed);
  EXPECT_THAT(replayed[0].out, HasSubstr("replay of run 1: exact"));
}

TEST_F(Processes, OneThatIsAskedToStopStopsAllAndTheyGoOnWithTheSameBits) {
  const std::string words = long_recipe();
  expect_success(together(words + " --fresh-baseline"));
  for (const size_t asked : {1u, 0u}) {
    fs::remove_all(folder_ / "baselines");
    const int64_t run = asked ? 2 : 3;
    const auto processes = launch_all(words + " --fresh-baseline");
    wait_until_at_work(run);
    ::kill(processes[asked], SIGTERM);
    for (const Answer& answer : answers(processes)) EXPECT_EQ(answer.code, 130) << answer.err;
    ASSERT_EQ(show(run).at("status"), "interrupted");

    expect_success(together("resume " + std::to_string(run)));

    EXPECT_EQ(outcome(run), outcome(1));
  }
}

TEST_F(Processes, OneThatIsKilledEndsAll) {
  for (const size_t killed : {1u, 0u}) {
    fs::remove_all(folder_ / "baselines");
    const auto processes = launch_all(long_recipe() + " --fresh-baseline");
    const int64_t run = killed ? 1 : 2;
    wait_until_at_work(run);
    ::kill(processes[killed], SIGKILL);
    const auto all = answers(processes);

    EXPECT_EQ(all[killed].code, 128 + SIGKILL);
    if (killed == 1) {
      EXPECT_EQ(all[0].code, 1);
      EXPECT_EQ(all[0].err, "");
      EXPECT_EQ(show(run).at("status"), "failed");
      EXPECT_THAT(show(run).at("reason").get<std::string>(), HasSubstr("of the 2 processes ended"));
    } else {
      expect_one_sentence(all[1], "process 1 stops, too");
    }
    expect_success(together("resume " + std::to_string(run)));
    EXPECT_EQ(show(run).at("status"), "ok");
  }
  EXPECT_EQ(outcome(1), outcome(2));
}

TEST_F(Processes, WhatCannotBeSharedIsOneSentence) {
  const auto parts = together(recipe({{"batch.parts", "3"}}));
  expect_one_sentence(parts[0], "batch.parts is 3, which 2 processes cannot share evenly");
  EXPECT_EQ(parts[1].code, 1) << "as rank 0 says";
  EXPECT_EQ(parts[1].err, "");
  const auto graphs = together("run --model=gcn2 --dataset=synthetic_graph");
  EXPECT_EQ(graphs[0].code, 1);
  EXPECT_THAT(graphs[0].err, HasSubstr("holds graphs"));
  const auto wrong = together(recipe({{"batch.processes", "3"}}));
  expect_one_sentence(wrong[0], "for 3 process(es)");
  EXPECT_EQ(Json::parse(ask("runs --format json").out).size(), 0u) << "no run was begun";
}

// Of two processes in folders of their own, one finds no rows there.
TEST_F(Processes, WhatOneLacksEndsTheRunWithItsSentence) {
  fs::create_directories(folder_ / "with");
  std::ofstream rows(folder_ / "with" / "rows.csv");
  rows << "a,b,label\n";
  for (int i = 0; i < 90; ++i) rows << i % 7 << "," << i % 5 << (i % 2 ? ",x\n" : ",y\n");
  rows.close();
  const std::string words =
      "run --method=fp32 --model=mlp_jet --dataset=table --table.path=rows.csv --batch=20 "
      "--fp32.epochs=1 --latency=no";
  const int port = free_port();

  const auto all = answers(
      {launch("-C " + (folder_ / "with").string() + " " + variables(0, 2, port), words, "0"),
       launch("-C " + folder_.string() + " " + variables(1, 2, port), words, "1")});

  EXPECT_EQ(all[0].code, 1);
  EXPECT_EQ(show(1).at("status"), "failed");
  EXPECT_THAT(show(1).at("reason").get<std::string>(), HasSubstr("Process 1 of 2 cannot begin: "));
  EXPECT_THAT(show(1).at("reason").get<std::string>(), HasSubstr("rows.csv"));
  expect_one_sentence(all[1], "rows.csv");
}

TEST_F(Processes, AnEnvironmentThatIsNoneIsOneSentence) {
  const auto refused = [&](const std::string& environment, const std::string& part) {
    expect_one_sentence(answers({launch(environment, recipe({}), "0")})[0], part);
  };
  refused("RANK=0 ", "RANK is set and WORLD_SIZE is not");
  refused("RANK=2 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=1234 ", "RANK is 2, but");
  refused("WORLD_SIZE=0 RANK=0 ", "WORLD_SIZE must be a number from 1");
  Port taken;
  taken.listen();
  refused(variables(0, 2, taken.number()), "the port is in use");
}

// Its default of no redirection does not go with Python 3.11 in torchrun 1.13.
TEST_F(Processes, TorchrunStartsThem) {
  if (std::system("torchrun --help >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "There is no torchrun (package python3-torch).";
  const std::string words = recipe({{"fp32.epochs", "1"}, {"train.epochs", "0"}});
  ASSERT_EQ(ask(words + " --batch.parts=2").code, 0);

  const std::string line =
      "torchrun --nnodes=1 --nproc_per_node=2 --rdzv_backend=c10d --rdzv_endpoint=localhost:0 "
      "--redirects=2 --tee=1 --log_dir=" +
      folder_.string() + " --no_python " + command(words) + " >" + (folder_ / "out").string() +
      " 2>" + (folder_ / "err").string();
  ASSERT_EQ(std::system(line.c_str()), 0) << read_file(folder_ / "err");

  EXPECT_EQ(outcome(2), outcome(1));
}

// With a stand-in for srun, which gives each task its number.
TEST_F(Processes, TheScriptForSlurmStartsThem) {
  const std::string words = " " + recipe({{"fp32.epochs", "1"}, {"train.epochs", "0"}}) +
                            " --quiet --store " + (folder_ / "q.db").string();
  fs::create_directories(folder_ / "bin");
  std::ofstream(folder_ / "bin" / "scontrol") << "#!/bin/sh\necho 127.0.0.1\necho another\n";
  std::ofstream(folder_ / "bin" / "srun")
      << "#!/bin/bash\nshift\nfor i in 0 1; do SLURM_PROCID=$i SLURM_LOCALID=$i \"$@\" & "
         "all+=($!); "
         "done\nfor one in ${all[@]}; do wait $one || code=$?; done\nexit ${code:-0}\n";
  for (const char* name : {"scontrol", "srun"})
    fs::permissions(folder_ / "bin" / name, fs::perms::owner_all);
  const std::string line =
      "PATH=" + (folder_ / "bin").string() + ":$PATH SLURM_JOB_ID=5 SLURM_JOB_NODELIST=n[1-2] " +
      "SLURM_NTASKS=2 SLURM_CPUS_PER_TASK=1 MASTER_PORT=" + std::to_string(free_port()) + " " +
      QUANTBENCH_SOURCE_DIR + "/scripts/slurm/parallel.sh " + QUANTBENCH_PROGRAM + words + " >" +
      (folder_ / "out").string() + " 2>" + (folder_ / "err").string();
  ASSERT_EQ(std::system(line.c_str()), 0) << read_file(folder_ / "err");

  EXPECT_EQ(show(1).at("status"), "ok");
  EXPECT_EQ(show(1).at("provenance").at("threads"), 1);
  EXPECT_THAT(show(1).at("recipe").get<std::string>(), HasSubstr("batch.processes = 2"));
}

}  // namespace
}  // namespace quantbench
