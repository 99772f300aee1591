#include "results/compare/compare.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/nearest.h"
#include "bench/commands/commands.h"
#include "bench/reference_folder.h"
#include "bench/terminal.h"
#include "methods/method.h"
#include "results/contract_rows.h"
#include "results/replays.h"

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

// A key narrows nothing when no candidate's recipe has it.
void require_keys_used(const Arguments& arguments, const Store& store,
                       const std::vector<std::vector<Candidate>>& sides) {
  if (arguments.recipe.empty()) return;
  require(!std::all_of(arguments.operands.begin(), arguments.operands.end(), is_number),
          "--{} narrows methods and recipes, and what is to be compared are single runs.",
          arguments.recipe.begin()->first);
  std::map<std::string, std::string> known;
  for (const auto& side : sides)
    for (const Candidate& candidate : side)
      known.merge(recipe_lines(configuration_recipe(store, candidate.configuration)));
  known["seed"];
  std::vector<std::string> keys;
  for (const auto& [key, value] : known) keys.push_back(key);
  for (const auto& [key, values] : arguments.recipe)
    require(known.count(key), "--{} narrows nothing: none of the recipes to be compared has it{}",
            key, nearest_name(key, keys).empty() ? "." : did_you_mean(key, keys, "--"));
}

// `compare reference`.
int compare_with_reference(const Arguments& arguments, const Store& store) {
  const std::optional<Store> reference = reference_store(arguments);
  require(reference.has_value(),
          "There is no folder of reference runs beside this program; name one with --reference.");
  const auto found = replays(store, *reference);
  say("{}", render_replays(found, arguments.format, terminal_width()));
  return any_different(found) ? 3 : 0;  // 1 is an error's
}

// The same of the reference, for people's formats: what of `words` it has.
void say_reference(const Arguments& arguments, const std::vector<std::string>& words) {
  const std::string heading = reference_heading(arguments);
  const std::optional<Store> reference =
      heading.empty() ? std::nullopt : reference_store(arguments);
  if (!reference) return;
  std::vector<std::vector<Candidate>> sides;
  std::vector<TaskComparison> tasks;
  for (const std::string& word : words) {
    if (is_number(word)) return;  // of the store
    try {
      sides.push_back(candidates_of(arguments, *reference, word));
    } catch (const Error&) {  // the reference has none of it
    }
  }
  try {
    tasks = compare(*reference, sides,
                    {arguments.alpha, !arguments.against.empty() && sides.size() == words.size()});
  } catch (const Error&) {  // nothing that can be compared
    return;
  }
  say("{}{}", heading,
      arguments.explain ? comparison_text(tasks)
                        : comparison_table(tasks, arguments.format, terminal_width()));
}

}  // namespace

int compare_command(const Arguments& arguments) {
  require(!arguments.operands.empty(),
          "'quantbench compare' takes runs, methods or recipes; 'quantbench runs' lists runs.");
  const Store store = existing_store(arguments);
  if (arguments.operands == std::vector<std::string>{"reference"})
    return compare_with_reference(arguments, store);
  std::vector<std::string> words = arguments.operands;
  if (!arguments.against.empty()) words.push_back(arguments.against);
  std::vector<std::vector<Candidate>> sides;
  for (const std::string& word : words) sides.push_back(candidates_of(arguments, store, word));
  require_keys_used(arguments, store, sides);
  const auto tasks = compare(store, sides, {arguments.alpha, !arguments.against.empty()});
  require(!arguments.explain || arguments.format == "text",
          "'quantbench compare' explains in text, and not as {}.", arguments.format);
  if (arguments.json)
    say("{}\n",
        comparison_json(tasks).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  else
    say("{}", arguments.explain ? comparison_text(tasks)
                                : comparison_table(tasks, arguments.format, terminal_width()));
  say_reference(arguments, words);
  return 0;
}

}  // namespace quantbench
