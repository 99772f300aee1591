#include "results/leaderboard.h"

#include <fmt/chrono.h>

#include <set>

#include "base/error.h"
#include "base/file.h"
#include "bench/commands/commands.h"
#include "bench/terminal.h"
#include "methods/method.h"
#include "results/board_grid.h"
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

namespace {

// The board on a terminal, of the runs that the filters leave.
int print_board(const Arguments& arguments, const Store& store) {
  const RunFilter& filter = arguments.filter;
  check_filter(store, filter);
  const Board board = read_board(store);
  std::vector<BoardEntry> entries;
  for (BoardEntry& e : board_entries(board)) {
    const bool fits = (filter.method.empty() || filter.method == e.method) &&
                      (filter.model.empty() || filter.model == e.model) &&
                      (filter.dataset.empty() || filter.dataset == e.dataset);
    if (fits) entries.push_back(std::move(e));
  }
  require(!entries.empty(), "There is no finished run to rank.");
  for (const Grid& grid : board_grids(store, board, entries, published_figures()))
    say("{}", render_grid(grid, arguments.format, terminal_width()));
  return 0;
}

}  // namespace

int leaderboard_command(const Arguments& arguments) {
  namespace fs = std::filesystem;
  const Store store = existing_store(arguments);
  if (arguments.format != "html") {
    require(arguments.out.empty(), "'quantbench leaderboard --format={}' writes to the terminal.",
            arguments.format);
    return print_board(arguments, store);
  }
  require(
      !arguments.out.empty(),
      "'quantbench leaderboard' takes --out=FOLDER for its page, or --format=text for a table.");
  const RunFilter& filter = arguments.filter;
  require(filter.method.empty() && filter.model.empty() && filter.dataset.empty(),
          "'quantbench leaderboard' puts all runs on its page, which has filters of its own; "
          "--format=text takes --method, --model and --dataset.");
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
