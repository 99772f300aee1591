#include "results/leaderboard.h"

#include <fmt/chrono.h>

#include <set>

#include "base/error.h"
#include "base/file.h"
#include "bench/commands/commands.h"
#include "methods/method.h"
#include "results/contract_rows.h"
#include "results/tables/paper.h"

namespace quantbench {

namespace {

// Top-1 of the papers' rows that recipes reproduce, by configuration.
std::map<std::string, std::vector<BoardFigure>> published_figures() {
  std::map<std::string, std::vector<BoardFigure>> out;
  for (const std::string& name : paper_names(embedded_papers()))
    for (const PaperRow& row : paper_rows(embedded_papers(), name))
      for (const auto& [metric, value] : row.figures) {
        const bool top1 = metric == "top1" || metric == "top1_err";
        if (!top1 || !value || embedded_recipes().count(row.recipe) == 0) continue;
        const BoardFigure figure{row.paper, metric == "top1" ? *value : 100 - *value,
                                 row.is_second_hand(metric)};
        RecipeText over;
        for (const auto& [key, text] : row.keys) over[key] = {text};
        std::set<std::string> digests;
        for (const Recipe& recipe : expand(merge(load_recipe(row.recipe), over)))
          digests.insert(configuration_digest(recipe.canonical()));
        for (const std::string& digest : digests) out[digest].push_back(figure);
      }
  return out;
}

}  // namespace

int leaderboard_command(const Arguments& arguments) {
  namespace fs = std::filesystem;
  require(arguments.operands.empty() && !arguments.out.empty(),
          "'quantbench leaderboard' takes --out=FOLDER for its page.");
  const Store store = existing_store(arguments);
  LeaderboardConfig config;
  config.details = arguments.details;
  config.made = fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::time(nullptr)));
  for (const std::string& name : methods().names()) {
    const MethodCard& card = methods().get(name).card;
    config.methods[name] = {card.title, card.paper, card.arxiv, card.year};
  }
  config.published = published_figures();
  const std::string page = leaderboard_html(store, config);
  std::error_code code;
  fs::create_directories(arguments.out, code);
  require(!code && fs::is_directory(arguments.out), "Cannot make the folder {}: {}.",
          arguments.out.string(), code ? code.message() : "a file of that name is there");
  write_atomically(arguments.out / "index.html", page);
  say("{}: {} bytes\n", (arguments.out / "index.html").string(), page.size());
  return 0;
}

}  // namespace quantbench
