// A graph of 505 nodes in Planetoid's format: 2 training, 500 validation, 2 test nodes (504 and
// 502, in that order), and node 503, of which the files know nothing but its place, as in CiteSeer.
#include <cmath>

#include "tests/datasets/pickle_writer.h"
#include "tests/datasets/support.h"

namespace quantbench {
namespace {

using testing::HasSubstr;

constexpr int feature_count = 4;

int label_of(int node) { return node % 3; }

// Row i describes nodes[i]: 2 in column node % 4, 6 in the next one.
pickled::Csr features_of(const std::vector<int>& nodes) {
  pickled::Csr out;
  out.rows = static_cast<int64_t>(nodes.size());
  out.columns = feature_count;
  for (int node : nodes) {
    out.column.push_back(node % feature_count);
    out.column.push_back((node + 1) % feature_count);
    out.value.insert(out.value.end(), {2, 6});
    out.row_start.push_back(static_cast<int32_t>(out.column.size()));
  }
  return out;
}

std::string labels_of(const std::vector<int>& nodes, int hot = 1) {
  std::vector<int32_t> out(nodes.size() * 3);
  for (size_t row = 0; row < nodes.size(); ++row)
    out[row * 3 + static_cast<size_t>(label_of(nodes[row]))] = hot;
  return pickled::array({static_cast<int64_t>(nodes.size()), 3}, "i4", pickled::raw(out));
}

std::vector<int> range(int count) {
  std::vector<int> out(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) out[static_cast<size_t>(i)] = i;
  return out;
}

using Lists = std::map<int32_t, std::vector<int32_t>>;

// 0 - 1 once in each direction, 2 - 504 in one direction only and twice, 5 - 5 a self-loop.
Lists links() {
  Lists out;
  for (int node = 0; node < 505; ++node) out[node] = {};
  out[0] = {1};
  out[1] = {0};
  out[2] = {504, 504};
  out[5] = {5};
  return out;
}

class Planetoid : public testing::Test {
 protected:
  Planetoid() {
    put("x", pickled::csr(features_of({0, 1})));
    put("allx", pickled::csr(features_of(range(502))));
    put("tx", pickled::csr(features_of({504, 502})));
    put("y", labels_of({0, 1}));
    put("ally", labels_of(range(502)));
    put("ty", labels_of({504, 502}));
    put("graph", pickled::neighbours(links()));
    write_bytes(path("test.index"), "504\n502\n");
  }

  std::filesystem::path path(const std::string& part) const {
    return root_ / ("planetoid/cora/raw/ind.cora." + part);
  }
  void put(const std::string& part, const std::string& value) {
    write_bytes(path(part), pickled::file(value));
  }
  std::unique_ptr<Dataset> open(bool normalize = true) const {
    return open_dataset("cora", root_.path(), {{"normalize_features", normalize ? "yes" : "no"}});
  }
  Batch batch(Split split, bool normalize = true) const {
    return open(normalize)->batch(split, {{0}, false, {0, ""}});
  }
  std::string refusal() const {
    const std::string sentence = error_of([&] { open(); });
    EXPECT_THAT(sentence, HasSubstr("ind.cora."));
    EXPECT_THAT(sentence, HasSubstr("scripts/fetch_datasets.sh cora"));
    return sentence;
  }

