#include "base/options.h"

#include "tests/base/support.h"

namespace quantbench {
namespace {

using testing::HasSubstr;

std::vector<Option> declared() {
  return {Option::integer("bits", 8, 1, 16, "bit width"),
          Option::real("rate", 0.1, 0, 1, "learning rate"), Option::flag("signed", true, "sign"),
          Option::choice("observer", "minmax", {"minmax", "mse"}, "how ranges are found"),
          Option::text("note", "", "free text")};
}

OptionValues bind(const std::map<std::string, std::string>& given) {
  return OptionValues("method test", declared(), given);
}

TEST(Options, HaveTheirDefaults) {
  const OptionValues options = bind({});

  EXPECT_EQ(options.integer("bits"), 8);
  EXPECT_EQ(options.real("rate"), 0.1);
  EXPECT_TRUE(options.flag("signed"));
  EXPECT_EQ(options.text("observer"), "minmax");
  EXPECT_EQ(options.text("note"), "");
}

TEST(Options, TakeGivenValues) {
  const OptionValues options =
      bind({{"bits", "4"}, {"rate", "1e-2"}, {"signed", "off"}, {"observer", "mse"}});

  EXPECT_EQ(options.integer("bits"), 4);
  EXPECT_EQ(options.real("rate"), 0.01);
  EXPECT_FALSE(options.flag("signed"));
  EXPECT_EQ(options.text("observer"), "mse");
}

TEST(Options, AreCanonicalWhateverTheSpelling) {
  const OptionValues one = bind({{"rate", "0.50"}, {"signed", "true"}, {"bits", "08"}});
  const OptionValues other = bind({{"rate", "5e-1"}, {"signed", "1"}, {"bits", "8"}});

  EXPECT_EQ(one.canonical(), other.canonical());
}

TEST(Options, KnowBoundsToBeInclusive) {
  EXPECT_EQ(bind({{"bits", "1"}}).integer("bits"), 1);
  EXPECT_EQ(bind({{"bits", "16"}}).integer("bits"), 16);
  EXPECT_THROW(bind({{"bits", "0"}}), Error);
  EXPECT_THROW(bind({{"bits", "17"}}), Error);
}

TEST(Options, SayWhatIsAllowedInPlaceOfABadValue) {
  const std::string sentence = error_of([] { bind({{"observer", "median"}}); });

  EXPECT_THAT(sentence, HasSubstr("method test"));
  EXPECT_THAT(sentence, HasSubstr("minmax | mse"));
  EXPECT_THAT(sentence, HasSubstr("median"));
}

TEST(Options, ListTheKnownNamesForAnUnknownOne) {
  const std::string sentence = error_of([] { bind({{"bit", "8"}}); });

  EXPECT_THAT(sentence, HasSubstr("no option 'bit'"));
  EXPECT_THAT(sentence, HasSubstr("bits"));
}

class BadValue : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(BadValue, IsRefused) {
  const auto& [name, value] = GetParam();

  EXPECT_THROW(bind({{name, value}}), Error);
}

using Pair = std::pair<const char*, const char*>;
INSTANTIATE_TEST_SUITE_P(Options, BadValue,
                         testing::Values(Pair("bits", "eight"), Pair("bits", "8.5"),
                                         Pair("bits", ""), Pair("bits", "99999999999999999999"),
                                         Pair("rate", "nan"), Pair("rate", "inf"),
                                         Pair("rate", "0.1x"), Pair("rate", "-0.1"),
                                         Pair("signed", "maybe")));

TEST(Options, RefuseToBeReadAsAnotherKind) {
  const OptionValues options = bind({});

  EXPECT_THROW(options.real("bits"), Error);
  EXPECT_THROW(options.integer("absent"), Error);
}

}  // namespace
}  // namespace quantbench
