#include "results/compare/compare.h"

#include <gmock/gmock.h>

#include <sstream>

#include "results/tables/csv.h"
#include "results/tables/grid.h"
#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Compare : public StoreTest {
 protected:
  Compare() : store_(path()) {}

  // `seeds` runs of two methods; the second is better by `gain`, and a little more each seed.
  void add_pairs(int seeds, double gain) {
    for (int seed = 1; seed <= seeds; ++seed) {
      SomeRun a, b;
      a.seed = b.seed = static_cast<uint64_t>(seed);
      b.method = "hawq";
      b.settings = "hawq.bits = 2\n";
      a.top1 = 0.9 + 0.001 * (seed % 3);
      b.top1 = a.top1 + gain + 0.0001 * seed;
      b.size_bytes = 500;
      a.latency_ms = 2;
      b.latency_ms = 1;
      add_run(store_, a);
      add_run(store_, b);
    }
  }

  std::vector<Candidate> method(const std::string& name) const {
    Selection selection;
    selection.method = name;
    return select_candidates(store_, selection, "method " + name);
  }

  TaskComparison methods(const CompareConfig& config = {}) const {
    return compare(store_, {method("uniform"), method("hawq")}, config).at(0);
  }

  Store store_;
};

TEST_F(Compare, SixSeedsInOneDirectionAreBetter) {
  add_pairs(6, 0.01);

  const TaskComparison task = methods();

  const Pair& pair = task.pairs.at(0);
  EXPECT_EQ(pair.verdict, Verdict::Better);
  EXPECT_EQ(pair.seeds, 6);
  EXPECT_DOUBLE_EQ(pair.p, 2.0 / 64);
  EXPECT_DOUBLE_EQ(pair.size->ratio, 0.5);
  EXPECT_NEAR(pair.latencies.at(0).time.ratio, 0.5, 1e-12);
  EXPECT_THAT(pair.differs_in, IsEmpty());
  EXPECT_EQ(task.accuracy.at(0).n, 6);
}

TEST_F(Compare, FiveSeedsAreTooFewAndTheAnswerSaysHowManyWouldDo) {
  add_pairs(5, 0.01);

  const Pair pair = methods().pairs.at(0);

  EXPECT_EQ(pair.verdict, Verdict::TooFewSeeds);
  EXPECT_EQ(pair.seeds_needed, 6);
  EXPECT_THAT(pair.sentence, HasSubstr("too few to call it better or worse: 6 would do"));
}

TEST_F(Compare, SeveralComparisonsNeedMoreSeeds) {
  add_pairs(6, 0.01);
  for (int seed = 1; seed <= 6; ++seed) {
    SomeRun c;
    c.method = "hawq";
    c.settings = "hawq.bits = 3\n";
    c.seed = static_cast<uint64_t>(seed);
    c.top1 = 0.95;
    add_run(store_, c);
  }

  const TaskComparison task = methods();

  ASSERT_EQ(task.pairs.size(), 2u);
  EXPECT_DOUBLE_EQ(task.pairs[0].p_holm, 4.0 / 64);
  EXPECT_EQ(task.pairs[0].seeds_needed, 7);
  EXPECT_EQ(task.pairs[0].verdict, Verdict::TooFewSeeds);
  EXPECT_EQ(task.candidates[1].name, "hawq bits=2");
  EXPECT_EQ(task.candidates[2].name, "hawq bits=3");
}

TEST_F(Compare, NoiseIsNoDifference) {
  for (int seed = 1; seed <= 6; ++seed) {
    SomeRun a, b;
    a.seed = b.seed = static_cast<uint64_t>(seed);
    b.method = "hawq";
    b.top1 = a.top1 + (seed % 2 ? 0.001 : -0.001);
    add_run(store_, a);
    add_run(store_, b);
  }

  EXPECT_EQ(methods().pairs.at(0).verdict, Verdict::NoDifference);
}

