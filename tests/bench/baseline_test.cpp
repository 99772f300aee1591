// FP32 networks that are trained once: the cache by itself, and as a sweep meets it.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/file.h>

#include <thread>

#include "base/interrupt.h"
#include "bench/baseline_cache.h"
#include "models/safetensors.h"
#include "tests/bench/program.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;

class Cache : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("baselines-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  BaselineCache cache(const std::string& key = "key") const {
    return BaselineCache(folder_, key, [](const std::string&) {});
  }
  static Baseline baseline(float value) {
    Baseline out;
    out.network = {{"fc.weight", torch::full({2, 3}, value)}};
    out.facts = {{"top1_fp32", 0.5}};
    out.epochs = {{"fp32:fp32", 0, 0.7, 0.6, 0.8, 0.5, 0.1, 12}};
    out.run = "uid";
    return out;
  }

  fs::path folder_;
};

TEST_F(Cache, WhatIsPublishedIsFoundUnderItsKeyAndNoOther) {
  cache().publish(baseline(1.5));

  const auto found = cache().find();

  ASSERT_TRUE(found);
  EXPECT_TRUE(torch::equal(found->network.at("fc.weight"), torch::full({2, 3}, 1.5f)));
  EXPECT_EQ(found->run, "uid");
  EXPECT_EQ(found->facts.at("top1_fp32"), 0.5);
  ASSERT_EQ(found->epochs.size(), 1u);
  EXPECT_EQ(found->epochs[0].train_loss, 0.7);
  EXPECT_FALSE(cache("another key").find());
}

TEST_F(Cache, ADamagedFileIsNotBelieved) {
  cache().publish(baseline(1));
  const fs::path path = cache().path();
  std::string bytes = read_file(path);
  const std::string whole = bytes;

  for (const size_t length : {size_t{0}, size_t{20}, whole.size() / 2, whole.size() - 1}) {
    write_atomically(path, whole.substr(0, length));
    EXPECT_FALSE(cache().find()) << length << " bytes";
  }
  bytes.back() = static_cast<char>(bytes.back() ^ 1);  // a weight
  write_atomically(path, bytes);
  EXPECT_FALSE(cache().find());
  write_atomically(path, whole);
  EXPECT_TRUE(cache().find());
}

TEST_F(Cache, AFileOfAnotherKeyUnderThisNameIsNotBelieved) {
  cache("another").publish(baseline(1));
  fs::copy_file(cache("another").path(), cache().path());

  EXPECT_FALSE(cache().find());
}

// Eight processes want one network: one of them makes it, the others wait and get it.
TEST_F(Cache, OfManyWritersOneTrains) {
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      const BaselineCache mine(folder_, "key", [](const std::string&) {});
      if (!mine.find()) {
        ::usleep(100000);
        std::ofstream(folder_ / fmt::format("trained-{}", i)) << i;
        mine.publish(baseline(static_cast<float>(i)));
      }
      ::_exit(mine.find() ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }

  int trained = 0;
  for (const auto& entry : fs::directory_iterator(folder_))
    trained += entry.path().filename().string().rfind("trained-", 0) == 0;
  EXPECT_EQ(trained, 1);
}

TEST_F(Cache, AKilledWriterLeavesNothingThatIsBelievedAndNoLock) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const BaselineCache mine(folder_, "key", [](const std::string&) {});
    std::ofstream(mine.path().string() + ".1.part") << "half a file";
    const char byte = 0;
    if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
    ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);

  const BaselineCache mine = cache();

  EXPECT_FALSE(mine.find());
  mine.publish(baseline(2));
  EXPECT_TRUE(mine.find());
}

class Baselines : public Program {
 protected:
  fs::path kept() const {
    for (const auto& entry : fs::directory_iterator(folder_ / "baselines"))
      if (entry.path().extension() == ".safetensors") return entry.path();
    return {};
  }
  int64_t count() const {
    int64_t out = 0;
    for (const auto& entry : fs::directory_iterator(folder_ / "baselines"))
      out += entry.path().extension() == ".safetensors";
    return out;
  }
  static Json fp32_of(const Json& run) {
    return Json::parse(run.at("artefacts").at("fp32.json").get<std::string>());
  }
};

