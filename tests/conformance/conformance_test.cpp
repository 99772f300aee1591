// One standard for every method, built in or plugged in (DESIGN, section 5). Methods that offer the
// usual options (mode, weight_bits, activation_bits) are held to them at several widths.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "bench/plugin.h"
#include "bench/session.h"
#include "methods/method.h"
#include "runtime/package.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string method;
  std::map<std::string, std::string> options;

  std::string name() const {
    std::string out = method;
    for (const auto& [key, value] : options) out += "_" + value;
    return out;
  }
};

bool has_option(const std::string& method, const std::string& option) {
  const auto& options = methods().get(method).card.options;
  return std::any_of(options.begin(), options.end(),
                     [&](const Option& o) { return o.name == option; });
}

std::vector<Case> all_cases() {
  load_plugin(EXAMPLE_PLUGIN);
  std::vector<Case> out;
  for (const std::string& method : methods().names()) {
    if (!has_option(method, "weight_bits")) {
      out.push_back({method, {}});
      continue;
    }
    for (const char* bits : {"8", "4"}) {
      std::map<std::string, std::string> options{{"weight_bits", bits}};
      if (has_option(method, "activation_bits")) options["activation_bits"] = bits;
      if (!has_option(method, "rule")) {
        out.push_back({method, options});
        continue;
      }
      options["mode"] = "ptq";
      out.push_back({method, options});
      options["mode"] = "qat";
      for (const Option& option : methods().get(method).card.options)
        if (option.name == "rule")
          for (const std::string& rule : option.choices) {
            options["rule"] = rule;
            out.push_back({method, options});
          }
    }
  }
  return out;
}

// All cases, or every n-th of them for a process that is one of n.
std::vector<Case> cases_of_this_shard() {
  const std::vector<Case> all = all_cases();
  const char *shard = std::getenv("CONFORMANCE_SHARD"), *shards = std::getenv("CONFORMANCE_SHARDS");
  if (!shard || !shards) return all;
  std::vector<Case> out;
  for (size_t i = std::stoul(shard); i < all.size(); i += std::stoul(shards)) out.push_back(all[i]);
  return out;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> list = cases_of_this_shard();
  return list;
}

Recipe recipe_for(const Case& c, int fp32_epochs = 2, int train_epochs = 1) {
  RecipeText text{{"method", {c.method}},
                  {"model", {"conformance_tiny"}},
                  {"dataset", {"synthetic_images"}},
                  {"seed", {"7"}},
                  {"batch", {"64"}},
                  {"fp32.epochs", {std::to_string(fp32_epochs)}},
                  {"fp32.lr", {"0.05"}},
                  {"train.epochs", {std::to_string(train_epochs)}},
                  {"train.lr", {"0.01"}},
                  {"calibration.samples", {"128"}},
                  {"latency", {"no"}},
                  {"synthetic_images.train", {"2000"}},
                  {"synthetic_images.noise", {"0.1"}},
                  {"synthetic_images.validation", {"100"}}};
  for (const auto& [key, value] : c.options) text[c.method + "." + key] = {value};
  return expand(text).at(0);
}

class Conformance : public testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    torch::set_num_threads(1);
    folder_ = fs::path(testing::TempDir()) /
              ("conformance-" + std::to_string(GetParam()) + "-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  const Case& subject() const { return cases()[GetParam()]; }

  SessionResult run(
      const Recipe& recipe, const std::string& name, bool resume = false,
      std::function<void(const EpochRow&)> on_epoch = [](const EpochRow&) {},
      double checkpoint_seconds = 1e9) {
    const auto dataset = open_dataset(recipe, "");
    SessionConfig config{folder_ / name, "", "cpu", checkpoint_seconds, std::move(on_epoch)};
    fs::create_directories(config.folder);
    ProgressDisplay quiet(true);
    return Session(recipe, *dataset, config, quiet).run(resume);
  }

  // The finished run of the standard recipe, made once for each case.
  struct Finished {
    SessionResult outcome;
    std::string package;  // the file's content
  };
  const Finished& finished() {
    static std::map<size_t, Finished> made;
    auto found = made.find(GetParam());
    if (found == made.end()) {
      SessionResult outcome = run(recipe_for(subject()), "finished");
      found =
          made.emplace(GetParam(), Finished{std::move(outcome),
                                            read_file(folder_ / "finished/package.safetensors")})
              .first;
    }
    return found->second;
  }

  fs::path folder_;
};

TEST_P(Conformance, OptionsAreDocumentedAndValidated) {
  const MethodCard& card = methods().get(subject().method).card;

  EXPECT_FALSE(card.title.empty());
  EXPECT_FALSE(card.quantizes.empty());
  EXPECT_GE(card.version, 1);
  for (const Option& option : card.options) {
    EXPECT_FALSE(option.help.empty()) << option.name;
    if (option.kind == Option::Kind::Integer || option.kind == Option::Kind::Real) {
      const std::string beyond = fmt::format("{:.0f}", option.high + 1);
      EXPECT_THROW(OptionValues("method", card.options, {{option.name, beyond}}), Error)
          << option.name;
    }
  }
  EXPECT_THROW(OptionValues("method", card.options, {{"no_such_option", "1"}}), Error);
}