TEST_F(Compare, WhatBreaksTheContractIsNamed) {
  SomeRun a, b;
  b.method = "hawq";
  b.activation_bits = 4;
  b.fp32_epochs = "9";
  b.preprocessing = "mean 0";
  add_run(store_, a);
  add_run(store_, b);

  const Pair pair = methods().pairs.at(0);

  EXPECT_THAT(pair.differs_in, Contains("activation bits (8.0 / 4.0)"));
  EXPECT_THAT(pair.differs_in, Contains(HasSubstr("FP32 baseline")));
  EXPECT_THAT(pair.differs_in, Contains(HasSubstr("preprocessing")));
  EXPECT_THAT(pair.sentence, HasSubstr("not like for like"));
}

TEST_F(Compare, DifferentFp32AccuracyOfOneRecipeIsNamedToo) {
  SomeRun a, b;
  b.method = "hawq";
  b.top1_fp32 = 0.93;
  add_run(store_, a);
  add_run(store_, b);

  EXPECT_THAT(methods().pairs.at(0).differs_in, Contains("FP32 accuracy (92.00 % / 93.00 %)"));
}

TEST_F(Compare, RepetitionIsNoNewSample) {
  add_pairs(3, 0.01);
  add_pairs(3, 0.01);

  EXPECT_EQ(methods().pairs.at(0).seeds, 3);
}

TEST_F(Compare, MistrustedRunsAreLeftOutAndCounted) {
  add_pairs(2, 0.01);
  SomeRun bad;
  bad.seed = 9;
  bad.status = RunStatus::Mistrusted;
  add_run(store_, bad);

  const TaskComparison task = methods();

  EXPECT_EQ(task.candidates[0].runs.size(), 2u);
  EXPECT_EQ(task.candidates[0].left_out.at("mistrusted"), 1);
  EXPECT_THAT(comparison_text({task}), HasSubstr("left out: 1 mistrusted"));
}

TEST_F(Compare, VersionsOfAMethodAreNeverPooled) {
  SomeRun a, b;
  b.method_version = 2;
  b.seed = 2;
  add_run(store_, a);
  add_run(store_, b);

  const auto task = compare(store_, {method("uniform")}).at(0);

  ASSERT_EQ(task.candidates.size(), 2u);
  EXPECT_EQ(task.candidates[0].name, "uniform version 1");
  EXPECT_EQ(task.pairs[0].verdict, Verdict::NotPaired);
}

TEST_F(Compare, TwoRunsAreComparedSampleBySample) {
  SomeRun a, b;
  a.target = b.target = {0, 1, 2, 3, 4, 5, 6, 7};
  a.predicted = {0, 1, 2, 3, 4, 5, 9, 9};
  b.predicted = {0, 9, 9, 9, 9, 9, 9, 7};
  b.settings = "uniform.weight_bits = 2\n";
  a.top1 = 0.75;
  b.top1 = 0.25;
  const int64_t first = add_run(store_, a), second = add_run(store_, b);
  Selection left, right;
  left.run = first;
  right.run = second;

  const auto pair =
      compare(store_, {select_candidates(store_, left, ""), select_candidates(store_, right, "")})
          .at(0)
          .pairs.at(0);

  ASSERT_EQ(pair.mcnemar.size(), 1u);
  EXPECT_NEAR(pair.mcnemar[0], 2.0 * 7 / 64, 1e-12);  // 5 against 1
  EXPECT_LT(pair.sample_interval->low, -0.5);
  EXPECT_EQ(pair.verdict, Verdict::TooFewSeeds);
}

TEST_F(Compare, WhatWasNeverTrainedIsJudgedOverItsSamples) {
  SomeRun a, b;
  a.weights = b.weights = "resnet20.pt";
  for (int32_t i = 0; i < 40; ++i) {
    a.target.push_back(i);
    a.predicted.push_back(i % 4 ? i : 99);
    b.predicted.push_back(i);
  }
  b.target = a.target;
  b.method = "hawq";
  a.top1 = 0.75;
  b.top1 = 1;
  add_run(store_, a);
  add_run(store_, b);

  const Pair pair = methods().pairs.at(0);

  EXPECT_TRUE(pair.over_samples);
  EXPECT_EQ(pair.verdict, Verdict::Better);
  EXPECT_NEAR(pair.p, 2.0 / 1024, 1e-12);  // 10 against 0
  EXPECT_THAT(pair.sentence, HasSubstr("McNemar"));
}

