#include <algorithm>
#include <cctype>
#include <set>

#include "base/error.h"
#include "bench/commands/commands.h"
#include "bench/interrupt.h"
#include "bench/reference_folder.h"
#include "bench/run_plan.h"
#include "bench/terminal.h"
#include "datasets/dataset.h"
#include "models/model.h"
#include "results/contract_rows.h"
#include "results/sqlite.h"
#include "results/tables/reproduction.h"

namespace quantbench {
namespace {

// "cifar10" of "CIFAR-10".
std::string plain(const std::string& name) {
  std::string out;
  for (unsigned char c : name)
    if (std::isalnum(c)) out += static_cast<char>(std::tolower(c));
  return out;
}

// The recipes that reproduce a row; none while the recipe that the row names is not built in.
std::vector<Recipe> recipes_of(const std::string& name,
                               const std::map<std::string, std::string>& keys) {
  if (embedded_recipes().count(name) == 0) return {};
  RecipeText over;
  for (const auto& [key, value] : keys) over[key] = {value};
  return expand(merge(load_recipe(name), over));
}

bool has_data(const Arguments& arguments, const std::string& name) {
  for (const std::string& known : datasets().names()) {
    if (plain(known) != plain(name)) continue;
    const DatasetEntry& entry = datasets().get(known);
    return !entry.missing || entry.missing(data_root(arguments.runner.data)).empty();
  }
  return false;
}

// Papers write "ResNet-20", "GIN_5x64", "VGG-small"; ours are resnet20, gin5, vgg7.
bool has_model(const std::string& name) {
  const std::string wanted = plain(name);
  if (wanted == "vggsmall") return true;
  for (const std::string& known : models().names()) {
    const std::string own = plain(known);
    const bool digit_follows =
        wanted.size() > own.size() && std::isdigit(static_cast<unsigned char>(wanted[own.size()]));
    if (wanted.rfind(own, 0) == 0 &&
        (wanted.size() == own.size() || !digit_follows || name.find('_') != std::string::npos))
      return true;
  }
  return false;
}

TableContext context_of(const Arguments& arguments) {
  TableContext context;
  context.configurations = [](const std::string& name,
                              const std::map<std::string, std::string>& keys) {
    std::set<std::string> out;
    for (const Recipe& recipe : recipes_of(name, keys))
      out.insert(configuration_digest(recipe.canonical()));
    return std::vector<std::string>(out.begin(), out.end());
  };
  context.has_model = has_model;
  context.has_data = [&arguments](const std::string& name) { return has_data(arguments, name); };
  context.tolerance = arguments.tolerance;
  return context;
}

bool is_done(const Store& store, const Recipe& recipe) {
  Statement query = store.connection().prepare(
      "SELECT 1 FROM runs r JOIN configurations c ON c.id = r.configuration "
      "WHERE c.sha256 = ? AND r.seed = ? AND r.status = 'ok'");
  query.bind(configuration_digest(recipe.canonical()), static_cast<int64_t>(recipe.seed));
  return query.step();
}

// The rows' recipes that have no result yet and whose data is here.
std::vector<Recipe> missing_runs(const Arguments& arguments, const std::vector<PaperRow>& rows,
                                 const Store& store) {
  std::set<std::string> seen;
  std::vector<Recipe> out;
  for (const PaperRow& row : rows)
    for (Recipe& recipe : recipes_of(row.recipe, row.keys))
      if (seen.insert(recipe.canonical()).second && !is_done(store, recipe) &&
          has_data(arguments, recipe.dataset))
        out.push_back(std::move(recipe));
  return out;
}

// A run that fails does not stop the others. What will be run, and how long that should take, is
// said first.
void run_missing(const Arguments& arguments, const std::vector<PaperRow>& rows) {
  Runner runner(arguments.runner);
  const std::vector<Recipe> recipes = missing_runs(arguments, rows, runner.store());
  if (recipes.empty()) {
    note(
        "quantbench: nothing is to be run: no row without a result has both a recipe and "
        "its data here.\n");
    return;
  }
  const RunPlan plan =
      plan_runs(recipes, &runner.store(), data_root(arguments.runner.data), arguments.runner.store);
  note("{}", plan_text(plan));
  for (size_t i = 0; i < recipes.size(); ++i) {
    runner.announce(fmt::format("[{} of {}] ", i + 1, recipes.size()));
    try {
      const RunRecord run = runner.run(recipes[i]);
      if (run.status != RunStatus::Ok)
        note("quantbench: run {}: {}: {}\n", run.id, name_of(run.status), run.reason);
    } catch (const Error& problem) {
      note("quantbench: {}\n", problem.what());
    }
    if (interrupt_requested()) fail("Stopped; what was finished is kept.");
  }
}

// What the reference has of the same rows: the rest of the page of people's formats.
std::string reference_table(const Arguments& arguments, const std::vector<PaperRow>& rows,
                            const std::optional<Store>& reference) {
  if (!reference || reference_heading(arguments).empty()) return "";
  auto made = reproduce(&*reference, rows, context_of(arguments));
  made.erase(std::remove_if(made.begin(), made.end(),
                            [](const TableRow& row) {
                              return std::none_of(row.cells.begin(), row.cells.end(),
                                                  [](const Cell& c) { return c.ours.n > 0; });
                            }),
             made.end());
  if (made.empty()) return "";
  if (arguments.operands.empty())
    return fmt::format("{:<24} {}\n", "  reference", count_verdicts(made));
  return reference_heading(arguments) +
         render_table(made, arguments.format, std::min<size_t>(terminal_width(), 120));
}

}  // namespace

int table_command(const Arguments& arguments) {
  require(arguments.operands.size() <= 2,
          "'quantbench table' takes a paper and one of its tables; without any it lists papers.");
  const bool all = arguments.operands.empty();
  require(!all || arguments.format == "text",
          "'quantbench table' without a paper lists papers as text; name one for --format={}.",
          arguments.format);
  const auto& papers = embedded_papers();
  const std::string table = arguments.operands.size() > 1 ? arguments.operands[1] : "";
  const auto names = all ? paper_names(papers) : std::vector<std::string>{arguments.operands[0]};
  const std::optional<Store> reference = reference_store(arguments);
  for (const std::string& name : names) {
    const std::vector<PaperRow> rows = paper_rows(papers, name, table);
    if (arguments.run_missing) run_missing(arguments, rows);
    std::optional<Store> store;
    if (std::filesystem::exists(arguments.runner.store)) store = store_at(arguments.runner.store);
    const auto made = reproduce(store ? &*store : nullptr, rows, context_of(arguments));
    if (all)
      say("{:<24} {}\n", name, count_verdicts(made));
    else
      say("{}", render_table(made, arguments.format, std::min<size_t>(terminal_width(), 120)));
    say("{}", reference_table(arguments, rows, reference));
  }
  return 0;
}

}  // namespace quantbench