// Everything that one finished run can show.
TEST_P(Conformance, AFinishedRunIsTrustworthy) {
  const SessionResult& out = finished().outcome;

  // No doubts: encodings decode to the simulated numbers bit for bit, bits and levels within what
  // was asked, simulated and shipped answers agree on at least 99.9 % of the 1,000 test images.
  EXPECT_TRUE(out.doubts.empty()) << out.doubts.front();
  EXPECT_EQ(out.result.test_samples, 1000);
  EXPECT_EQ(*out.result.size_bytes, static_cast<int64_t>(finished().package.size()));
  EXPECT_LE(*out.result.weight_bits_average, 32);
  EXPECT_GE(*out.result.top1_fp32, 0.8);

  write_atomically(folder_ / "package", finished().package);
  write_package(folder_ / "again", read_package(folder_ / "package"));
  EXPECT_EQ(read_file(folder_ / "again"), finished().package);
}

TEST_P(Conformance, BitsNeverExceedWhatWasAsked) {
  const Case& c = subject();
  if (!c.options.count("weight_bits")) GTEST_SKIP() << c.method << " takes no bit widths.";

  const SessionResult& out = finished().outcome;

  const double asked = std::stod(c.options.at("weight_bits"));
  size_t below_eight = 0;
  for (const SiteRow& site : out.sites) {
    EXPECT_LE(site.bits, 8) << site.name;  // first, last and input are 8 bits by default
    below_eight += site.bits <= asked;
  }
  EXPECT_GE(below_eight, 3u);
}

TEST_P(Conformance, TwoRunsWithOneSeedAreEqual) {
  torch::set_num_threads(2);
  const Recipe recipe = recipe_for(subject(), 1, 1);
  const SessionResult a = run(recipe, "a"), b = run(recipe, "b");

  EXPECT_EQ(a.result.weights_hash, b.result.weights_hash);
  EXPECT_EQ(a.result.package_hash, b.result.package_hash);
  EXPECT_EQ(a.result.predictions_hash, b.result.predictions_hash);
}

TEST_P(Conformance, AResumedRunEqualsOneThatNeverStopped) {
  const Recipe recipe = recipe_for(subject(), 1, 2);
  const SessionResult whole = run(recipe, "whole");
  struct Cut {};

  // Cut once in FP32 training and once in the method's own, if it has any; a checkpoint at every
  // step.
  constexpr double kOften = 0.1;  // seconds
  int epochs = 0;
  auto cut_at = [&](int wanted) {
    return [&epochs, wanted](const EpochRow&) {
      if (++epochs == wanted) throw Cut{};
    };
  };
  EXPECT_THROW(run(recipe, "cut", false, cut_at(1), kOften), Cut);
  bool cut_again = false;
  try {
    epochs = 0;
    run(recipe, "cut", true, cut_at(2), kOften);
  } catch (const Cut&) {
    cut_again = true;
  }
  const SessionResult resumed = run(recipe, "cut", true);

  EXPECT_EQ(resumed.result.weights_hash, whole.result.weights_hash);
  EXPECT_EQ(resumed.result.package_hash, whole.result.package_hash);
  EXPECT_EQ(resumed.result.top1_fp32, whole.result.top1_fp32);
  const auto& options = subject().options;
  const bool trained = options.count("mode") && options.at("mode") == "qat";
  EXPECT_TRUE(cut_again || !trained);
}

// Messages, norms and attention, on the nodes of one graph.
TEST_P(Conformance, AGraphNetworkShipsWhatItSimulates) {
  for (const char* model : {"gcn2", "gat2", "gin2"}) {
    RecipeText text{{"method", {subject().method}},
                    {"model", {model}},
                    {"dataset", {"synthetic_graph"}},
                    {"seed", {"7"}},
                    {"batch", {"1"}},
                    {"fp32.epochs", {"20"}},
                    {"train.epochs", {"20"}},
                    {"latency", {"no"}},
                    {"synthetic_graph.nodes", {"400"}},
                    {"synthetic_graph.validation", {"50"}}};
    // A fifth of the rate where gradients are noisy.
    for (const auto& [stage, rate] : {std::pair{"fp32", "0.02"}, std::pair{"train", "0.004"}}) {
      text[std::string(stage) + ".optimizer"] = {"adam"};
      text[std::string(stage) + ".lr"] = {rate};
    }
    for (const auto& [key, value] : subject().options) text[subject().method + "." + key] = {value};

    const SessionResult out = run(expand(text).at(0), model);

    EXPECT_TRUE(out.doubts.empty()) << model << ": " << out.doubts.front();
    EXPECT_GE(*out.result.top1_shipped, 0.3) << model << ": chance is 0.2";
  }
}

TEST_P(Conformance, ItLearns) {
  const Case& c = subject();

  const SessionResult out = run(recipe_for(c, 2, 2), "learn");

  const double chance = 0.1;
  if (c.options.count("weight_bits") && c.options.at("weight_bits") == "8")
    EXPECT_GE(*out.result.top1_simulated, *out.result.top1_fp32 - 0.03);
  else
    EXPECT_GE(*out.result.top1_simulated, 3 * chance);
}

INSTANTIATE_TEST_SUITE_P(Methods, Conformance, testing::Range(size_t{0}, cases().size()),
                         [](const auto& info) { return cases()[info.param].name(); });

}  // namespace
}  // namespace quantbench
