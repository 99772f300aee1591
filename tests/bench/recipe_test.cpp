#include "bench/recipe.h"

#include <gtest/gtest.h>

#include <sstream>

#include "base/error.h"

namespace quantbench {
namespace {

RecipeText text(const std::string& ini) {
  std::istringstream in(ini);
  return read_recipe(in, "test.ini");
}

std::string refusal(const std::string& ini) {
  try {
    expand(text(ini));
  } catch (const Error& problem) {
    return problem.what();
  }
  return "";
}

TEST(Recipe, RepeatedKeysSpanTheCrossProduct) {
  const auto recipes = expand(text("seed = 1\nseed = 2\nbatch = 32\nbatch = 64\nbatch = 128\n"));

  EXPECT_EQ(recipes.size(), 6u);
  EXPECT_EQ(recipes[0].model, "resnet20");
}

TEST(Recipe, ASweepOverMethodsGivesEachItsOwnOptions) {
  const auto recipes = expand(
      text("method = fp32\nmethod = uniform\n[uniform]\nweight_bits = 4\nweight_bits = 8\n"));

  ASSERT_EQ(recipes.size(), 3u);
  EXPECT_EQ(recipes[0].method, "fp32");
  EXPECT_EQ(recipes[1].method_options.integer("weight_bits"), 4);
  EXPECT_EQ(recipes[2].method_options.integer("weight_bits"), 8);
}

TEST(Recipe, TheCommandLineWins) {
  const RecipeText merged = merge(text("seed = 1\nseed = 2\nbatch = 32\n"), {{"seed", {"9"}}});

  const auto recipes = expand(merged);

  ASSERT_EQ(recipes.size(), 1u);
  EXPECT_EQ(recipes[0].seed, 9u);
  EXPECT_EQ(recipes[0].values.integer("batch"), 32);
}

TEST(Recipe, CanonicalTextIsARecipeOfItself) {
  const Recipe recipe =
      expand(text("method = uniform\ndataset = mnist\nmodel = lenet5\n"
                  "[train]\nlr = 0.0125\nschedule = step\nmilestones = 3,5\n"))[0];

  const auto again = expand(text(recipe.canonical()));

  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].canonical(), recipe.canonical());
  EXPECT_NE(recipe.canonical().find("train.lr = 0.0125\n"), std::string::npos);
  EXPECT_NE(recipe.canonical().find("uniform.weight_bits = 8\n"), std::string::npos);
}

TEST(Recipe, SpellingAndNameDoNotChangeIdentity) {
  const Recipe a = expand(text("name = one\nmethod = uniform\n[uniform]\nper_channel = true\n"))[0];
  const Recipe b = expand(text("name = two\nmethod = uniform\n[uniform]\nper_channel = yes\n"))[0];

  EXPECT_EQ(a.canonical(), b.canonical());
}

TEST(Recipe, RefusesWithASentenceThatNamesTheKey) {
  EXPECT_NE(refusal("colour = blue\n").find("colour"), std::string::npos);
  EXPECT_NE(refusal("method = sorcery\n").find("sorcery"), std::string::npos);
  EXPECT_NE(refusal("batch = 0\n").find("1..65536"), std::string::npos);
  EXPECT_NE(refusal("batch = many\n").find("many"), std::string::npos);
  EXPECT_NE(refusal("method = uniform\n[uniform]\nweight_bits = 17\n").find("weight_bits"),
            std::string::npos);
  EXPECT_NE(refusal("[unifrom]\nweight_bits = 4\n").find("unifrom"), std::string::npos);
  EXPECT_NE(refusal("method = uniform\n[uniform]\nweigth_bits = 4\n").find("weigth_bits"),
            std::string::npos);
  EXPECT_NE(refusal("[train]\nmilestones = 3;5\n").find("train.milestones"), std::string::npos);
  EXPECT_NE(refusal("[train]\nlr = nan\n").find("train.lr"), std::string::npos);
  EXPECT_THROW(text("this is no recipe"), Error);
  EXPECT_THROW(load_recipe("/no/such/recipe.ini"), Error);
}

TEST(Recipe, EveryEmbeddedRecipeExpands) {
  for (const auto& [name, ini] : embedded_recipes())
    EXPECT_FALSE(expand(load_recipe(name)).empty()) << name;
}

TEST(Schedule, FollowsItsCurve) {
  Schedule step, cosine, warm;
  step.kind = Schedule::Kind::Step;
  step.milestones = {2, 4};
  cosine.kind = Schedule::Kind::Cosine;
  cosine.total_epochs = 10;
  warm.warmup_epochs = 4;

  EXPECT_DOUBLE_EQ(step.factor(1.99), 1);
  EXPECT_DOUBLE_EQ(step.factor(2), 0.1);
  EXPECT_NEAR(step.factor(4.5), 0.01, 1e-15);
  EXPECT_DOUBLE_EQ(cosine.factor(0), 1);
  EXPECT_NEAR(cosine.factor(5), 0.5, 1e-12);
  EXPECT_NEAR(cosine.factor(10), 0, 1e-12);
  EXPECT_DOUBLE_EQ(warm.factor(1), 0.25);
  EXPECT_DOUBLE_EQ(warm.factor(4), 1);
}

}  // namespace
}  // namespace quantbench
