#include "results/leaderboard.h"

#include <fmt/chrono.h>

#include <set>

#include "base/error.h"
#include "base/file.h"
#include "bench/commands/commands.h"
#include "bench/reference_folder.h"
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

// The board of the runs that the filters leave; "" when there are none.
std::string board_text(const Arguments& arguments, const Store& store) {
  const RunFilter& filter = arguments.filter;
  const Board board = read_board(store);
  std::vector<BoardEntry> entries;
  for (BoardEntry& e : board_entries(board)) {
    const bool fits = (filter.method.empty() || filter.method == e.method) &&
                      (filter.model.empty() || filter.model == e.model) &&
                      (filter.dataset.empty() || filter.dataset == e.dataset);
    if (fits) entries.push_back(std::move(e));
  }
  std::string out;
  if (entries.empty()) return out;
  for (const Grid& grid : board_grids(store, board, entries, published_figures()))
    out += render_grid(grid, arguments.format, terminal_width());
  return out;
}

// The boards of the store and, apart from it, of the reference.
int print_boards(const Arguments& arguments, const Store& store) {
  check_filter(store, arguments.filter);
  const std::string board = board_text(arguments, store);
  require(!board.empty(), "There is no finished run to rank.");
  say("{}", board);
  const std::string heading = reference_heading(arguments);
  if (heading.empty()) return 0;
  if (const auto reference = reference_store(arguments)) {
    const std::string apart = board_text(arguments, *reference);
    if (!apart.empty()) say("{}{}", heading, apart);
  }
  return 0;
}

void write_page(const std::filesystem::path& file, const Store& store,
                const LeaderboardConfig& config) {
  const std::string page = leaderboard_html(store, config);
  write_atomically(file, page);
  say("{}: {} bytes\n", file.string(), page.size());
}

}  // namespace

int leaderboard_command(const Arguments& arguments) {
  namespace fs = std::filesystem;
  const Store store = existing_store(arguments);
  if (arguments.format != "html") {
    require(arguments.out.empty(), "'quantbench leaderboard --format={}' writes to the terminal.",
            arguments.format);
    return print_boards(arguments, store);
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
  const std::optional<Store> reference = reference_store(arguments);
  if (reference) config.beside = {"reference.html", "Reference"};
  std::error_code code;
  fs::create_directories(arguments.out, code);
  require(!code && fs::is_directory(arguments.out), "Cannot make the folder {}: {}.",
          arguments.out.string(), code ? code.message() : "a file of that name is there");
  write_page(arguments.out / "index.html", store, config);
  if (reference) {
    config.beside = {"index.html", "Runs of the store"};
    write_page(arguments.out / "reference.html", *reference, config);
  }
  return 0;
}

}  // namespace quantbench