TEST_F(Baselines, ASweepTrainsItsFp32NetworkOnceAndComesOutTheSame) {
  const std::string sweep = "--uniform.weight_bits=4 --uniform.weight_bits=2";
  const Answer answer = ask(small({}, sweep + " --uniform.weight_bits=4"));
  ASSERT_EQ(answer.code, 0) << answer.err;
  ASSERT_EQ(ask("runs --format json").code, 0);
  const Json first = show(1);
  EXPECT_EQ(fp32_of(first).at("source"), "trained");

  ASSERT_EQ(ask(small({{"uniform.weight_bits", "8"}})).code, 0);
  const Json all = Json::parse(ask("runs --format json").out);
  const int64_t shared_id = all.at(0).at("id").get<int64_t>();
  const Json shared = show(shared_id);
  EXPECT_EQ(fp32_of(shared).at("source"), "baseline");
  EXPECT_EQ(shared.at("epochs").size(), first.at("epochs").size());
  EXPECT_EQ(count(), 1);

  // replay trains anew, so that it tests the whole.
  const Answer replay = ask("replay " + std::to_string(shared_id));
  EXPECT_THAT(replay.out, HasSubstr("exact"));
  EXPECT_EQ(fp32_of(show(shared_id + 1)).at("source"), "trained");
  EXPECT_THAT(ask("show " + std::to_string(shared_id)).out, HasSubstr("trained by run 1"));
}

TEST_F(Baselines, WhatDeterminesTheNetworkIsPartOfItsKey) {
  ASSERT_EQ(ask(small()).code, 0);
  int64_t expected = 1;
  EXPECT_EQ(count(), expected);
  for (const auto& [key, value] :
       std::map<std::string, std::string>{{"seed", "2"},
                                          {"batch", "25"},
                                          {"fp32.lr", "0.02"},
                                          {"synthetic_images.train", "700"}}) {
    ASSERT_EQ(ask(small({{key, value}})).code, 0);
    EXPECT_EQ(count(), ++expected) << key;
  }
  for (const auto& [key, value] : std::map<std::string, std::string>{
           {"train.lr", "0.02"}, {"train.epochs", "0"}, {"calibration.samples", "60"}}) {
    ASSERT_EQ(ask(small({{key, value}})).code, 0);
    EXPECT_EQ(count(), expected) << key;
  }
}

TEST_F(Baselines, ADamagedBaselineIsTrainedAgainAndReplaced) {
  ASSERT_EQ(ask(small()).code, 0);
  const fs::path path = kept();
  const std::string whole = read_file(path);
  write_atomically(path, whole.substr(0, whole.size() / 2));

  ASSERT_EQ(ask(small({{"uniform.weight_bits", "8"}})).code, 0);

  EXPECT_EQ(fp32_of(show(2)).at("source"), "trained");
  ASSERT_EQ(ask(small({{"uniform.weight_bits", "6"}})).code, 0);
  EXPECT_EQ(fp32_of(show(3)).at("source"), "baseline");
  EXPECT_EQ(kept(), path);
}

TEST_F(Baselines, SweepsOfTwoProcessesShareOne) {
  const pid_t a = start(small({{"fp32.epochs", "4"}})),
              b = start(small({{"fp32.epochs", "4"}, {"uniform.weight_bits", "8"}}));
  for (const pid_t child : {a, b}) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }

  std::multiset<std::string> sources{fp32_of(show(1)).at("source"), fp32_of(show(2)).at("source")};
  EXPECT_EQ(sources, (std::multiset<std::string>{"baseline", "trained"}));
  EXPECT_EQ(count(), 1);
}

TEST_F(Baselines, WeightsMayBeARunItsPackageOrItsCheckpoint) {
  std::string fp32 = small({{"method", "fp32"}, {"train.epochs", "0"}});
  const std::string unused = " --uniform.weight_bits=4";
  fp32.erase(fp32.find(unused), unused.size());
  ASSERT_EQ(ask(fp32).code, 0);
  const fs::path folder = show(1).at("folder").get<std::string>();
  std::set<std::string> hashes;
  int64_t run = 1;
  for (const std::string& weights :
       {std::string("1"), (folder / "package.safetensors").string(),
        (folder / "checkpoint.safetensors").string(), kept().string()}) {
    const Answer answer = ask(small({{"train.epochs", "0"},
                                     {"fp32.epochs", "0"},
                                     {"uniform.mode", "ptq"},
                                     {"fp32.weights", weights}}));
    ASSERT_EQ(answer.code, 0) << weights << ": " << answer.err;
    hashes.insert(show(++run).at("weights_hash"));
  }

  EXPECT_EQ(hashes.size(), 1u);
  EXPECT_THAT(ask("show 2").out, HasSubstr("the package of run 1"));
  EXPECT_THAT(show(2).at("recipe"), HasSubstr("fp32.weights = run:"));
  EXPECT_THAT(ask("replay 2").out, HasSubstr("exact"));
  const Answer quantized = ask(small({{"fp32.weights", "2"}}));
  EXPECT_EQ(quantized.code, 1);
  EXPECT_THAT(quantized.err, HasSubstr("of method uniform"));
  EXPECT_THAT(ask(small({{"fp32.weights", "99"}})).err, HasSubstr("no run 99"));
}

}  // namespace
}  // namespace quantbench
