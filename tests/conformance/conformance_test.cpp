// One standard for every method, built in or plugged in: bench/conformance.h.
#include "bench/conformance.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/torch.h"
#include "bench/plugin.h"
#include "methods/method.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

using Case = ConformanceCase;

std::vector<Case> all_cases() {
  load_plugin(EXAMPLE_PLUGIN);
  std::vector<Case> out;
  for (const std::string& method : methods().names())
    for (Case& one : conformance_cases(method)) out.push_back(std::move(one));
  return out;
}

// All cases, or every n-th of them for a process that is one of n.
std::vector<Case> cases_of_this_shard() {
  const std::vector<Case> all = all_cases();
  const char *shard = std::getenv("CONFORMANCE_SHARD"), *shards = std::getenv("CONFORMANCE_SHARDS");
  if (!shard || !shards) return all;
  std::vector<Case> out;
  for (size_t i = std::stoul(shard); i < all.size(); i += std::stoul(shards)) out.push_back(all[i]);
  return out;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> list = cases_of_this_shard();
  return list;
}

// What quantbench conformance says of a method out of tree, of every method there is.
class Conformance : public testing::TestWithParam<size_t> {};

TEST_P(Conformance, EveryCheckHolds) {
  torch::set_num_threads(1);
  const fs::path folder =
      fs::path(testing::TempDir()) /
      ("conformance-" + std::to_string(GetParam()) + "-" + std::to_string(::getpid()));

  const std::vector<ConformanceCheck> checks =
      check_conformance(cases()[GetParam()], folder, [](const ConformanceCheck&) {});

  fs::remove_all(folder);
  EXPECT_EQ(checks.size(), 10u);
  for (const ConformanceCheck& check : checks)
    EXPECT_TRUE(check.problem.empty()) << check.name << ": " << check.problem;
}

INSTANTIATE_TEST_SUITE_P(Methods, Conformance, testing::Range(size_t{0}, cases().size()),
                         [](const auto& info) {
                           std::string name = cases()[info.param].method;
                           for (const auto& [key, value] : cases()[info.param].options)
                             name += "_" + value;
                           return name;
                         });

}  // namespace
}  // namespace quantbench