TEST_F(Compare, SidesOfSeveralConfigurationsArePairedByBits) {
  for (double bits : {2.0, 4.0, 8.0})
    for (const char* name : {"uniform", "hawq"}) {
      if (bits == 8 && std::string(name) == "hawq") continue;
      SomeRun run;
      run.method = name;
      run.settings = fmt::format("{}.weight_bits = {}\n", name, bits);
      run.weight_bits = bits + (std::string(name) == "hawq" ? 0.3 : 0);
      add_run(store_, run);
    }

  const TaskComparison task = methods();

  ASSERT_EQ(task.pairs.size(), 2u);
  for (const Pair& pair : task.pairs) {
    const std::string &a = task.candidates[pair.reference].name,
                      &b = task.candidates[pair.candidate].name;
    EXPECT_EQ(a.substr(a.find('=')), b.substr(b.find('=')));
  }
}

TEST_F(Compare, AgainstOneThingAloneNothingElseIsCompared) {
  add_pairs(2, 0.01);
  SomeRun third;
  third.method = "bsq";
  add_run(store_, third);
  CompareConfig against;
  against.against_last = true;

  const auto all = compare(store_, {method("hawq"), method("bsq"), method("uniform")}).at(0);
  const auto one =
      compare(store_, {method("hawq"), method("bsq"), method("uniform")}, against).at(0);

  EXPECT_EQ(all.pairs.size(), 3u);
  ASSERT_EQ(one.pairs.size(), 2u);
  for (const Pair& pair : one.pairs) EXPECT_EQ(one.candidates[pair.reference].method, "uniform");
}

TEST_F(Compare, TableFitsItsTerminalAndHoldsWhatDecides) {
  add_pairs(6, 0.01);

  const std::string text = comparison_table({methods()}, "text");

  EXPECT_THAT(text, HasSubstr(">91.1"));
  EXPECT_THAT(text, ::testing::ContainsRegex("[+]1.0[34] [[][+]1.0[12], [+]1.0[56]"));
  EXPECT_THAT(text, HasSubstr("better"));
  EXPECT_THAT(text, HasSubstr("0.50"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), 100u) << line;
  EXPECT_THAT(comparison_table({methods()}, "latex"), HasSubstr("\\textbf{91."));
  EXPECT_THAT(comparison_table({methods()}, "markdown"), HasSubstr("**91."));
  EXPECT_EQ(parse_csv(comparison_table({methods()}, "csv"), "t").at(1).at(16), "better");
}

TEST_F(Compare, KeysNarrowAMethod) {
  SomeRun four, two;
  two.settings = "uniform.weight_bits = 2\n";
  add_run(store_, four);
  add_run(store_, two);
  Selection selection;
  selection.method = "uniform";
  selection.keys = {{"uniform.weight_bits", {"2"}}, {"model", {"lenet5"}}};

  EXPECT_EQ(select_candidates(store_, selection, "").size(), 1u);
  selection.keys["hawq.bits"] = {"7"};  // another method's affair
  EXPECT_EQ(select_candidates(store_, selection, "").size(), 1u);
  selection.keys["model"] = {"vgg7"};
  EXPECT_THAT(sentence_of([&] { select_candidates(store_, selection, "method uniform"); }),
              HasSubstr("no run of method uniform"));
}

TEST_F(Compare, DifferentTasksAreNotCompared) {
  SomeRun a, b;
  b.method = "hawq";
  b.dataset = "cifar10";
  add_run(store_, a);
  add_run(store_, b);

  EXPECT_THAT(sentence_of([&] { methods(); }), HasSubstr("nothing to compare"));
}

TEST_F(Compare, ControlCharactersDoNotReachTheTerminal) {
  SomeRun a, b;
  b.method = "evil\x1b[2J\r";
  add_run(store_, a);
  add_run(store_, b);

  const std::string text =
      comparison_text(compare(store_, {method("uniform"), method("evil\x1b[2J\r")}));

  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("evil?[2J?"));
}

}  // namespace
}  // namespace quantbench
