// Streams made to run code, to crash, to hang or to eat memory. Each ends in a sentence.
#include "base/pickle.h"
#include "tests/base/support.h"

namespace quantbench::pickle {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

Policy everything() {
  return {[](const std::string&, const std::string&) { return true; }, true};
}

std::string refusal(const std::string& bytes, const Policy& policy = everything()) {
  const std::string sentence = error_of([&] { load(bytes, "evil.pkl", policy); });
  EXPECT_THAT(sentence, HasSubstr("evil.pkl"));
  return sentence;
}

std::string repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(HostilePickle, ThatCallsTheShellIsRefusedByName) {
  const std::string sentence = refusal("cos\nsystem\n(S'echo pwned'\ntR.", {});

  EXPECT_THAT(sentence, HasSubstr("os.system"));
}

TEST(HostilePickle, ThatHidesTheNameOnTheStackIsRefused) {
  EXPECT_THAT(refusal("\x80\x04\x8c\x02os\x8c\x06system\x93.", {}), HasSubstr("os.system"));
}

class Malformed : public testing::TestWithParam<std::pair<const char*, std::string>> {};

TEST_P(Malformed, IsRefused) { refusal(GetParam().second, everything()); }

using Case = std::pair<const char*, std::string>;
INSTANTIATE_TEST_SUITE_P(
    HostilePickle, Malformed,
    testing::Values(Case("Empty", ""), Case("OnlyAStop", "."), Case("NoStop", "K\x01"),
                    Case("UnknownOpcode", "\xff."), Case("NewerProtocol", "\x80\x06N."),
                    Case("HugeText",
                         "X\xff\xff\xff\xff"
                         "a."),
                    Case("HugeBytes",
                         "B\xff\xff\xff\xff"
                         "a."),
                    Case("HugeText8",
                         "\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                         "a."),
                    Case("HugeBytes8",
                         "\x96\xff\xff\xff\xff\xff\xff\xff\x7f"
                         "a."),
                    Case("NegativeString",
                         "T\xff\xff\xff\xff"
                         "a."),
                    Case("NegativeLong",
                         "\x8b\xff\xff\xff\xff"
                         "a."),
                    Case("HugeFrame", "\x95\xff\xff\xff\xff\xff\xff\xff\xffN."),
                    Case("MissingMemo", "h\x07."), Case("MissingLongMemo", "j\xff\xff\xff\xff."),
                    Case("MissingTextMemo", "g123456789\n."), Case("MemoOfNothing", "q\x01."s),
                    Case("NegativeMemo", "Np-1\n."), Case("PopOfNothing", "0N."),
                    Case("TupleWithoutMark", "K\x01t."), Case("TupleOfTooFew", "K\x01\x87."),
                    Case("PopBelowTheMark", "K\x01(\x85."), Case("MarkAsResult", "(."),
                    Case("AppendToAnInteger",
                         "K\x01K\x02"
                         "a."),
                    Case("EntryOfAList", "]NNs."), Case("KeyWithoutValue", "}(Nu."),
                    Case("CallOfAnInteger", "K\x01)R."), Case("CallWithAList", "ca\nb\n]R."),
                    Case("StateOfAnInteger", "K\x01Nb."), Case("Instance", "(ia\nb\n."),
                    Case("Extension", "\x82\x01."), Case("OutOfBandBuffer", "\x97."),
                    Case("LineWithoutEnd", "I12"), Case("NumberThatIsNone", "I1x\n."),
                    Case("IntegerTooLarge", "I99999999999999999999\n."),
                    Case("UnclosedQuote", "S'abc\n."), Case("BadEscape", "S'\\xzz'\n."),
                    Case("BadUnicodeEscape", "V\\uzzzz\n."),
                    Case("BadCodePoint", "V\\Uffffffff\n."),
                    Case("LongName", "c" + std::string(1000, 'a') + "\nb\n."),
                    Case("NameThatIsNoText", "K\x01K\x02\x93."), Case("AddToAList", "](N\x90.")),
    [](const auto& info) { return std::string(info.param.first); });

TEST(HostilePickle, ThatIsTruncatedAnywhereIsRefused) {
  const std::string whole =
      "\x80\x02"
      "ccollections\nOrderedDict\nq\x00)Rq\x01(X\x01\x00\x00\x00"
      "aM\x01\x02u."s;
  load(whole, "whole.pkl", everything());

  for (size_t length = 0; length < whole.size(); ++length) refusal(whole.substr(0, length));
}

TEST(HostilePickle, WithPersistentIdsIsRefusedWhereNoneBelong) {
  Policy policy = everything();
  policy.persistent_ids = false;

  EXPECT_THAT(refusal("K\x01Q.", policy), HasSubstr("outside the file"));
}

TEST(HostilePickle, WithAListInsideItselfIsRefused) {
  EXPECT_THAT(refusal("]q\x01h\x01"
                      "a."),
              HasSubstr("contains itself"));
}

TEST(HostilePickle, WithALongCycleIsRefused) {
  // a = []; b = (a,); a.append({1: b})
  EXPECT_THAT(refusal("]q\x01}K\x01h\x01\x85sa."), HasSubstr("contains itself"));
}

TEST(HostilePickle, WithACycleThatTheResultDoesNotNeedLeaksNothing) {
  const Result result = load(
      "]q\x01h\x01"
      "a0N.",
      "odd.pkl", everything());

  EXPECT_TRUE(std::holds_alternative<None>(result.value->data));
}

TEST(HostilePickle, ThatIsNestedAMillionDeepIsRefused) {
  EXPECT_THAT(refusal("N" + repeat("\x85", 1000000) + "."), HasSubstr("too deeply"));
}

TEST(HostilePickle, ThatThrowsADeepValueAwayDoesNotOverflowTheStack) {
  const Result result = load("N" + repeat("\x85", 1000000) + "0K\x07.", "odd.pkl", everything());

  EXPECT_EQ(std::get<int64_t>(result.value->data), 7);
}

TEST(Pickle, MayBeNestedUpToTheLimit) {
  const std::string at_limit = "N" + repeat("\x85", max_depth - 1) + ".";

  EXPECT_NO_THROW(load(at_limit, "deep.pkl", everything()));
  refusal("N" + repeat("\x85", max_depth) + ".");
}

TEST(HostilePickle, WhoseSharedListsUnfoldToBillionsIsRefused) {
  EXPECT_THAT(refusal("]q\x01" + repeat("2\x86", 40) + "."), HasSubstr("too many"));
}

TEST(HostilePickle, WithManyCallsOnOneLongTupleIsRefused) {
  const std::string tuple = "(" + repeat("N", 10000) +
                            "tq\x01"
                            "0";
  const std::string calls =
      "ca\nb\nq\x02"
      "0(" +
      repeat("h\x02h\x01R", 10000) + "t.";

  EXPECT_THAT(refusal(tuple + calls), HasSubstr("too long"));
}

TEST(HostilePickle, WithMillionsOfValuesIsRefused) {
  EXPECT_THAT(refusal("(" + repeat("K\x01", static_cast<int>(max_values) + 1) + "t."),
              HasSubstr("too many"));
}

TEST(HostilePickle, WithMillionsOfMemosIsRefused) {
  EXPECT_THAT(refusal("N" + repeat("\x94", 4 * static_cast<int>(max_values) + 1) + "."),
              HasSubstr("too long"));
}

}  // namespace
}  // namespace quantbench::pickle
