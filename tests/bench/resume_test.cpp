// A run that is killed at any moment and goes on ends with the same bits: for stand-ins of methods
// that change shapes, leave phases, step leaves of their own and draw masks; for HAWQ's stages; and
// at every kind of moment for every method there is, the examples of plug-ins among them.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "bench/data_source.h"
#include "bench/plugin.h"
#include "bench/session.h"
#include "methods/method.h"
#include "tests/bench/fake_methods.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

struct Subject {
  std::string method;
  RecipeText keys{};
};

Recipe recipe_of(const Subject& subject) {
  RecipeText text{{"method", {subject.method}},
                  {"model", {"fake_tiny"}},
                  {"dataset", {"synthetic_images"}},
                  {"batch", {"16"}},
                  {"fp32.epochs", {"1"}},
                  {"train.epochs", {"2"}},
                  {"train.lr", {"0.05"}},
                  {"calibration.samples", {"24"}},
                  {"latency", {"no"}},
                  {"loader.threads", {"0"}},
                  {"synthetic_images.train", {"32"}},
                  {"synthetic_images.test", {"20"}},
                  {"synthetic_images.validation", {"20"}}};
  return expand(merge(text, subject.keys)).at(0);
}

class Killed : public testing::Test {
 protected:
  void SetUp() override {
    torch::set_num_threads(1);
    folder_ = fs::path(testing::TempDir()) / ("killed-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override {
    Guillotine::set(0);
    fs::remove_all(folder_);
  }

  // A checkpoint before every step.
  SessionResult run(const Recipe& recipe, bool resume) {
    const auto dataset = open_dataset(recipe, "");
    SessionConfig config{folder_, "", "cpu", 0, [](const EpochRow&) {}};
    ProgressDisplay quiet(true);
    return Session(recipe, *dataset, config, quiet).run(resume);
  }

  void empty_folder() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }

  // Everything that a run leaves, as text.
  std::string outcome(const SessionResult& out) {
    std::string text = out.result.weights_hash + out.result.package_hash +
                       out.result.predictions_hash +
                       fmt::format(" {} {}", out.result.validation_top1.value_or(-1),
                                   out.result.top1_fp32.value_or(-1));
    for (const auto& [name, value] : out.result.figures) text += fmt::format(" {} {}", name, value);
    for (const auto& [name, content] : out.artefacts) text += "\n" + content;
    return text;
  }

  void expect_equal_after_every_kill(const Subject& subject, int stride = 1) {
    const Recipe recipe = recipe_of(subject);
    Guillotine::set(0);
    const std::string whole = outcome(run(recipe, false));
    const int moments = static_cast<int>(Guillotine::seen().size());
    EXPECT_GT(moments, 20);
    for (int at = 1; at <= moments; at += stride) expect_equal_after_a_kill(recipe, at, whole);
    // And again and again, every life a moment longer than the one before.
    empty_folder();
    for (int life = 1;; ++life) {
      Guillotine::set(5 + life);
      try {
        ASSERT_EQ(outcome(run(recipe, life > 1)), whole) << "after " << life << " lives";
        break;
      } catch (const Cut&) {
        ASSERT_LT(life, 10000) << "it never ends";
      }
    }
  }

  void expect_equal_after_a_kill(const Recipe& recipe, int at, const std::string& whole) {
    empty_folder();
    Guillotine::set(at);
    EXPECT_THROW(run(recipe, false), Cut) << at;
    const std::string kind = Guillotine::seen().back();
    Guillotine::set(0);
    ASSERT_EQ(outcome(run(recipe, true)), whole) << "killed at moment " << at << ", " << kind;
  }

  fs::path folder_;
};

TEST_F(Killed, WhileTensorsLoseRowsBetweenPhases) {
  expect_equal_after_every_kill({"fake_planes"});
}

TEST_F(Killed, WhileTheBestAndTheAverageAreCarriedAlong) {
  expect_equal_after_every_kill(
      {"fake_planes", {{"train.select", {"best"}}, {"train.ema", {"0.9"}}}}, 3);
}

TEST_F(Killed, WhilePhasesAreLeftForALaterOne) { expect_equal_after_every_kill({"fake_rounds"}); }

TEST_F(Killed, WhileMasksAreDrawnAndBatchNormIsEstimatedAgain) {
  expect_equal_after_every_kill({"fake_masks"});
}

TEST_F(Killed, InTheStagesOfHawq) {
  register_cut("hawq");
  for (const char* trains : {"all", "block"})
    expect_equal_after_every_kill({"cut_hawq",
                                   {{"train.epochs", {"4"}},
                                    {"cut_hawq.weight_bits", {"4"}},
                                    {"cut_hawq.stage_trains", {trains}}}},
                                  2);
}

TEST_F(Killed, WhileHgqFoldsABatchNormIntoEachLayer) {
  register_cut("hgq");
  expect_equal_after_every_kill(
      {"cut_hgq", {{"model", {"mlp_jet"}}, {"cut_hgq.batch_norm", {"yes"}}}}, 3);
}

// Every method, and those of its options that make another course of events.
std::vector<Subject> all_methods() {
  load_plugin(EXAMPLE_PLUGIN);
  std::vector<Subject> out;
  for (const std::string& name : methods().names())
    if (name.rfind("fake_", 0) != 0 && name.rfind("cut_", 0) != 0) out.push_back({name});
  out.push_back({"uniform", {{"uniform.mode", {"qat"}}, {"uniform.rule", {"lsq"}}}});
  out.push_back({"srq_dropbits", {{"srq_dropbits.rule", {"rq"}}}});
  out.push_back({"srq_dropbits", {{"srq_dropbits.dropbits", {"level"}}}});
  return out;
}

TEST_F(Killed, AtEveryKindOfMomentOfEveryMethod) {
  for (const Subject& subject : all_methods()) {
    register_cut(subject.method);
    Subject cut{"cut_" + subject.method, {{"train.epochs", {"6"}}, {"fp32.epochs", {"0"}}}};
    for (const auto& [key, values] : subject.keys) cut.keys["cut_" + key] = values;
    SCOPED_TRACE(subject.method);
    const Recipe recipe = recipe_of(cut);
    empty_folder();
    Guillotine::set(0);
    const std::string whole = outcome(run(recipe, false));
    for (int at : Guillotine::of_every_kind()) expect_equal_after_a_kill(recipe, at, whole);
  }
}

// Whatever a run is doing when it is asked to stop, it stops before it is done with it all.
TEST_F(Killed, AskedToStopItStopsInEveryStage) {
  for (const char* method : {"uniform", "fake_masks", "hawq"}) {
    std::string name = method;
    if (name.rfind("fake", 0) != 0) {
      register_cut(name);
      name = "cut_" + name;
    }
    const Recipe recipe = recipe_of({name});
    empty_folder();
    Guillotine::set(0);
    run(recipe, false);
    for (int at : Guillotine::of_every_kind()) {
      const auto stopped = [&] {
        empty_folder();
        Guillotine::set(at, Guillotine::Way::AskToStop);
        try {
          run(recipe, false);
        } catch (const Interrupted&) {
          std::exit(7);
        }
        std::exit(0);
      };
      EXPECT_EXIT(stopped(), testing::ExitedWithCode(7), "") << method << " at moment " << at;
    }
  }
}

}  // namespace
}  // namespace quantbench
