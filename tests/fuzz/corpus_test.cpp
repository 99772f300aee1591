// Every input that is kept: small valid files, from which the fuzzer sets out, and what it found.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/file.h"
#include "tests/fuzz/target.h"

namespace quantbench::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> inputs_of(const Target& target) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(fs::path(QUANTBENCH_CORPUS) / target.name))
    out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

class Corpus : public testing::TestWithParam<Target> {};

TEST_P(Corpus, IsReadOrRefusedWhole) {
  const auto inputs = inputs_of(GetParam());
  EXPECT_FALSE(inputs.empty());
  for (const fs::path& path : inputs) {
    SCOPED_TRACE(path.string());
    EXPECT_NO_THROW(call(GetParam(), read_file(path)));
  }
}

// The end of a file is where readers trip first.
TEST_P(Corpus, IsReadOrRefusedCutAnywhereAndWithAnyByteTurned) {
  for (const fs::path& path : inputs_of(GetParam())) {
    SCOPED_TRACE(path.string());
    const std::string whole = read_file(path);
    const size_t step = std::max<size_t>(1, whole.size() / 48);
    for (size_t at = 0; at < whole.size(); at += step) {
      EXPECT_NO_THROW(call(GetParam(), whole.substr(0, at))) << "cut at " << at;
      std::string turned = whole;
      turned[at] = static_cast<char>(~turned[at]);
      EXPECT_NO_THROW(call(GetParam(), turned)) << "turned at " << at;
    }
  }
}

std::string name_of(const testing::TestParamInfo<Target>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, testing::ValuesIn(targets()), name_of);

}  // namespace
}  // namespace quantbench::fuzz
