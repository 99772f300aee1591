// Streams are what Python's pickle module wrote for the value in the test's name.
#include "base/pickle.h"

#include "tests/base/support.h"

namespace quantbench::pickle {
namespace {

using namespace std::string_literals;

Policy ordered_dict_only() {
  return {[](const std::string& module, const std::string& name) {
            return module == "collections" && name == "OrderedDict";
          },
          false};
}

Ref value_of(const std::string& bytes) {
  return load(bytes, "test.pkl", ordered_dict_only()).value;
}

template <typename T>
const T& as(const Ref& value) {
  return std::get<T>(value->data);
}

std::vector<int64_t> integers(const List& list) {
  std::vector<int64_t> out;
  for (const Ref& item : list) out.push_back(as<int64_t>(item));
  return out;
}

class Integer : public testing::TestWithParam<std::pair<std::string, int64_t>> {};

TEST_P(Integer, IsRead) {
  const auto& [bytes, expected] = GetParam();

  EXPECT_EQ(as<int64_t>(value_of(bytes)), expected);
}

INSTANTIATE_TEST_SUITE_P(
    Pickle, Integer,
    testing::Values(std::pair("I-7\n."s, int64_t{-7}), std::pair("L12L\n."s, int64_t{12}),
                    std::pair("\x80\x02K\xff."s, int64_t{255}),
                    std::pair("\x80\x02M\x01\x02."s, int64_t{513}),
                    std::pair("\x80\x02J\xff\xff\xff\xff."s, int64_t{-1}),
                    std::pair("\x80\x02\x8a\x00."s, int64_t{0}),
                    std::pair("\x80\x02\x8a\x01\xff."s, int64_t{-1}),
                    std::pair("\x80\x02\x8a\x05\x00\x00\x00\x00\x01."s, int64_t{1} << 32),
                    std::pair("\x80\x02\x8b\x02\x00\x00\x00\x00\x80."s, int64_t{-32768})));

TEST(Pickle, KeepsAnIntegerOfMoreThan64BitsAsItsBytes) {
  const std::string magic = "l\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

  const Ref value = value_of("\x80\x02\x8a\x0a" + magic + ".");

  EXPECT_EQ(as<Bytes>(value).data, magic);
}

TEST(Pickle, ReadsFloats) {
  EXPECT_EQ(as<double>(value_of("F1.5\n.")), 1.5);
  EXPECT_EQ(as<double>(value_of("\x80\x02G\xbf\xe0\x00\x00\x00\x00\x00\x00."s)), -0.5);
}

TEST(Pickle, ReadsNoneAndTruthValues) {
  const Ref value = value_of("\x80\x02N\x88\x89\x87.");

  const List& items = as<Tuple>(value).items;
  EXPECT_TRUE(std::holds_alternative<None>(items[0]->data));
  EXPECT_TRUE(as<bool>(items[1]));
  EXPECT_FALSE(as<bool>(items[2]));
  EXPECT_TRUE(as<bool>(value_of("I01\n.")));
}

TEST(Pickle, ReadsByteStringsOfEveryProtocol) {
  EXPECT_EQ(as<Bytes>(value_of("S'a\\n\\x41\\''\n.")).data, "a\nA'");
  EXPECT_EQ(as<Bytes>(value_of("\x80\x02U\x03"
                               "abc."))
                .data,
            "abc");
  EXPECT_EQ(as<Bytes>(value_of("\x80\x02T\x03\x00\x00\x00"
                               "abc."s))
                .data,
            "abc");
  EXPECT_EQ(as<Bytes>(value_of("\x80\x03"
                               "C\x03"
                               "abc."))
                .data,
            "abc");
  EXPECT_EQ(as<Bytes>(value_of("\x80\x04\x8e\x03\x00\x00\x00\x00\x00\x00\x00"
                               "abc."s))
                .data,
            "abc");
  EXPECT_EQ(as<Bytes>(value_of("\x80\x05\x96\x01\x00\x00\x00\x00\x00\x00\x00"
                               "a."s))
                .data,
            "a");
}

TEST(Pickle, ReadsTextAsUtf8) {
  EXPECT_EQ(as<std::string>(value_of("V\\u00e4\\U0001f600b\n.")), "\u00e4\U0001f600b");
  EXPECT_EQ(as<std::string>(value_of("\x80\x02X\x02\x00\x00\x00\xc3\xa4."s)), "\u00e4");
  EXPECT_EQ(as<std::string>(value_of("\x80\x04\x8c\x01z.")), "z");
}

TEST(Pickle, ReadsListsOfEveryProtocol) {
  EXPECT_EQ(integers(as<List>(value_of("(lp0\nI1\naI2\na."))), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(integers(as<List>(value_of("\x80\x02]q\x00(K\x01K\x02"
                                       "e."s))),
            (std::vector<int64_t>{1, 2}));
}

TEST(Pickle, ReadsTuples) {
  EXPECT_EQ(integers(as<Tuple>(value_of("(I1\nI2\nI3\nI4\nt.")).items),
            (std::vector<int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(integers(as<Tuple>(value_of("\x80\x02K\x01K\x02\x86.")).items),
            (std::vector<int64_t>{1, 2}));
  EXPECT_TRUE(as<Tuple>(value_of(").")).items.empty());
}

TEST(Pickle, ReadsDictsInStreamOrder) {
  const Ref value = value_of("\x80\x02}q\x00(K\x02K\x14K\x01K\x0au."s);

  const Dict& dict = as<Dict>(value);
  ASSERT_EQ(dict.size(), 2u);
  EXPECT_EQ(as<int64_t>(dict[0].first), 2);
  EXPECT_EQ(as<int64_t>(dict[1].second), 10);
}

TEST(Pickle, ReadsSets) {
  EXPECT_EQ(integers(as<Set>(value_of("\x80\x04\x8f\x94(K\x01K\x02\x90.")).items),
            (std::vector<int64_t>{1, 2}));
}

TEST(Pickle, SharesAValueThatTheStreamRefersToTwice) {
  const Ref value = value_of("\x80\x02]q\x00h\x00\x86."s);

  const List& items = as<Tuple>(value).items;
  EXPECT_TRUE(std::holds_alternative<List>(items[0]->data));
  EXPECT_EQ(items[0], items[1]);
}

TEST(Pickle, RecordsAnAcceptedObjectWithArgumentsStateAndEntries) {
  const Ref value = value_of(
      "\x80\x02"
      "ccollections\nOrderedDict\nq\x00)Rq\x01(X\x01\x00\x00\x00"
      "aK\x01u}b."s);

  const Object& object = as<Object>(value);
  EXPECT_EQ(object.type.module, "collections");
  EXPECT_EQ(object.type.name, "OrderedDict");
  EXPECT_TRUE(object.arguments.empty());
  ASSERT_EQ(object.entries.size(), 1u);
  EXPECT_EQ(as<std::string>(object.entries[0].first), "a");
  EXPECT_TRUE(std::holds_alternative<Dict>(object.state->data));
}

TEST(Pickle, ReadsAGlobalFromTheStack) {
  const Ref value = value_of(
      "\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x0b"
      "collections\x94\x8c\x0b"
      "OrderedDict\x94\x93\x94)R\x94."s);

  EXPECT_EQ(as<Object>(value).type.name, "OrderedDict");
}

TEST(Pickle, ReadsPersistentIdsWhereTheyAreAllowed) {
  Policy policy = ordered_dict_only();
  policy.persistent_ids = true;

  const Ref value = load("\x80\x02K\x07Q.", "test.pkl", policy).value;

  EXPECT_EQ(as<int64_t>(as<PersistentId>(value).id), 7);
}

TEST(Pickle, SaysWhereTheNextOneBegins) {
  const std::string two = "\x80\x02K\x01.\x80\x02K\x02.";
  const Result first = load(two, "test.pkl", {});

  const Result second = load(std::string_view(two).substr(first.consumed), "test.pkl", {});

  EXPECT_EQ(first.consumed, 5u);
  EXPECT_EQ(as<int64_t>(second.value), 2);
}

}  // namespace
}  // namespace quantbench::pickle
