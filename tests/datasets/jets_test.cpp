// Rows of features: ARFF files, the LHC jets made of them, and their stand-in.
#include <cmath>

#include "datasets/arff.h"
#include "datasets/numpy_random.h"
#include "datasets/table.h"
#include "tests/datasets/support.h"

namespace quantbench {
namespace {

using testing::HasSubstr;

const std::string header = "@RELATION jets\n@ATTRIBUTE a NUMERIC\n@ATTRIBUTE c {g, 'q q'}\n@DATA\n";

std::string refusal_of(const std::string& text) {
  return error_of([&] { parse_arff(text, "jets.arff"); });
}

TEST(Arff, GivesNumbersAndPositionsOfCategories) {
  const ArffTable table = parse_arff(
      "% a comment\r\n@relation 'my jets'\n\n@Attribute \"log z\" REAL\n@attribute n integer\n"
      "@attribute class {g,'q q',t}\n@data\n% more\n-1.5e-2, +3 ,t\n0,4,'q q'\r\n",
      "jets.arff");

  ASSERT_EQ(table.columns.size(), 3u);
  EXPECT_EQ(table.columns[0].name, "log z");
  EXPECT_EQ(table.columns[2].categories, (std::vector<std::string>{"g", "q q", "t"}));
  EXPECT_EQ(table.rows(), 2);
  EXPECT_EQ(table.values, (std::vector<float>{-0.015f, 3, 2, 0, 4, 1}));
}

TEST(Arff, NamesTheLineOfWhatItRefuses) {
  const std::string sentence = refusal_of(header + "1,g\n2,x\n");
  EXPECT_THAT(sentence, HasSubstr("jets.arff, line 6"));
  EXPECT_THAT(sentence, HasSubstr("'x' is no category of column 'c'"));
}

TEST(Arff, RefusesWhatItDoesNotUnderstand) {
  for (const char* row : {"1", "1,g,2", "1,", ",g", "?,g", "1,?", "x,g", "1e999,g", "nan,g",
                          "inf,g", "{0 1}", "1,'q q", "'1' 2,g", "1 2,g"})
    EXPECT_FALSE(refusal_of(header + row + "\n").empty()) << row;
  for (const char* text :
       {"", "@relation x", "@data\n1", "@attribute a numeric\n@data\n", "@relation x\n@data\n",
        "@relation x\n@attribute a string\n@data\n", "@relation x\n@attribute a {b\n@data\n",
        "@relation x\nhello\n", "@relation x\n@attribute 'a numeric\n@data\n",
        "@relation x\n@attribute\n"})
    EXPECT_FALSE(refusal_of(text).empty()) << text;
}

TEST(Arff, EveryCutGivesATableOrASentence) {
  const std::string text = header + "1,g\n-2.5,'q q'\n";
  for (size_t length = 0; length < text.size(); ++length) {
    try {
      const ArffTable table = parse_arff(text.substr(0, length), "jets.arff");
      EXPECT_LE(table.rows(), 2);
    } catch (const Error&) {
    }
  }
}

// 100 jets whose features are 0.01 i + j.
std::string jets(int rows, int features = 16) {
  std::string out = "@RELATION jets\n";
  for (int j = 0; j < features; ++j) out += fmt::format("@ATTRIBUTE f{} REAL\n", j);
  out += "@ATTRIBUTE class {g,q,w,z,t}\n@DATA\n";
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < features; ++j) out += fmt::format("{:.2f},", 0.01 * i + j);
    out += std::string(1, "gqwzt"[i % 5]) + "\n";
  }
  return out;
}

void write_jets(const TemporaryFolder& root, const std::string& text) {
  std::filesystem::create_directories(root / "jet_hlf");
  write_bytes(root / "jet_hlf/hls4ml_lhc_jets_hlf.arff", text);
}

TEST(JetHlf, SaysWhatIsMissingAndWhereToGetIt) {
  const TemporaryFolder root;
  const std::string sentence = error_of([&] { open_dataset("jet_hlf", root.path()); });
  EXPECT_THAT(sentence, HasSubstr("42468"));
  EXPECT_THAT(sentence, HasSubstr("hls4ml_lhc_jets_hlf.arff"));
}

