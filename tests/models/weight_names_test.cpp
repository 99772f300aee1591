#include "models/weight_names.h"

#include "tests/base/support.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using Weights = std::map<std::string, Tensor>;

Weights weights(std::initializer_list<const char*> names) {
  Weights out;
  for (const char* name : names) out[name] = torch::full({1}, static_cast<double>(out.size()));
  return out;
}

std::vector<std::string> names_of(const Weights& weights) {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : weights) out.push_back(name);
  return out;
}

TEST(WeightNames, FollowTheirRulesAndKeepTheirNumbers) {
  const Weights before =
      weights({"aux.fc.bias", "aux.fc.weight", "body.a.weight", "body.b.weight", "head.weight"});

  const Weights after = renamed(
      before, R"({"aux.*": null, "body.*": "layers.*", "body.b.weight": "last", "head.*": "fc.*"})",
      "names.json");

  EXPECT_EQ(names_of(after), (std::vector<std::string>{"fc.weight", "last", "layers.a.weight"}));
  EXPECT_TRUE(torch::equal(after.at("last"), before.at("body.b.weight")));
  EXPECT_TRUE(torch::equal(after.at("layers.a.weight"), before.at("body.a.weight")));
}

TEST(WeightNames, OfNoRuleStay) {
  EXPECT_EQ(names_of(renamed(weights({"a", "b"}), "{}", "it")),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(names_of(renamed(weights({"net.a", "net.b"}), R"({"net.*": "*"})", "it")),
            (std::vector<std::string>{"a", "b"}));
}

TEST(WeightNames, MistakesEndInASentence) {
  const auto sentence = [](const char* rules) {
    return error_of([&] { renamed(weights({"a", "b"}), rules, "names.json"); });
  };
  EXPECT_THAT(sentence(R"({"c": "d"})"), HasSubstr("no tensor of the weight file is called 'c'"));
  EXPECT_THAT(sentence(R"({"a": "b"})"), HasSubstr("two tensors would be called 'b'"));
  EXPECT_THAT(sentence(R"({"a": 3})"), HasSubstr("neither a name nor null"));
  EXPECT_THAT(sentence(R"({"a": ""})"), HasSubstr("empty name"));
  EXPECT_THAT(sentence(R"({"a": "x*"})"), HasSubstr("has no '*'"));
  EXPECT_THAT(sentence(R"(["a"])"), HasSubstr("no JSON object"));
  EXPECT_THAT(sentence("{"), HasSubstr("names.json"));
}

}  // namespace
}  // namespace quantbench
