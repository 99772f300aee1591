// A package or an ONNX file on its own: whatever made it, what it answers on a dataset's test
// split.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "bench/accuracy.h"
#include "bench/commands/commands.h"
#include "bench/data_source.h"
#include "bench/onnx_comparison.h"
#include "bench/oracle.h"
#include "datasets/dataset.h"
#include "runtime/engine/engine_executor.h"
#include "runtime/engine/isa.h"
#include "runtime/onnx/onnx_model.h"
#include "runtime/package.h"
#include "runtime/reference_executor.h"

namespace quantbench {
namespace {

std::unique_ptr<Dataset> dataset_of(const Arguments& arguments, const Recipe& recipe) {
  return open_dataset(recipe, data_root(arguments.runner.data));
}

Accuracy measured(const Arguments& arguments, const Recipe& recipe, const Dataset& dataset,
                  const Classifier& classifier) {
  EvaluationConfig config;
  config.batch = recipe.values.integer("evaluation.batch");
  config.samples = recipe.values.integer("evaluation.samples");
  config.kind = "shipped";
  config.loader_threads = loader_threads(recipe, dataset);
  ProgressDisplay display(arguments.runner.quiet);
  const int64_t total = dataset.size(Split::Test);
  display.begin("Accuracy", config.samples ? std::min(total, config.samples) : total);
  Accuracy accuracy = measure_accuracy(dataset, config, classifier,
                                       [&](int64_t done, int64_t) { display.update(done); });
  display.end();
  for (const std::string& remark : dataset.remarks()) note("{}\n", remark);
  return accuracy;
}

double share_of(const Accuracy& accuracy, const Dataset& dataset) {
  const auto all = static_cast<double>(std::max<int64_t>(dataset.size(Split::Test), 1));
  return std::min(1.0, static_cast<double>(accuracy.samples) / all);
}

// "1000 test samples", "500 (50.0 %) of the test samples".
std::string samples_text(const Accuracy& accuracy, const Dataset& dataset) {
  const double share = share_of(accuracy, dataset);
  return share < 1 ? fmt::format("{} ({:.1f} %) of the test samples", accuracy.samples, 100 * share)
                   : fmt::format("{} test samples", accuracy.samples);
}

// An ONNX file, run by ONNX Runtime; with --against beside the package that it was made from.
int eval_onnx(const Arguments& arguments, const Recipe& recipe, const std::filesystem::path& path) {
  const auto library = OnnxRuntime::find(arguments.onnxruntime);
  require(library.has_value(),
          "ONNX Runtime is not here: 'scripts/install_deps.sh --peers' fetches it; --onnxruntime "
          "and $QUANTBENCH_ONNXRUNTIME name one.");
  const auto runtime = OnnxRuntime::load(*library);
  const std::string bytes = read_file(path);
  OnnxSessionOptions options;
  options.threads = torch::get_num_threads();
  const OnnxModel model(runtime, bytes, options);
  const auto operators = optimized_operators(runtime, bytes);
  std::optional<EngineExecutor> executor;
  std::optional<OnnxComparison> comparison;
  if (!arguments.against.empty()) {
    executor.emplace(read_package(arguments.against));
    comparison.emplace(executor->plan());
  }
  const auto dataset = dataset_of(arguments, recipe);
  const Accuracy accuracy = measured(arguments, recipe, *dataset, [&](const Batch& batch) {
    const Tensor logits = model.forward(batch);
    if (comparison)
      comparison->add(batch.scored(logits), batch.scored(executor->forward(batch)), batch.target);
    return logits;
  });
  if (arguments.json) {
    nlohmann::ordered_json out{{"file", path.string()},
                               {"dataset", recipe.dataset},
                               {"dataset_fingerprint", dataset->fingerprint()},
                               {"engine", model.name()},
                               {"samples", accuracy.samples},
                               {"test_share", share_of(accuracy, *dataset)},
                               {"top1", accuracy.top1()},
                               {"top5", accuracy.top5()},
                               {"operators", operators}};
    if (comparison) {
      out["package"] = arguments.against;
      out["package_top1"] = comparison->package_top1();
      out["equal_answers"] = comparison->equal_answers();
      out["largest_logit_difference"] = comparison->largest_difference();
      if (comparison->step()) out["logit_step"] = *comparison->step();
    }
    say("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return 0;
  }
  say("{}: top-1 {:.2f} %, top-5 {:.2f} % of {} of {}, by {}\n", path.string(),
      100 * accuracy.top1(), 100 * accuracy.top5(), samples_text(accuracy, *dataset),
      recipe.dataset, model.name());
  say("  its optimized graph: {}\n", text_of(operators));
  if (comparison)
    say("  {}: top-1 {:.2f} %; {:.2f} % of the answers equal; largest difference of a logit "
        "{:.3g}{}\n",
        arguments.against, 100 * comparison->package_top1(), 100 * comparison->equal_answers(),
        comparison->largest_difference(),
        comparison->step()
            ? fmt::format(", {:.2f} steps", comparison->largest_difference() / *comparison->step())
            : "");
  return 0;
}

using Engines = std::vector<std::unique_ptr<EngineExecutor>>;

// The engine on `isa`, or on every instruction set that can be used here, the fastest first.
Engines engines_of(const Package& package, const std::string& isa) {
  Engines out;
  if (isa != "all") {
    out.push_back(std::make_unique<EngineExecutor>(package, isa));
    return out;
  }
  for (const engine::KernelTable* table : engine::usable_kernels())
    out.push_back(std::make_unique<EngineExecutor>(package, table->name));
  return out;
}

std::string text_of(const Engines& engines, const std::vector<OracleVerdict>& verdicts) {
  std::string out;
  for (size_t i = 0; i < engines.size(); ++i)
    out += fmt::format("{}{} answers {} of {} samples as the reference does", i ? ", " : "",
                       engines[i]->name(), verdicts[i].samples - verdicts[i].different,
                       verdicts[i].samples);
  return out + ", bit for bit";
}

nlohmann::ordered_json json_of(const Engines& engines, const std::vector<OracleVerdict>& verdicts) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (size_t i = 0; i < engines.size(); ++i)
    out.push_back({{"executor", engines[i]->name()},
                   {"samples", verdicts[i].samples},
                   {"different", verdicts[i].different}});
  return out;
}

}  // namespace

int eval_command(const Arguments& arguments) {
  require(arguments.operands.size() == 1 && arguments.recipe.count("dataset"),
          "'quantbench eval' takes one package or .onnx file and --dataset=NAME.");
  const std::vector<Recipe> recipes = expand(arguments.recipe);
  require(recipes.size() == 1, "'quantbench eval' takes every key once.");
  const Recipe& recipe = recipes[0];
  require_used(arguments.recipe, recipes);
  const std::filesystem::path path = arguments.operands[0];
  require(std::filesystem::is_regular_file(path), "There is no package file {}.", path.string());
  require(path.extension() != ".onnx" || arguments.isa.empty(),
          "'quantbench eval' takes --isa with a package.");
  if (path.extension() == ".onnx") return eval_onnx(arguments, recipe, path);
  require(arguments.against.empty() && arguments.onnxruntime.empty(),
          "'quantbench eval' takes --against and --onnxruntime with an .onnx file.");
  const Engines engines = engines_of(read_package(path), arguments.isa);
  const EngineExecutor& executor = *engines[0];
  const auto dataset = dataset_of(arguments, recipe);
  const Accuracy accuracy =
      measured(arguments, recipe, *dataset, [&](const Batch& b) { return executor.forward(b); });
  std::vector<const Executor*> held;
  for (const auto& engine : engines) held.push_back(engine.get());
  const std::vector<OracleVerdict> verdicts =
      consult_oracle(held, ReferenceExecutor(executor.plan()),
                     OracleSamples(*dataset, Split::Test,
                                   recipe.values.integer("evaluation.oracle"), recipe.seed));
  const auto bytes = std::filesystem::file_size(path);
  if (arguments.json)
    say("{}\n", nlohmann::ordered_json({{"package", path.string()},
                                        {"dataset", recipe.dataset},
                                        {"dataset_fingerprint", dataset->fingerprint()},
                                        {"samples", accuracy.samples},
                                        {"test_share", share_of(accuracy, *dataset)},
                                        {"top1", accuracy.top1()},
                                        {"top5", accuracy.top5()},
                                        {"size_bytes", bytes},
                                        {"integer_share", executor.integer_share()},
                                        {"executor", executor.name()},
                                        {"oracles", json_of(engines, verdicts)}})
                    .dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  else
    say("{}: top-1 {:.2f} %, top-5 {:.2f} % of {} of {}; {} bytes, {:.1f} % of the MACs on "
        "integers; {}\n",
        path.string(), 100 * accuracy.top1(), 100 * accuracy.top5(),
        samples_text(accuracy, *dataset), recipe.dataset, bytes, 100 * executor.integer_share(),
        text_of(engines, verdicts));
  return std::all_of(verdicts.begin(), verdicts.end(),
                     [](const OracleVerdict& v) { return v.different == 0; })
             ? 0
             : 1;
}

}  // namespace quantbench
