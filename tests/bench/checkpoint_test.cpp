#include "bench/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "base/error.h"
#include "base/file.h"
#include "models/model.h"
#include "models/safetensors.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

Checkpoint example() {
  Checkpoint c;
  c.recipe = "method = fp32\n";
  c.position = {"train", 1, 2, 3, true};
  c.counters = {{"loss", 0.1 + 0.2}, {"samples", 77}};
  c.state.method.values = {{"bits", {2, 3, 4}}};
  c.state.method.tensors["ranges"] = torch::randn({2, 2});
  c.state.network["conv1/weight"] = torch::randn({4, 3, 3, 3});
  c.optimizer["network.0.momentum"] = torch::randn({4, 3, 3, 3});
  c.best.emplace();
  c.best->network["conv1/weight"] = torch::randn({2, 2});
  c.best->method.values = {{"on", {"conv1"}}};
  c.kept["front-1"].network["w"] = torch::arange(5);
  c.kept["front-1"].method.values = 7;
  c.kept["front-1"].method.tensors["planes"] = torch::randn({3});
  c.kept["front-2"].method.values = nlohmann::json::object();
  return c;
}

class CheckpointFile : public testing::Test {
 protected:
  fs::path path_ = fs::path(testing::TempDir()) / ("checkpoint-" + std::to_string(::getpid()));
  void TearDown() override { fs::remove(path_); }
};

TEST_F(CheckpointFile, GivesBackEverythingBitForBit) {
  const Checkpoint c = example();

  write_checkpoint(path_, c);
  const Checkpoint back = read_checkpoint(path_, c.recipe);

  EXPECT_EQ(back.position.stage, "train");
  EXPECT_EQ(back.position.step, 3);
  EXPECT_TRUE(back.position.begun);
  EXPECT_EQ(back.counters.at("loss").get<double>(), 0.1 + 0.2);
  EXPECT_EQ(back.state.method.values, c.state.method.values);
  EXPECT_TRUE(
      torch::equal(back.state.method.tensors.at("ranges"), c.state.method.tensors.at("ranges")));
  EXPECT_EQ(hash_of(back.state.network), hash_of(c.state.network));
  EXPECT_EQ(hash_of(back.optimizer), hash_of(c.optimizer));
  ASSERT_TRUE(back.best.has_value());
  EXPECT_EQ(hash_of(back.best->network), hash_of(c.best->network));
  EXPECT_EQ(back.best->method.values, c.best->method.values);
  ASSERT_EQ(back.kept.size(), 2u);
  const SavedState& kept = back.kept.at("front-1");
  EXPECT_TRUE(torch::equal(kept.network.at("w"), torch::arange(5)));
  EXPECT_EQ(kept.method.values, 7);
  EXPECT_EQ(hash_of(kept.method.tensors), hash_of(c.kept.at("front-1").method.tensors));
  EXPECT_TRUE(back.kept.at("front-2").network.empty());
}

TEST_F(CheckpointFile, OfVersionOneIsRefusedWithASentence) {
  SafeTensors file;
  file.metadata["checkpoint"] = R"({"version":1,"stage":"train","phase":0,"epoch":0,"step":0})";
  file.metadata["recipe"] = example().recipe;
  write_safetensors(path_, file);

  try {
    read_checkpoint(path_, example().recipe);
    FAIL() << "its position does not say whether a phase has begun";
  } catch (const Error& problem) {
    EXPECT_NE(std::string(problem.what()).find("version 1"), std::string::npos) << problem.what();
  }
}

TEST_F(CheckpointFile, OfAnotherRecipeIsRefused) {
  write_checkpoint(path_, example());

  EXPECT_THROW(read_checkpoint(path_, "method = uniform\n"), Error);
}

TEST_F(CheckpointFile, DamageIsRefusedWithASentence) {
  write_checkpoint(path_, example());
  const std::string whole = read_file(path_);

  for (size_t part = 0; part < 16; ++part) {
    write_atomically(path_, std::string_view(whole).substr(0, whole.size() * part / 16));
    EXPECT_THROW(read_checkpoint(path_, example().recipe), Error) << part;
  }
}

TEST_F(CheckpointFile, AFlippedBitIsRefusedWhereverItIs) {
  write_checkpoint(path_, example());
  const std::string whole = read_file(path_);

  for (size_t at = 0; at < whole.size(); at += 13) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    write_atomically(path_, damaged);
    EXPECT_THROW(read_checkpoint(path_, example().recipe), Error) << at;
  }
}

TEST_F(CheckpointFile, APlaceBeforeTheStartIsRefused) {
  Checkpoint c = example();
  c.position.step = -1;
  write_checkpoint(path_, c);

  EXPECT_THROW(read_checkpoint(path_, c.recipe), Error);
}

TEST_F(CheckpointFile, AKeptStateIsNoPath) {
  Checkpoint c = example();
  c.kept["../../outside"].network["w"] = torch::arange(2);
  write_checkpoint(path_, c);

  EXPECT_THROW(read_checkpoint(path_, c.recipe), Error);
}

TEST_F(CheckpointFile, DeepFactsAreRefused) {
  SafeTensors file;
  file.metadata["recipe"] = example().recipe;
  file.metadata["checkpoint"] = std::string(100000, '[') + std::string(100000, ']');
  file.metadata["sha256"] = checkpoint_checksum(file);
  write_safetensors(path_, file);

  EXPECT_THROW(read_checkpoint(path_, example().recipe), Error);
}

TEST_F(CheckpointFile, AFullDiskLeavesTheOldCheckpointWhole) {
  const fs::path folder = fs::path(testing::TempDir()) / ("full-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  write_checkpoint(folder / "checkpoint", example());
  const std::string before = read_file(folder / "checkpoint");
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit full{16, limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &full);

  EXPECT_THROW(write_checkpoint(folder / "checkpoint", example()), Error);

  ::setrlimit(RLIMIT_FSIZE, &limit);
  EXPECT_EQ(read_file(folder / "checkpoint"), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
  fs::remove_all(folder);
}

TEST(Snapshot, IsRestoredExactlyOrRefused) {
  Network network(build_model("lenet5", {{1, 28, 28}, 10}));
  const auto state = snapshot(network);
  {
    const torch::NoGradGuard no_grad;
    for (Tensor& p : network.parameters()) p.add_(1);
  }
  EXPECT_NE(hash_of(snapshot(network)), hash_of(state));

  restore(network, state);

  EXPECT_EQ(hash_of(snapshot(network)), hash_of(state));
  auto missing = state;
  missing.erase(missing.begin());
  EXPECT_THROW(restore(network, missing), Error);
  auto more = state;
  more["stranger"] = torch::zeros({1});
  EXPECT_THROW(restore(network, more), Error);
}

}  // namespace
}  // namespace quantbench
