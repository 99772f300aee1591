// Every input that is kept: small valid files, from which the fuzzer sets out, and what it found.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

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

// A little of what libFuzzer does, with any compiler and the same on every machine: bytes turned,
// taken out, put in, copied, and numbers at the edges.
void mutate(std::string& bytes, std::mt19937& random) {
  static const std::vector<std::string> kEdges{std::string(4, '\0'),
                                               std::string(8, '\xff'),
                                               "\xff\xff\xff\x7f",
                                               "-1",
                                               "99999999999999999999",
                                               "1e999",
                                               "nan",
                                               "[[[[[[[[",
                                               "\"",
                                               "\n",
                                               ","};
  const auto below = [&](size_t end) { return end == 0 ? 0 : random() % end; };
  for (size_t left = 1 + below(4); left > 0; --left) {
    const size_t at = below(bytes.size() + 1), length = 1 + below(8);
    switch (below(5)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes.erase(at, length);
        break;
      case 2:
        bytes.insert(at, kEdges[below(kEdges.size())]);
        break;
      case 3: {
        const std::string& edge = kEdges[below(kEdges.size())];
        bytes.replace(at, edge.size(), edge);
        break;
      }
      default:
        bytes.insert(at, bytes.substr(below(bytes.size()), length * length));
    }
  }
}

TEST_P(Corpus, IsReadOrRefusedHoweverItIsChanged) {
  constexpr int kRuns = 40000;  // a minute in all
  const auto inputs = inputs_of(GetParam());
  std::mt19937 random(1);
  std::string changed;
  for (int run = 0; run < kRuns; ++run) {
    // From a file, or further from what the last run made of one.
    if (run % 4 == 0) changed = read_file(inputs[static_cast<size_t>(run / 4) % inputs.size()]);
    mutate(changed, random);
    ASSERT_NO_THROW(call(GetParam(), changed)) << "run " << run;
  }
}

std::string name_of(const testing::TestParamInfo<Target>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, testing::ValuesIn(targets()), name_of);

}  // namespace
}  // namespace quantbench::fuzz
