// A collection of three graphs in TU format: a path 0-1-2, a pair, and a lone node; and the folds.
#include <set>

#include "base/file.h"
#include "datasets/stratified_folds.h"
#include "tests/datasets/support.h"

namespace quantbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Tu : public testing::Test {
 protected:
  Tu() {
    put("graph_indicator", "1\n1\n1\n2\n2\n3\n");
    put("graph_labels", "-1\n1\n-1\n");
    // 1-2 and 2-3 both ways (1,2 twice), a self-loop, 4-5 one way only.
    put("A", "1, 2\n2, 1\n1, 2\n2,3\r\n3, 2\n6, 6\n4, 5");
  }

  std::filesystem::path path(const std::string& part) const {
    return root_ / ("TUDataset/TINY/raw/TINY_" + part + ".txt");
  }
  void put(const std::string& part, const std::string& text) { write_bytes(path(part), text); }
  std::unique_ptr<Dataset> open(std::map<std::string, std::string> options = {}) const {
    options.insert({{"collection", "TINY"}, {"folds", "3"}, {"fold", "0"}});
    return open_dataset("tu", root_.path(), options);
  }
  std::string refusal(std::map<std::string, std::string> options = {}) const {
    try {
      open(std::move(options));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  // All graphs, training, validation and test, as one batch each.
  static std::map<int64_t, Batch> graphs(const Dataset& dataset) {
    std::map<int64_t, Batch> out;
    for (Split split : {Split::Train, Split::Validation, Split::Test})
      for (int64_t i = 0; i < dataset.size(split); ++i) {
        const Batch one = dataset.batch(split, {{i}, false, {0, ""}});
        out.emplace(one.sample_ids.item<int64_t>(), one);
      }
    return out;
  }

  TemporaryFolder root_;
};

TEST_F(Tu, EveryGraphIsInOneSplit) {
  put("graph_indicator", "1\n2\n3\n4\n5\n6\n");
  put("graph_labels", "0\n1\n0\n1\n0\n1\n");
  put("A", "");

  const auto dataset = open();

  EXPECT_EQ(dataset->size(Split::Train), 2);
  EXPECT_EQ(dataset->size(Split::Validation), 2);
  EXPECT_EQ(dataset->size(Split::Test), 2);
  EXPECT_EQ(graphs(*dataset).size(), 6u);
}

class TuGraphs : public Tu {
 protected:
  TuGraphs() {
    // Twice the same three graphs, so that each class can be dealt out.
    put("graph_indicator", "1\n1\n1\n2\n2\n3\n4\n4\n4\n5\n5\n6\n");
    put("graph_labels", "-1\n1\n-1\n-1\n1\n-1\n");
    put("A", "1, 2\n2, 1\n1, 2\n2,3\r\n3, 2\n6, 6\n4, 5\n7, 8");
  }
};

TEST_F(TuGraphs, EdgesKeepTheirDirectionWithoutLoopsAndDuplicates) {
  const auto all = graphs(*open({{"features", "degree"}}));

  EXPECT_THAT(integers(all.at(0).topology->source()), ElementsAre(1, 0, 2, 1));
  EXPECT_THAT(integers(all.at(0).topology->target()), ElementsAre(0, 1, 1, 2));
  EXPECT_THAT(integers(all.at(1).topology->source()), ElementsAre(0));
  EXPECT_THAT(integers(all.at(1).topology->target()), ElementsAre(1));
  EXPECT_EQ(all.at(2).topology->edge_count(), 0);
  EXPECT_EQ(all.at(0).target.item<int64_t>(), 0);
  EXPECT_EQ(all.at(1).target.item<int64_t>(), 1);
}

TEST_F(TuGraphs, ABatchLaysGraphsSideBySide) {
  const auto dataset = open({{"features", "ones"}});
  ASSERT_EQ(dataset->size(Split::Train), 2);

  const Batch batch = dataset->batch(Split::Train, {{1, 0}, false, {0, ""}});
  const Batch first = dataset->batch(Split::Train, {{1}, false, {0, ""}});
  const Batch second = dataset->batch(Split::Train, {{0}, false, {0, ""}});

  const int64_t nodes = first.input.size(0);
  EXPECT_EQ(batch.input.size(0), nodes + second.input.size(0));
  EXPECT_EQ(batch.topology->graph_count(), 2);
  EXPECT_EQ(batch.topology->edge_count(),
            first.topology->edge_count() + second.topology->edge_count());
  for (int64_t e = 0; e < batch.topology->edge_count(); ++e) {
    const int64_t from = batch.topology->source()[e].item<int64_t>();
    const int64_t to = batch.topology->target()[e].item<int64_t>();
    EXPECT_EQ(from < nodes, to < nodes) << "an edge links two graphs";
  }
  EXPECT_TRUE(torch::equal(batch.target, torch::cat({first.target, second.target})));
}

TEST_F(TuGraphs, ADegreeThatNoNodeHasHasItsColumnToo) {
  // Nodes 1, 2, 4 and 5 all point at 3, and nothing else points anywhere.
  put("A", "1, 3\n2, 3\n4, 3\n5, 3\n");
  put("graph_indicator", "1\n1\n1\n1\n1\n1\n1\n2\n3\n4\n5\n6\n");

  const auto dataset = open({{"features", "one_hot_degree"}});

  EXPECT_EQ(dataset->input_shape().front(), 5) << "degrees 0 to 4, of which 0 and 4 occur";
  const Tensor rows = graphs(*dataset).at(0).input;
  EXPECT_EQ(rows[2].argmax().item<int64_t>(), 4);
  EXPECT_EQ(rows[0].argmax().item<int64_t>(), 0);
  EXPECT_THAT(dataset->preprocessing(), HasSubstr("from 0 to the largest"));
}

TEST_F(TuGraphs, FeaturesAreWhatIsThere) {
  const auto width = [&](const char* kind) {
    return open({{"features", kind}})->input_shape().front();
  };
  EXPECT_EQ(width("auto"), 3) << "in-degrees 0, 1 and 2, one-hot";
  EXPECT_EQ(width("degree"), 1);
  EXPECT_THAT(refusal({{"features", "labels"}}), HasSubstr("no node labels"));
  EXPECT_THAT(refusal({{"features", "attributes"}}), HasSubstr("no node attributes"));

  put("node_attributes", "0.5, 1\n1, 2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,-3e-1\n");
  EXPECT_EQ(width("auto"), 2);
  put("node_labels", "7\n3\n3\n9\n3\n3\n3\n3\n3\n3\n3\n3\n");
  EXPECT_EQ(width("auto"), 3);
  const auto all = graphs(*open());
  EXPECT_EQ(all.at(0).input[0].argmax().item<int64_t>(), 1) << "label 7 of 3, 7, 9";
}

TEST_F(TuGraphs, AStandardisedDegreeHasMeanZeroAndDeviationOne) {
  std::vector<Tensor> rows;
  for (const auto& [graph, batch] : graphs(*open({{"features", "degree"}})))
    rows.push_back(batch.input);
  const Tensor all = torch::cat(rows);

  EXPECT_NEAR(all.mean().item<float>(), 0, 1e-6);
  EXPECT_NEAR(all.std().item<float>(), 1, 1e-6);
}

TEST_F(TuGraphs, TheSeedChoosesTheFoldUnlessAnOptionDoes) {
  const std::map<std::string, std::string> by_seed{{"collection", "TINY"}, {"folds", "3"}};
  std::set<std::string> prints;
  for (uint64_t seed = 0; seed < 4; ++seed)
    prints.insert(open_dataset("tu", root_.path(), by_seed, seed)->fingerprint());

  EXPECT_EQ(prints.size(), 3u);
  EXPECT_EQ(open({{"fold", "1"}})->fingerprint(),
            open_dataset("tu", root_.path(), by_seed, 4)->fingerprint());
}

TEST_F(TuGraphs, DamagedFilesAreRefusedWithTheirLine) {
  const struct {
    const char *part, *text, *expected;
  } cases[] = {
      {"A", "1, 2\n1 2\n", "line 2"},
      {"A", "1, 2, 3\n", "not two"},
      {"A", "1, 2\n1\n", "line 2 holds 1"},
      {"A", "1, 13\n", "node 13"},
      {"A", "0, 1\n", "node 0"},
      {"A", "1, 99999999999999999999\n", "line 1"},
      {"A", "1, 4\n", "two graphs"},
      {"A", "1, 2\n\n", "line 2"},
      {"graph_indicator", "1\n1\n7\n", "names graph 7"},
      {"graph_indicator", "1\n2\n1\n", "goes back"},
      {"graph_indicator", "1\n1\n3\n4\n5\n6\n", "graph 2 has no node"},
      {"graph_indicator", "", "no node"},
      {"graph_labels", "", "empty"},
      {"graph_labels", "1\nx\n", "line 2"},
      {"node_labels", "1\n2\n", "2 lines for 12 nodes"},
      {"node_attributes", "nan\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n", "not finite"},
  };
  for (const auto& damage : cases) {
    const bool optional = !std::filesystem::exists(path(damage.part));
    const std::string before = optional ? "" : read_file(path(damage.part));
    put(damage.part, damage.text);
    EXPECT_THAT(refusal(), HasSubstr(damage.expected)) << damage.part << ": " << damage.text;
    if (optional)
      std::filesystem::remove(path(damage.part));
    else
      put(damage.part, before);
  }
  EXPECT_THAT(refusal({{"collection", "../TINY"}}), HasSubstr("name of a folder"));
  EXPECT_THAT(refusal({{"collection", "NONE"}}), HasSubstr("is missing"));
  EXPECT_THAT(refusal({{"fold", "5"}}), HasSubstr("there are 3 folds"));
}

TEST_F(TuGraphs, PublishedFoldsAreReadAndChecked) {
  const std::map<std::string, std::string> files{{"folds_from", "files"}, {"folds", "10"}};
  const auto fold = [&](int i, const std::string& text) {
    write_bytes(root_ / fmt::format("TUDataset/TINY/10fold_idx/test_idx-{}.txt", i + 1), text);
  };
  for (int i = 0; i < 10; ++i) fold(i, "");
  fold(0, "3\n1");
  fold(9, "5");
  fold(4, "0\n2\n4\n");
  std::map<std::string, std::string> first = files;
  first["fold"] = "0";

  EXPECT_EQ(open(first)->size(Split::Test), 2);
  EXPECT_EQ(open(first)->size(Split::Validation), 1);
  fold(4, "0\n6\n");
  EXPECT_THAT(refusal(first), HasSubstr("names graph 6"));
}

// scikit-learn 1.2: StratifiedKFold(3, shuffle=True, random_state=7).
TEST(StratifiedFolds, AreThoseOfScikitLearn) {
  const std::vector<int64_t> labels{2, 0, 1, 0, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 2, 0};

  EXPECT_THAT(stratified_folds(labels, 3, 7),
              ElementsAre(1, 1, 1, 2, 2, 0, 2, 1, 0, 1, 1, 0, 0, 0, 0, 2, 2));
}

TEST(StratifiedFolds, KeepTheProportionsOfTheClasses) {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 107; ++i) labels.push_back(i % 5 == 0);
  const std::vector<int64_t> folds = stratified_folds(labels, 10, 1);

  for (int64_t fold = 0; fold < 10; ++fold) {
    int64_t size = 0, ones = 0;
    for (size_t i = 0; i < labels.size(); ++i)
      if (folds[i] == fold) ++size, ones += labels[i];
    EXPECT_NEAR(static_cast<double>(size), 10.7, 1);
    EXPECT_NEAR(static_cast<double>(ones), 2.2, 1);
  }
  EXPECT_THROW(stratified_folds({0, 1, 2}, 2, 1), Error);
}

}  // namespace
}  // namespace quantbench