TEST(JetHlf, KeepsThreeSplitsApartAndStandardisesWithoutTheTest) {
  const TemporaryFolder root;
  write_jets(root, jets(100));

  const auto dataset = open_dataset("jet_hlf", root.path());

  EXPECT_EQ(dataset->size(Split::Test), 20);
  EXPECT_EQ(dataset->size(Split::Validation), 12);
  EXPECT_EQ(dataset->size(Split::Train), 68);
  EXPECT_EQ(dataset->input_shape(), (std::vector<int64_t>{16}));
  EXPECT_EQ(dataset->class_count(), 5);
  std::set<int64_t> seen;
  std::vector<Tensor> trained;
  for (Split split : {Split::Train, Split::Validation, Split::Test}) {
    BatchRequest request;
    for (int64_t i = 0; i < dataset->size(split); ++i) request.positions.push_back(i);
    const Batch batch = dataset->batch(split, request);
    for (int64_t i = 0; i < batch.target.size(0); ++i) {
      const int64_t id = batch.sample_ids[i].item<int64_t>();
      EXPECT_TRUE(seen.insert(id).second);
      EXPECT_EQ(batch.target[i].item<int64_t>(), id % 5);
    }
    if (split != Split::Test) trained.push_back(batch.input);
  }
  const Tensor both = torch::cat(trained).to(torch::kDouble);
  EXPECT_LT(both.mean(0).abs().max().item<double>(), 1e-6);
  EXPECT_LT((both.square().mean(0) - 1).abs().max().item<double>(), 1e-6);
  EXPECT_THAT(dataset->preprocessing(), HasSubstr("scikit-learn"));
  EXPECT_THROW(dataset->batch(Split::Test, {{20}, false}), Error);
}

TEST(NumpyRandom, HasNumPysPermutations) {
  EXPECT_EQ(NumpyRandom(42).permutation(10),
            (std::vector<int64_t>{8, 1, 5, 0, 7, 2, 9, 4, 3, 6}));
  const std::vector<int64_t> jets = NumpyRandom(42).permutation(830000);
  EXPECT_EQ(std::vector<int64_t>(jets.begin(), jets.begin() + 3),
            (std::vector<int64_t>{751634, 86353, 230730}));
  EXPECT_EQ(std::vector<int64_t>(jets.end() - 3, jets.end()),
            (std::vector<int64_t>{131932, 671155, 121958}));
  EXPECT_TRUE(NumpyRandom(42).permutation(0).empty());
}

TEST(JetHlf, TheSplitFollowsItsSeed) {
  const TemporaryFolder root;
  write_jets(root, jets(100));
  const auto ids = [&](const std::string& seed) {
    const auto dataset = open_dataset("jet_hlf", root.path(), {{"split_seed", seed}}, 5);
    return integers(dataset->batch(Split::Test, {{0, 1, 2, 3, 4}, false}).sample_ids);
  };
  // numpy.random.RandomState(42).permutation(100)[:5], as train_test_split has it
  EXPECT_EQ(ids("42"), (std::vector<int64_t>{83, 53, 70, 45, 44}));
  EXPECT_NE(ids("42"), ids("43"));
}

TEST(JetHlf, RefusesOtherTablesAndTooFewJets) {
  const TemporaryFolder root;
  write_jets(root, jets(100, 15));
  EXPECT_THAT(error_of([&] { open_dataset("jet_hlf", root.path()); }), HasSubstr("16 numeric"));
  write_jets(root, jets(2));
  EXPECT_THAT(error_of([&] { open_dataset("jet_hlf", root.path()); }), HasSubstr("too few"));
}

TEST(SyntheticJets, AreStandardisedBalancedAndTheSameEveryTime) {
  const std::map<std::string, std::string> options{
      {"train", "5000"}, {"validation", "50"}, {"test", "100"}};
  const auto dataset = open_dataset("synthetic_jets", "", options);
  BatchRequest all;
  for (int64_t i = 0; i < 5000; ++i) all.positions.push_back(i);

  const Batch train = dataset->batch(Split::Train, all);

  EXPECT_LT(train.input.mean(0).abs().max().item<float>(), 1e-4);
  EXPECT_TRUE(torch::equal(torch::bincount(train.target), torch::full({5}, 1000, torch::kLong)));
  const auto again = open_dataset("synthetic_jets", "", options);
  EXPECT_TRUE(torch::equal(again->batch(Split::Train, all).input, train.input));
  EXPECT_EQ(again->fingerprint(), dataset->fingerprint());
  // Some features have heavy tails, some are bounded.
  const Tensor largest = std::get<0>(train.input.abs().max(0));
  EXPECT_GT(largest.max().item<float>(), 8);
  EXPECT_LT(largest.min().item<float>(), 3);
}

}  // namespace
}  // namespace quantbench
