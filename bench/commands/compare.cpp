#include "results/compare/compare.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "bench/commands/commands.h"
#include "methods/method.h"
#include "results/contract_rows.h"

namespace quantbench {
namespace {

bool is_number(const std::string& word) {
  return !word.empty() && word.size() < 19 &&
         std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_method(const Store& store, const std::string& word) {
  const auto names = methods().names();
  return std::find(names.begin(), names.end(), word) != names.end() ||
         !store.runs({word, "", "", "", 1}).empty();
}

// A number is a run; then a name of a method (also one that only the store knows), then a recipe.
std::vector<Candidate> candidates_of(const Arguments& arguments, const Store& store,
                                     const std::string& word) {
  Selection selection;
  if (is_number(word)) {
    selection.run = std::stoll(word);
    return select_candidates(store, selection, "run " + word);
  }
  selection.keys = arguments.recipe;
  if (is_method(store, word)) {
    selection.method = word;
    return select_candidates(store, selection, "method " + word);
  }
  for (const Recipe& recipe : expand(load_recipe(word)))
    selection.configurations.push_back(configuration_digest(recipe.canonical()));
  return select_candidates(store, selection, "recipe " + word);
}

}  // namespace

int compare_command(const Arguments& arguments) {
  require(!arguments.operands.empty(),
          "'quantbench compare' takes runs, methods or recipes; 'quantbench runs' lists runs.");
  const Store store = existing_store(arguments);
  std::vector<std::vector<Candidate>> sides;
  for (const std::string& word : arguments.operands)
    sides.push_back(candidates_of(arguments, store, word));
  const auto tasks = compare(store, sides, {arguments.alpha});
  if (arguments.json)
    fmt::print("{}\n", comparison_json(tasks).dump(2, ' ', false,
                                                   nlohmann::json::error_handler_t::replace));
  else
    fmt::print("{}", comparison_text(tasks));
  return 0;
}

}  // namespace quantbench
