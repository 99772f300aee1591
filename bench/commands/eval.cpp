// A package on its own: whatever made it, what it answers on a dataset's test split.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "bench/accuracy.h"
#include "bench/commands/commands.h"
#include "bench/oracle.h"
#include "datasets/dataset.h"
#include "runtime/engine/engine_executor.h"
#include "runtime/reference_executor.h"

namespace quantbench {

int eval_command(const Arguments& arguments) {
  require(arguments.operands.size() == 1 && arguments.recipe.count("dataset"),
          "'quantbench eval' takes one package file and --dataset=NAME.");
  const std::vector<Recipe> recipes = expand(arguments.recipe);
  require(recipes.size() == 1, "'quantbench eval' takes every key once.");
  const Recipe& recipe = recipes[0];
  require_used(arguments.recipe, recipes);
  const std::filesystem::path path = arguments.operands[0];
  require(std::filesystem::is_regular_file(path), "There is no package file {}.", path.string());
  const EngineExecutor executor(read_package(path));
  const auto dataset =
      datasets()
          .get(recipe.dataset)
          .open({data_root(arguments.runner.data), recipe.dataset_options, recipe.seed});
  EvaluationConfig config;
  config.batch = recipe.values.integer("evaluation.batch");
  config.samples = recipe.values.integer("evaluation.samples");
  config.kind = "shipped";
  ProgressDisplay display(arguments.runner.quiet);
  const int64_t total = dataset->size(Split::Test);
  display.begin("Accuracy", config.samples ? std::min(total, config.samples) : total);
  const Accuracy accuracy = measure_accuracy(
      *dataset, config, [&](const Batch& b) { return executor.forward(b); },
      [&](int64_t done, int64_t) { display.update(done); });
  display.end();
  const OracleVerdict verdict =
      consult_oracle(executor, ReferenceExecutor(executor.plan()), *dataset, Split::Test,
                     recipe.values.integer("evaluation.oracle"), recipe.seed);
  const auto bytes = std::filesystem::file_size(path);
  if (arguments.json)
    say("{}\n", nlohmann::ordered_json({{"package", path.string()},
                                        {"dataset", recipe.dataset},
                                        {"dataset_fingerprint", dataset->fingerprint()},
                                        {"samples", accuracy.samples},
                                        {"top1", accuracy.top1()},
                                        {"top5", accuracy.top5()},
                                        {"size_bytes", bytes},
                                        {"integer_share", executor.integer_share()},
                                        {"executor", executor.name()},
                                        {"oracle_samples", verdict.samples},
                                        {"oracle_different", verdict.different}})
                    .dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  else
    say("{}: top-1 {:.2f} %, top-5 {:.2f} % of {} test samples of {}; {} bytes, {:.1f} % of the "
        "MACs on integers; {} answers {} of {} samples as the reference does, bit for bit\n",
        path.string(), 100 * accuracy.top1(), 100 * accuracy.top5(), accuracy.samples,
        recipe.dataset, bytes, 100 * executor.integer_share(), executor.name(),
        verdict.samples - verdict.different, verdict.samples);
  return verdict.different == 0 ? 0 : 1;
}

}  // namespace quantbench
