#include "base/json.h"

#include <gmock/gmock.h>

#include "tests/base/support.h"

namespace quantbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string repeated(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(ParseJson, ReadsWhatIsValid) {
  EXPECT_EQ(parse_json(R"({"a": [1, {"b": null}]})", "it").at("a").at(0), 1);
}

TEST(ParseJson, NestingHasALimit) {
  EXPECT_EQ(parse_json(repeated("[", 32) + repeated("]", 32), "it").size(), 1u);

  EXPECT_THAT(error_of([] { parse_json(repeated("[", 33) + repeated("]", 33), "The file"); }),
              HasSubstr("The file is nested too deeply"));
  EXPECT_THAT(error_of([] { parse_json(repeated("[", 4'000'000), "The file"); }),
              HasSubstr("nested too deeply"));
  EXPECT_THAT(error_of([] { parse_json(repeated(R"({"a":)", 1'000'000), "The file"); }),
              HasSubstr("nested too deeply"));
}

TEST(ParseJson, WhatIsNotValidIsSaidInOneShortLine) {
  for (const std::string text :
       {"", "{", "[1,]", "nul", "\"\xff\"", "1e999", "[1] 2", "\"\x1b[31m"}) {
    const std::string sentence = error_of([&] { parse_json(text, "The file"); });
    EXPECT_THAT(sentence, HasSubstr("The file is no valid JSON")) << text;
    EXPECT_EQ(sentence.find_first_of("\x1b\n"), std::string::npos);
  }
  EXPECT_LT(error_of([] { parse_json("\"" + std::string(1'000'000, 'x'), "it"); }).size(), 300u);
}

TEST(OutermostNames, AreInTheOrderOfTheTextAndUnique) {
  EXPECT_THAT(outermost_names(R"({"b": {"x": 1, "x": 2}, "a": [{"b": 1}]})", "it"),
              ElementsAre("b", "a"));
  EXPECT_THAT(outermost_names(R"([{"b": 1}])", "it"), ElementsAre());
  EXPECT_THAT(error_of([] { outermost_names(R"({"a": 1, "\u0061": 2})", "It"); }),
              HasSubstr("It names 'a' twice"));
}

TEST(Json, AWholeNumberHasNoFractionAndFits) {
  EXPECT_EQ(whole_number(parse_json("-7", "it")), -7);
  EXPECT_EQ(whole_number(parse_json("9223372036854775807", "it")), INT64_MAX);
  for (const char* text : {"9223372036854775808", "23333333333333333333", "1e30", "2.5", "2.0",
                           "\"7\"", "[7]", "null"})
    EXPECT_THROW(whole_number(parse_json(text, "it")), Error) << text;
}

}  // namespace
}  // namespace quantbench
