#include <cstdio>

#include "base/error.h"
#include "bench/bits_files.h"
#include "bench/calibration_set.h"
#include "bench/commands/commands.h"
#include "bench/data_parallel.h"
#include "bench/fp32_weights.h"
#include "bench/interrupt.h"
#include "bench/model_file.h"
#include "bench/run_plan.h"
#include "datasets/dataset.h"
#include "methods/method.h"
#include "results/contract.h"
#include "results/provenance_differences.h"
#include "results/replays.h"
#include "results/run_json.h"

namespace quantbench {
namespace {

std::string percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.2f} %", 100 * *share) : "-";
}

void print_outcome(const Arguments& arguments, const Store& store, const RunRecord& run) {
  const RunResult r = store.result(run.id);
  if (arguments.json) {
    say("{}\n",
        summary_json(run, r).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else if (run.status == RunStatus::Ok || run.status == RunStatus::Mistrusted) {
    say("run {}: {} {}/{} seed {}: {}; top-1 FP32 {}, simulated {}, shipped {}; {} bytes, {:.2f} "
        "weight bits{}{}{}\n",
        run.id, run.method, run.model, run.dataset, run.seed, name_of(run.status),
        percent(r.top1_fp32), percent(r.top1_simulated), percent(r.top1_shipped),
        r.size_bytes.value_or(0), r.weight_bits_average.value_or(32), partial_note(r),
        run.reason.empty() ? "" : ": ", run.reason);
  } else {
    say("run {}: {} {}/{} seed {}: {}: {}\n", run.id, run.method, run.model, run.dataset, run.seed,
        name_of(run.status), run.reason);
  }
  std::fflush(stdout);
}

int exit_code(const RunRecord& run) {
  if (run.status == RunStatus::Ok) return 0;
  return run.status == RunStatus::Interrupted ? 130 : 1;
}

bool done_before(const Store& store, const Recipe& recipe) {
  for (const RunRecord& run : store.runs({recipe.method, recipe.model, recipe.dataset, "ok", 0}))
    if (run.seed == recipe.seed && without_seed(run.recipe) == without_seed(recipe.canonical()))
      return true;
  return false;
}

// What may explain a replay that did not come out exact.
std::string explanation(const RunRecord& before, const RunRecord& now) {
  const auto found = provenance_differences(before, now);
  if (found.empty())
    return "  Nothing that is kept of the two differs: data, source, libraries, machine and "
           "threads "
           "are the same.\n";
  std::string out = "  They differ in:\n";
  for (const std::string& one : found) out += "    " + one + "\n";
  return out;
}

}  // namespace

// Options alone are a recipe of their own over the documented defaults; the demo is what nothing at
// all asks for.
RecipeText recipe_text(const Arguments& arguments) {
  const bool demo = arguments.operands.empty() && arguments.recipe.empty();
  RecipeText text;
  if (demo || !arguments.operands.empty())
    text = load_recipe(demo ? "default" : arguments.operands[0]);
  return merge(std::move(text), arguments.recipe);
}

int dry_run(const Arguments& arguments, const std::vector<Recipe>& recipes) {
  std::optional<Store> store;
  if (std::filesystem::exists(arguments.runner.store))
    store.emplace(arguments.runner.store, Store::Access::Read);
  std::vector<Recipe> wanted;
  for (const Recipe& recipe : recipes)
    if (!arguments.skip_done || !store || !done_before(*store, recipe)) wanted.push_back(recipe);
  const RunPlan plan = plan_runs(wanted, store ? &*store : nullptr,
                                 data_root(arguments.runner.data), arguments.runner.store);
  say("{}", plan_text(plan));
  return plan.obstacles.empty() ? 0 : 1;
}

// "[2 of 4, weight_bits=4, 3 min left] " of the i-th run of a sweep.
std::string announcement(const RunPlan& plan, size_t i) {
  RunPlan left = plan;
  left.runs.erase(left.runs.begin(), left.runs.begin() + static_cast<std::ptrdiff_t>(i));
  const auto seconds = total_seconds(left);
  return fmt::format("[{} of {}{}{}] ", i + 1, plan.runs.size(),
                     plan.runs[i].swept.empty() ? "" : ", " + plan.runs[i].swept,
                     seconds ? ", about " + duration_text(*seconds) + " left" : "");
}

// After Ctrl-C: the commands that bring what was stopped to its end.
void say_how_to_go_on(const Arguments& arguments, const RunRecord& run, bool more) {
  note("quantbench: stopped; 'quantbench resume {}{}' goes on with it{}\n", run.id,
       context_options(arguments),
       more ? ", and the same command with --skip-done with the rest." : ".");
}

// "2/5": every fifth point of the sweep from the second one on.
void keep_part(std::vector<Recipe>& recipes, const std::string& part) {
  if (part.empty()) return;
  size_t which = 0, of = 0;
  char rest = 0;
  const bool sound = part.find_first_not_of("0123456789/") == std::string::npos &&
                     std::sscanf(part.c_str(), "%9zu/%9zu%c", &which, &of, &rest) == 2 &&
                     which > 0 && which <= of;
  require(sound, "Option --part takes I/N, the I-th of N parts of a sweep, not '{}'.", part);
  std::vector<Recipe> kept;
  for (size_t i = which - 1; i < recipes.size(); i += of) kept.push_back(recipes[i]);
  recipes = std::move(kept);
}

// What several processes train is another configuration than what one does.
void count_processes(RecipeText& text, const DataParallel* parallel) {
  if (parallel) text.try_emplace("batch.processes", 1, std::to_string(parallel->size()));
}

int run_command(const Arguments& arguments) {
  require(arguments.operands.size() <= 1, "'quantbench run' takes one recipe.");
  RecipeText text = recipe_text(arguments);
  include_bits_files(text);
  if (!arguments.allocation.empty()) give_allocation(text, arguments.allocation);
  count_processes(text, arguments.runner.parallel);
  name_runs(text, arguments.runner.store);
  name_models(text);
  name_calibration_list(text);
  std::vector<Recipe> recipes = expand(text);
  require_used(arguments.recipe, recipes);
  keep_part(recipes, arguments.part);
  const auto root = data_root(arguments.runner.data);
  if (arguments.dry_run) return dry_run(arguments, recipes);
  for (const Recipe& recipe : recipes) weight_file(recipe, root, arguments.runner.store);
  Runner runner(arguments.runner);
  const RunPlan plan = plan_runs(recipes, &runner.store(), root, arguments.runner.store);
  int worst = 0;
  for (size_t i = 0; i < recipes.size(); ++i) {
    const Recipe& recipe = recipes[i];
    if (arguments.skip_done && done_before(runner.store(), recipe)) continue;
    if (recipes.size() > 1) runner.announce(announcement(plan, i));
    try {
      const RunRecord run = runner.run(recipe);
      print_outcome(arguments, runner.store(), run);
      worst = std::max(worst, exit_code(run));
      if (run.status == RunStatus::Interrupted)
        say_how_to_go_on(arguments, run, i + 1 < recipes.size());
    } catch (const Error& problem) {
      // In a sweep the other points go on, unless other processes wait for what this one does.
      if (recipes.size() == 1 || arguments.runner.parallel) throw;
      note("quantbench: {}\n", problem.what());
      worst = std::max(worst, 1);
    }
    if (interrupt_requested()) return 130;
    // They have left with a run that failed or was stopped.
    if (arguments.runner.parallel && worst > 0) return worst;
  }
  return worst;
}

int resume_command(const Arguments& arguments) {
  Runner runner(arguments.runner);
  const RunRecord run = runner.resume(run_operand(arguments));
  print_outcome(arguments, runner.store(), run);
  if (run.status == RunStatus::Interrupted) say_how_to_go_on(arguments, run, false);
  return exit_code(run);
}

int replay_command(const Arguments& arguments) {
  Runner runner(arguments.runner);
  const RunRecord before = runner.store().run(run_operand(arguments));
  require(before.status == RunStatus::Ok || before.status == RunStatus::Mistrusted,
          "Run {} has no result to compare with: it is {}.", before.id, name_of(before.status));
  const RunRecord now = runner.replay(before);
  print_outcome(arguments, runner.store(), now);
  if (now.status != before.status) {
    say("replay of run {}: {} then, {} now\n{}", before.id, name_of(before.status),
        name_of(now.status), explanation(before, now));
    return std::max(1, exit_code(now));
  }
  const Replay::Kind outcome =
      replayed(runner.store().result(before.id), runner.store().result(now.id));
  say("replay of run {}: {}\n", before.id, name_of(outcome));
  if (outcome != Replay::Kind::Exact) say("{}", explanation(before, now));
  return outcome == Replay::Kind::Different ? 1 : 0;
}

}  // namespace quantbench
