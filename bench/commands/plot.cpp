// Pictures from the command line, and what a run's predictions say class by class.
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/nearest.h"
#include "bench/commands/commands.h"
#include "bench/gnuplot.h"
#include "bench/terminal.h"
#include "results/board.h"
#include "results/confusion.h"
#include "results/plots/plots.h"

namespace quantbench {
namespace {

// The entries of the one task that the filters leave.
std::vector<BoardEntry> entries_of_task(const Store& store, const Board& board,
                                        const RunFilter& filter) {
  check_filter(store, filter);
  std::vector<BoardEntry> out;
  std::set<std::string> tasks;
  for (BoardEntry& e : board_entries(board)) {
    const auto fits = [](const std::string& wanted, const std::string& has) {
      return wanted.empty() || wanted == has;
    };
    if (!fits(filter.method, e.method) || !fits(filter.model, e.model) ||
        !fits(filter.dataset, e.dataset))
      continue;
    tasks.insert(fmt::format("--model={} --dataset={}", e.model, e.dataset));
    out.push_back(std::move(e));
  }
  require(!out.empty(), "There is no finished run to plot.");
  require(tasks.size() == 1, "There are runs of several tasks; name one of: {}.",
          fmt::join(tasks, ", "));
  return out;
}

std::vector<int64_t> runs_to_plot(const Arguments& arguments, size_t most) {
  std::vector<int64_t> out;
  for (size_t i = 1; i < arguments.operands.size(); ++i)
    out.push_back(run_number(arguments, arguments.operands[i]));
  require(!out.empty() && out.size() <= most, "'quantbench plot {}' takes the number of {}.",
          arguments.operands[0], most == 1 ? "one run" : fmt::format("one to {} runs", most));
  return out;
}

std::string script_of(const Arguments& arguments, const Store& store) {
  const std::string& kind = arguments.operands[0];
  if (kind == "pareto") {
    require(arguments.operands.size() == 1,
            "'quantbench plot pareto' takes no run, but --model, --dataset and --method.");
    const Board board = read_board(store);
    return pareto_script(entries_of_task(store, board, arguments.filter), board, arguments.cost);
  }
  const RunFilter& filter = arguments.filter;
  require(filter.method.empty() && filter.model.empty() && filter.dataset.empty(),
          "'quantbench plot {}' takes runs, and no filter.", kind);
  if (kind == "bits") return bits_script(store, runs_to_plot(arguments, 8));
  if (kind == "curves") return curves_script(store, runs_to_plot(arguments, 8));
  return confusion_script(store, runs_to_plot(arguments, 1)[0]);
}

}  // namespace

int plot_command(const Arguments& arguments) {
  const std::vector<std::string> kinds{"pareto", "bits", "curves", "confusion"};
  require(!arguments.operands.empty() && !arguments.out.empty(),
          "'quantbench plot' takes pareto, bits, curves or confusion, and --out=FILE.svg (or .pdf, "
          ".png).");
  const std::string& kind = arguments.operands[0];
  require(std::find(kinds.begin(), kinds.end(), kind) != kinds.end(), "There is no plot '{}'{}",
          kind,
          nearest_name(kind, kinds).empty() ? "; they are pareto, bits, curves and confusion."
                                            : did_you_mean(kind, kinds));
  const Store store = existing_store(arguments);
  draw_plot(script_of(arguments, store), arguments.out);
  say("{}\n", arguments.out.string());
  return 0;
}

int confusion_command(const Arguments& arguments) {
  const int64_t run = run_operand(arguments);
  const Store store = existing_store(arguments);
  const PredictionRow predictions = stored_predictions(store, run);
  const Confusion confusion = confusion_of(predictions);
  const RunRecord record = store.run(run);
  if (arguments.format == "json")
    say("{}", confusion_json(confusion, run, predictions.kind));
  else if (arguments.format == "csv")
    say("{}", confusion_csv(confusion));
  else
    say("{}", render_grid(class_grid(confusion, fmt::format("run {}: {} on {} / {}, {} predictions",
                                                            run, record.method, record.model,
                                                            record.dataset, predictions.kind)),
                          arguments.format, terminal_width()));
  return 0;
}

}  // namespace quantbench