  TemporaryFolder root_;
};

TEST_F(Planetoid, ScoresTheStandardNodesOfEachSplit) {
  const Batch validation = batch(Split::Validation);

  EXPECT_EQ(integers(batch(Split::Train).scored_rows), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(integers(batch(Split::Test).scored_rows), (std::vector<int64_t>{502, 504}));
  EXPECT_EQ(validation.scored_rows[0].item<int64_t>(), 2);
  EXPECT_EQ(validation.scored_rows[-1].item<int64_t>(), 501);
  EXPECT_EQ(validation.target.size(0), 500);
}

TEST_F(Planetoid, PutsTestNodesWhereTheIndexSays) {
  const Batch test = batch(Split::Test, false);

  EXPECT_EQ(integers(test.target), (std::vector<int64_t>{label_of(502), label_of(504)}));
  EXPECT_EQ(test.input[504][504 % 4].item<float>(), 2);
  EXPECT_EQ(test.input[502][(502 + 1) % 4].item<float>(), 6);
}

TEST_F(Planetoid, KeepsAMissingTestNodeAsAnIsolatedNodeThatIsNotScored) {
  const Batch test = batch(Split::Test);

  EXPECT_EQ(test.input.size(0), 505);
  EXPECT_EQ(test.input[503].abs().sum().item<float>(), 0);
  EXPECT_EQ(test.topology->in_degree()[503].item<int64_t>(), 0);
  EXPECT_FALSE(test.scored_rows.eq(503).any().item<bool>());
}

TEST_F(Planetoid, DividesEveryRowByItsSumUnlessToldNotTo) {
  EXPECT_EQ(batch(Split::Train).input[0][1].item<float>(), 0.75f);
  EXPECT_EQ(batch(Split::Train, false).input[0][1].item<float>(), 6.0f);
  EXPECT_NE(open(true)->preprocessing(), open(false)->preprocessing());
}

TEST_F(Planetoid, HasEveryEdgeOnceInBothDirectionsWithoutSelfLoops) {
  const Batch train = batch(Split::Train);

  EXPECT_EQ(integers(train.topology->source()), (std::vector<int64_t>{1, 0, 504, 2}));
  EXPECT_EQ(integers(train.topology->target()), (std::vector<int64_t>{0, 1, 2, 504}));
}

TEST_F(Planetoid, FingerprintFollowsEveryFile) {
  const std::string before = open()->fingerprint();

  Lists other = links();
  other[7] = {8};
  put("graph", pickled::neighbours(other));

  EXPECT_NE(open()->fingerprint(), before);
}

TEST_F(Planetoid, RefusesNumbersThatAreNotFinite) {
  for (const float number : {std::nanf(""), HUGE_VALF}) {
    pickled::Csr features = features_of({0, 1});
    features.value[1] = number;
    put("x", pickled::csr(features));

    EXPECT_THAT(refusal(), HasSubstr("not finite")) << number;
  }
}

TEST_F(Planetoid, SaysHowToGetAFileThatIsMissing) {
  std::filesystem::remove(path("ty"));

  EXPECT_THAT(refusal(), HasSubstr("ind.cora.ty is missing"));
}

TEST_F(Planetoid, RefusesAPickleThatNamesAnythingElse) {
  write_bytes(path("tx"), "cos\nsystem\n(S'true'\ntR.");

  EXPECT_THAT(refusal(), HasSubstr("os.system"));
}

TEST_F(Planetoid, RefusesNumpyClassesInTheGraph) {
  put("graph", labels_of({0}));

  EXPECT_THAT(refusal(), HasSubstr("_reconstruct"));
}

TEST_F(Planetoid, RefusesATruncatedFile) {
  std::filesystem::resize_file(path("allx"), std::filesystem::file_size(path("allx")) / 2);

  EXPECT_THAT(refusal(), HasSubstr("truncated"));
}

TEST_F(Planetoid, RefusesTrailingBytes) {
  write_bytes(path("x"), pickled::file(pickled::csr(features_of({0, 1}))) + "more");

  EXPECT_THAT(refusal(), HasSubstr("4 bytes after its end"));
}

TEST_F(Planetoid, RefusesAnArrayWhoseShapeIsNotItsLength) {
  put("y", pickled::array({1 << 30, 3}, "i4", std::string(24, '\0')));

  EXPECT_THAT(refusal(), HasSubstr("shape and length do not agree"));
}

TEST_F(Planetoid, RefusesBigEndianNumbers) {
  put("y", pickled::array({2, 3}, "i4", std::string(24, '\0'), ">"));

  EXPECT_THAT(refusal(), HasSubstr("little-endian"));
}

TEST_F(Planetoid, RefusesAnElementTypeItDoesNotKnow) {
  put("y", pickled::array({2, 3}, "O8", std::string(48, '\0')));

  EXPECT_THAT(refusal(), HasSubstr("'O8'"));
}

TEST_F(Planetoid, RefusesAMatrixWithAColumnOutOfRange) {
  pickled::Csr bad = features_of({0, 1});
  bad.column[1] = feature_count;
  put("x", pickled::csr(bad));

  EXPECT_THAT(refusal(), HasSubstr("column 4"));
}

TEST_F(Planetoid, RefusesAMatrixWithANegativeColumn) {
  pickled::Csr bad = features_of({0, 1});
  bad.column[1] = -1;
  put("x", pickled::csr(bad));

  EXPECT_THAT(refusal(), HasSubstr("-1"));
}

TEST_F(Planetoid, RefusesAMatrixWhoseRowsRunBackwards) {
  pickled::Csr bad = features_of({0, 1});
  bad.row_start = {0, 5, 4};
  put("x", pickled::csr(bad));

  EXPECT_THAT(refusal(), HasSubstr("do not fit together"));
}

TEST_F(Planetoid, RefusesAMatrixThatClaimsBillionsOfColumns) {
  for (const char* part : {"x", "tx", "allx"}) {
    const std::vector<int> nodes =
        part == std::string("allx") ? range(502) : std::vector<int>{0, 1};
    pickled::Csr wide = features_of(nodes);
    wide.columns = 2000000000;
    put(part, pickled::csr(wide));
  }

  EXPECT_THAT(refusal(), HasSubstr("of that size is not read"));
}

TEST_F(Planetoid, RefusesLabelsThatAreNotOneHot) {
  put("ty", labels_of({504, 502}, 2));

  EXPECT_THAT(refusal(), HasSubstr("row 0 is not a one-hot label"));
}

TEST_F(Planetoid, RefusesLabelsWithoutNodes) {
  put("ty", labels_of({504, 502, 503}));

  EXPECT_THAT(refusal(), HasSubstr("3 labels for 2 nodes"));
}

TEST_F(Planetoid, RefusesAGraphOfAnotherSize) {
  Lists other = links();
  other[505] = {};
  put("graph", pickled::neighbours(other));

  EXPECT_THAT(refusal(), HasSubstr("506 nodes"));
}

TEST_F(Planetoid, RefusesAnEdgeToANodeThatIsNotThere) {
  Lists other = links();
  other[0] = {505};
  put("graph", pickled::neighbours(other));

  EXPECT_THAT(refusal(), HasSubstr("0..504"));
}

TEST_F(Planetoid, RefusesATestIndexThatIsNotANumber) {
  write_bytes(path("test.index"), "504\nfive\n");

  EXPECT_THAT(refusal(), HasSubstr("line 2"));
}

TEST_F(Planetoid, RefusesATestIndexThatNamesANodeTwice) {
  write_bytes(path("test.index"), "504\n504\n");

  EXPECT_THAT(refusal(), HasSubstr("twice"));
}

TEST_F(Planetoid, RefusesATestIndexThatNamesATrainingNode) {
  write_bytes(path("test.index"), "504\n1\n");

  EXPECT_THAT(refusal(), HasSubstr("node 1"));
}

TEST_F(Planetoid, RefusesATestIndexThatNamesAHugeNode) {
  write_bytes(path("test.index"), "504\n9000000000000000000\n");

  EXPECT_THAT(refusal(), HasSubstr("of that size is not read"));
}

TEST_F(Planetoid, RefusesFilesThatDescribeDifferentNumbersOfClasses) {
  put("ty", pickled::array({2, 2}, "i4", pickled::raw<int32_t>({1, 0, 0, 1})));

  EXPECT_THAT(refusal(), HasSubstr("classes"));
}

}  // namespace
}  // namespace quantbench
