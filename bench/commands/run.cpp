#include <cmath>

#include "base/error.h"
#include "bench/commands/commands.h"
#include "bench/interrupt.h"
#include "methods/method.h"
#include "results/run_json.h"

namespace quantbench {
namespace {

std::string percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.2f} %", 100 * *share) : "-";
}

void print_outcome(const Arguments& arguments, const Store& store, const RunRecord& run) {
  const RunResult r = store.result(run.id);
  if (arguments.json) {
    fmt::print("{}\n", summary_json(run, r).dump());
  } else if (run.status == RunStatus::Ok || run.status == RunStatus::Mistrusted) {
    fmt::print(
        "run {}: {} {}/{} seed {}: {}; top-1 FP32 {}, simulated {}, shipped {}; {} bytes, {:.2f} "
        "weight bits{}{}\n",
        run.id, run.method, run.model, run.dataset, run.seed, name_of(run.status),
        percent(r.top1_fp32), percent(r.top1_simulated), percent(r.top1_shipped),
        r.size_bytes.value_or(0), r.weight_bits_average.value_or(32),
        run.reason.empty() ? "" : ": ", run.reason);
  } else {
    fmt::print("run {}: {} {}/{} seed {}: {}: {}\n", run.id, run.method, run.model, run.dataset,
               run.seed, name_of(run.status), run.reason);
  }
  std::fflush(stdout);
}

int exit_code(const RunRecord& run) {
  if (run.status == RunStatus::Ok) return 0;
  return run.status == RunStatus::Interrupted ? 130 : 1;
}

bool done_before(const Store& store, const Recipe& recipe) {
  for (const RunRecord& run : store.runs({recipe.method, recipe.model, recipe.dataset, "ok", 0}))
    if (run.recipe == recipe.canonical()) return true;
  return false;
}

// What two runs of one recipe say about each other.
std::string compare(const RunResult& before, const RunResult& now) {
  if (before.weights_hash == now.weights_hash && before.package_hash == now.package_hash &&
      before.predictions_hash == now.predictions_hash)
    return "exact";
  const double a = before.top1_simulated.value_or(-1), b = now.top1_simulated.value_or(-1);
  const auto n = static_cast<double>(before.test_samples.value_or(0));
  // Two standard errors of the difference of two binomial shares.
  const double noise = 2 * std::sqrt(2 * a * (1 - a) / std::max(n, 1.0));
  return std::abs(a - b) <= noise ? "within noise" : "different";
}

}  // namespace

// Names the file in the option that methods with bits per site have for it.
void give_allocation(RecipeText& text, const std::string& file) {
  const auto found = text.find("method");
  require(found != text.end(), "Option --allocation needs a recipe that names its method.");
  for (const std::string& method : found->second) {
    const auto& options = methods().get(method).card.options;
    require(std::any_of(options.begin(), options.end(),
                        [](const Option& option) { return option.name == "allocation"; }),
            "The method {} takes no allocation: it has no bits of its own for each site.", method);
    text[method + ".allocation"] = {file};
  }
}

int run_command(const Arguments& arguments) {
  require(arguments.operands.size() <= 1, "'quantbench run' takes one recipe.");
  RecipeText text = load_recipe(arguments.operands.empty() ? "default" : arguments.operands[0]);
  text = merge(std::move(text), arguments.recipe);
  if (!arguments.allocation.empty()) give_allocation(text, arguments.allocation);
  const std::vector<Recipe> recipes = expand(text);
  Runner runner(arguments.runner);
  int worst = 0;
  for (const Recipe& recipe : recipes) {
    if (arguments.skip_done && done_before(runner.store(), recipe)) continue;
    try {
      const RunRecord run = runner.run(recipe);
      print_outcome(arguments, runner.store(), run);
      worst = std::max(worst, exit_code(run));
    } catch (const Error& problem) {
      // In a sweep the other points go on.
      if (recipes.size() == 1) throw;
      fmt::print(stderr, "quantbench: {}\n", problem.what());
      worst = std::max(worst, 1);
    }
    if (interrupt_requested()) return 130;
  }
  return worst;
}

int resume_command(const Arguments& arguments) {
  Runner runner(arguments.runner);
  const RunRecord run = runner.resume(run_operand(arguments));
  print_outcome(arguments, runner.store(), run);
  return exit_code(run);
}

int replay_command(const Arguments& arguments) {
  Runner runner(arguments.runner);
  const RunRecord before = runner.store().run(run_operand(arguments));
  require(before.status == RunStatus::Ok || before.status == RunStatus::Mistrusted,
          "Run {} has no result to compare with: it is {}.", before.id, name_of(before.status));
  const RunRecord now = runner.run(recipe_of(before));
  print_outcome(arguments, runner.store(), now);
  if (now.status != before.status) {
    fmt::print("replay of run {}: {} then, {} now\n", before.id, name_of(before.status),
               name_of(now.status));
    return std::max(1, exit_code(now));
  }
  const std::string verdict =
      compare(runner.store().result(before.id), runner.store().result(now.id));
  fmt::print("replay of run {}: {}\n", before.id, verdict);
  return verdict == "different" ? 1 : 0;
}

}  // namespace quantbench
