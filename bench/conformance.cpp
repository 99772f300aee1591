#include "bench/conformance.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "bench/data_source.h"
#include "bench/interrupt.h"
#include "bench/output.h"
#include "bench/session.h"
#include "methods/method.h"
#include "models/builder.h"
#include "models/model.h"
#include "runtime/package.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

constexpr char kModel[] = "conformance_net";

// One of everything that quantization meets in an image network: stride, BatchNorm, an identity
// shortcut, pooling, a linear head; small enough for a suite over every method.
Graph net(const ModelInput& input, const OptionValues&) {
  GraphBuilder g(kModel, input.shape, input.class_count);
  int x = g.conv("conv1", g.input(), 12, 3, {1, 1, 1, false});
  x = g.relu("relu1", g.batch_norm("bn1", x));
  int y = g.conv("conv2", x, 12, 3, {1, 1, 1, false});
  y = g.relu("relu2", g.batch_norm("bn2", y));
  y = g.batch_norm("bn3", g.conv("conv3", y, 12, 3, {1, 1, 1, false}));
  x = g.max_pool("pool1", g.relu("relu3", g.add("add", x, y)), 2, 2);
  x = g.relu("relu4", g.batch_norm("bn4", g.conv("conv4", x, 24, 3, {2, 1, 1, false})));
  g.linear("fc", g.global_avg_pool("pool2", x), input.class_count);
  return std::move(g).build();
}

// No part of `list models`: it is there for this alone.
void register_net() {
  const auto names = models().names();
  if (std::find(names.begin(), names.end(), kModel) != names.end()) return;
  models().add(kModel, ModelEntry{kModel, "for the conformance suite", "", false, {}, net});
}

bool has_option(const std::string& method, const std::string& option) {
  const auto& options = methods().get(method).card.options;
  return std::any_of(options.begin(), options.end(),
                     [&](const Option& o) { return o.name == option; });
}

Recipe recipe_of(const ConformanceCase& subject, int fp32_epochs, int train_epochs) {
  RecipeText text{{"method", {subject.method}},
                  {"model", {kModel}},
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
  for (const auto& [key, value] : subject.options) text[subject.method + "." + key] = {value};
  return expand(text).at(0);
}

// A graph network on the nodes of one graph.
Recipe graph_recipe(const ConformanceCase& subject, const char* model) {
  RecipeText text{{"method", {subject.method}},
                  {"model", {model}},
                  {"dataset", {"synthetic_graph"}},
                  {"seed", {"7"}},
                  {"batch", {"1"}},
                  {"fp32.epochs", {"20"}},
                  {"fp32.optimizer", {"adam"}},
                  {"fp32.lr", {"0.02"}},
                  {"train.epochs", {"20"}},
                  {"train.optimizer", {"adam"}},
                  {"train.lr", {"0.004"}},  // where gradients are noisy
                  {"latency", {"no"}},
                  {"synthetic_graph.nodes", {"400"}},
                  {"synthetic_graph.validation", {"50"}}};
  for (const auto& [key, value] : subject.options) text[subject.method + "." + key] = {value};
  return expand(text).at(0);
}

class Suite {
 public:
  Suite(const ConformanceCase& subject, fs::path folder,
        const std::function<void(const ConformanceCheck&)>& done)
      : subject_(subject), folder_(std::move(folder)), done_(done) {}

  std::vector<ConformanceCheck> run() {
    check("options are documented and validated", [this] { options(); });
    check("a finished run is trustworthy: encodings exact, simulated and shipped answers agree",
          [this] { trustworthy(); });
    check("the package comes back from its file to the byte", [this] { round_trip(); });
    check("bits are never more than was asked", [this] { bits(); });
    check("two runs with one seed are equal", [this] { equal(); });
    check("a resumed run equals one that never stopped", [this] { resumed(); });
    check("it learns", [this] { learns(); });
    for (const char* model : {"gcn2", "gat2", "gin2"})
      check(fmt::format("the graph network {} ships what it simulates", model),
            [this, model] { graphs(model); });
    return std::move(checks_);
  }

 private:
  void check(const std::string& name, const std::function<void()>& what) {
    ConformanceCheck made{name, ""};
    try {
      what();
    } catch (const Interrupted&) {
      throw;
    } catch (const std::exception& problem) {
      made.problem = sentence_of(problem);
    }
    done_(made);
    checks_.push_back(std::move(made));
  }

  SessionResult session(
      const Recipe& recipe, const std::string& name, bool resume = false,
      std::function<void(const EpochRow&)> on_epoch = [](const EpochRow&) {},
      double checkpoint_seconds = 1e9) const {
    const auto dataset = open_dataset(recipe, "");
    SessionConfig config{folder_ / name, "", "cpu", checkpoint_seconds, std::move(on_epoch)};
    fs::create_directories(config.folder);
    ProgressDisplay quiet(true);
    return Session(recipe, *dataset, config, quiet).run(resume);
  }

  const SessionResult& finished() {
    if (!finished_) finished_ = session(recipe_of(subject_, 2, 1), "finished");
    return *finished_;
  }

  static void expect_no_doubts(const SessionResult& out) {
    require(out.doubts.empty(), "{}", out.doubts.empty() ? "" : out.doubts.front());
  }

  void options() const {
    const MethodCard& card = methods().get(subject_.method).card;
    require(!card.title.empty() && !card.quantizes.empty() && card.version >= 1,
            "The card lacks a title, what the method quantizes, or a version from 1 on.");
    for (const Option& option : card.options)
      require(!option.help.empty(), "The option {} has no help.", option.name);
    for (const Option& option : card.options) {
      if (option.kind != Option::Kind::Integer && option.kind != Option::Kind::Real) continue;
      bool refused = false;
      try {
        OptionValues("method", card.options,
                     {{option.name, fmt::format("{:.0f}", option.high + 1)}});
      } catch (const Error&) {
        refused = true;
      }
      require(refused, "The option {} takes {:.0f}, which is beyond its bounds.", option.name,
              option.high + 1);
    }
    bool refused = false;
    try {
      OptionValues("method", card.options, {{"no_such_option", "1"}});
    } catch (const Error&) {
      refused = true;
    }
    require(refused, "An option that the card does not know is taken.");
  }

  void trustworthy() {
    const SessionResult& out = finished();
    expect_no_doubts(out);
    require(out.result.test_samples == 1000, "Only {} of 1,000 test images were looked at.",
            out.result.test_samples.value_or(0));
    require(*out.result.top1_fp32 >= 0.8, "The FP32 network reaches {:.1f} % alone.",
            100 * *out.result.top1_fp32);
    require(*out.result.size_bytes ==
                static_cast<int64_t>(fs::file_size(folder_ / "finished/package.safetensors")),
            "The size that is stored is not the length of the package.");
    require(*out.result.weight_bits_average <= 32, "The weights have {} bits on average.",
            *out.result.weight_bits_average);
  }

  void round_trip() {
    finished();
    const fs::path path = folder_ / "finished/package.safetensors", again = folder_ / "again";
    write_package(again, read_package(path));
    require(read_file(again) == read_file(path), "The package that is written again is another.");
  }

  void bits() {
    const auto asked = subject_.options.find("weight_bits");
    if (asked == subject_.options.end()) return;
    size_t within = 0;
    for (const SiteRow& site : finished().sites) {
      require(site.bits <= 8, "The site {} has {} bits; first, last and input may have 8.",
              site.name, site.bits);
      within += site.bits <= std::stod(asked->second);
    }
    require(within >= 3, "Only {} sites keep to the {} bits that were asked for.", within,
            asked->second);
  }

  // With two threads, since that is where orders differ.
  void equal() const {
    const int threads = torch::get_num_threads();
    torch::set_num_threads(2);
    const Recipe recipe = recipe_of(subject_, 1, 1);
    const RunResult a = session(recipe, "first").result, b = session(recipe, "second").result;
    torch::set_num_threads(threads);
    require(a.weights_hash == b.weights_hash, "Their weights differ.");
    require(a.package_hash == b.package_hash, "Their packages differ.");
    require(a.predictions_hash == b.predictions_hash, "Their answers differ.");
  }

  // Cut in FP32 training and in the method's own, if it has any; a checkpoint every tenth of a
  // second.
  void resumed() const {
    struct Cut {};
    const Recipe recipe = recipe_of(subject_, 1, 2);
    const SessionResult whole = session(recipe, "whole");
    const auto is_cut = [&](bool resume, int at) {
      int epochs = 0;
      try {
        session(
            recipe, "cut", resume,
            [&](const EpochRow&) {
              if (++epochs == at) throw Cut{};
            },
            0.1);
      } catch (const Cut&) {
        return true;
      }
      return false;
    };
    require(is_cut(false, 1), "FP32 training has no epoch.");
    const bool cut_again = is_cut(true, 2);
    const auto mode = subject_.options.find("mode");
    require(cut_again || mode == subject_.options.end() || mode->second != "qat",
            "Its own training has no two epochs.");
    const SessionResult out = session(recipe, "cut", true);
    require(out.result.weights_hash == whole.result.weights_hash &&
                out.result.package_hash == whole.result.package_hash &&
                out.result.top1_fp32 == whole.result.top1_fp32,
            "The resumed run came out different.");
  }

  void learns() const {
    const RunResult out = session(recipe_of(subject_, 2, 2), "learn").result;
    const double chance = 0.1, top1 = *out.top1_simulated;
    const auto asked = subject_.options.find("weight_bits");
    if (asked == subject_.options.end() || asked->second != "8")
      require(top1 >= 3 * chance, "Top-1 is {:.1f} % where chance gives 10 %.", 100 * top1);
    else
      require(top1 >= *out.top1_fp32 - 0.03, "At 8 bits top-1 is {:.1f} %, and {:.1f} % in FP32.",
              100 * top1, 100 * *out.top1_fp32);
  }

  // Messages, norms and attention, on the nodes of one graph.
  void graphs(const char* model) const {
    const SessionResult out = session(graph_recipe(subject_, model), model);
    expect_no_doubts(out);
    require(*out.result.top1_shipped >= 0.3, "Top-1 is {:.1f} % where chance gives 20 %.",
            100 * *out.result.top1_shipped);
  }

  const ConformanceCase& subject_;
  fs::path folder_;
  const std::function<void(const ConformanceCheck&)>& done_;
  std::optional<SessionResult> finished_;
  std::vector<ConformanceCheck> checks_;
};

}  // namespace

std::string ConformanceCase::name() const {
  std::string out = method;
  for (const auto& [key, value] : options) out += fmt::format(" {}={}", key, value);
  return out;
}

std::vector<ConformanceCase> conformance_cases(const std::string& method) {
  if (!has_option(method, "weight_bits")) return {{method, {}}};
  std::vector<ConformanceCase> out;
  for (const char* bits : {"8", "4"}) {
    ConformanceCase made{method, {{"weight_bits", bits}}};
    if (has_option(method, "activation_bits")) made.options["activation_bits"] = bits;
    if (!has_option(method, "rule")) {
      out.push_back(std::move(made));
      continue;
    }
    made.options["mode"] = "ptq";
    out.push_back(made);
    made.options["mode"] = "qat";
    for (const Option& option : methods().get(method).card.options)
      if (option.name == "rule")
        for (const std::string& rule : option.choices) {
          made.options["rule"] = rule;
          out.push_back(made);
        }
  }
  return out;
}

std::vector<ConformanceCheck> check_conformance(
    const ConformanceCase& subject, const fs::path& folder,
    const std::function<void(const ConformanceCheck&)>& done) {
  register_net();
  fs::create_directories(folder);
  return Suite(subject, folder, done).run();
}

}  // namespace quantbench
