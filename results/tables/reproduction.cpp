#include "results/tables/reproduction.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "results/contract_rows.h"

namespace quantbench {
namespace {

// One seed's figures, in the units of papers.
using Figures = std::map<std::string, double>;

Figures figures_of(Statement& row) {
  Figures out;
  const auto shipped = row.maybe_real(), simulated = row.maybe_real(), top5 = row.maybe_real(),
             validation = row.maybe_real(), paper_bits = row.maybe_real(),
             weight_bits = row.maybe_real(), activation_bits = row.maybe_real(),
             bops = row.maybe_real(), parameters = row.maybe_real();
  const auto top1 = shipped ? shipped : simulated;
  if (top1) {
    out["top1"] = 100 * *top1;
    out["top1_err"] = 100 - 100 * *top1;
  }
  if (top5) {
    out["top5"] = 100 * *top5;
    out["top5_err"] = 100 - 100 * *top5;
  }
  if (validation) out["val_top1"] = 100 * *validation;
  if (paper_bits) out["size_mb"] = *paper_bits / 8e6;
  if (weight_bits && *weight_bits > 0) out["w_comp"] = 32 / *weight_bits;
  if (paper_bits && *paper_bits > 0 && parameters) out["w_comp"] = 32 * *parameters / *paper_bits;
  if (activation_bits && *activation_bits > 0) out["a_comp"] = 32 / *activation_bits;
  if (bops) {
    out["bops"] = *bops;
    out["gbops"] = *bops / 1e9;
  }
  return out;
}

// The newest finished run of each seed, of the newest version of the method.
std::vector<Figures> seeds_of(const Store& store, const std::vector<std::string>& digests) {
  std::map<int64_t, std::pair<int64_t, Figures>> newest;  // seed -> (version, figures)
  int64_t version = 0;
  for (const std::string& digest : digests) {
    const auto id = row_with(store.connection(), "configurations", digest);
    if (!id) continue;
    Statement query = store.connection().prepare(
        "SELECT r.seed, r.method_version, s.top1_shipped, s.top1_simulated, s.top5_simulated, "
        "s.validation_top1, s.size_paper_bits, s.weight_bits_average, s.activation_bits_average, "
        "s.bops, s.size_paper_parameters, r.id FROM runs r JOIN results s ON s.run = r.id "
        "WHERE r.configuration = ? AND r.status = 'ok' ORDER BY r.method_version, r.started, r.id");
    query.bind(*id);
    while (query.step()) {
      const int64_t seed = query.integer(), of_version = query.integer();
      version = std::max(version, of_version);
      Figures figures = figures_of(query);
      const int64_t run = query.integer();
      for (const auto& [name, value] : store.result(run).figures) figures[name] = value;
      newest[seed] = {of_version, std::move(figures)};
    }
  }
  std::vector<Figures> out;
  for (const auto& [seed, entry] : newest)
    if (entry.first == version) out.push_back(entry.second);
  return out;
}

// Of the accuracy whose name stands before "_std".
bool is_deviation(const std::string& metric) {
  return metric.size() > 4 && metric.compare(metric.size() - 4, 4, "_std") == 0;
}

Summary ours_of(const std::vector<Figures>& seeds, const PaperRow& row, const std::string& metric) {
  std::vector<double> values;
  const bool deviation = is_deviation(metric);
  const std::string name = deviation ? metric.substr(0, metric.size() - 4) : metric;
  for (const Figures& figures : seeds) {
    const auto found = figures.find(name);
    if (found == figures.end()) continue;
    values.push_back(metric == "size_mb" ? found->second * 1e6 / row.megabyte : found->second);
  }
  Summary out = summarize(values);
  if (!deviation) return out;
  return out.n > 1 ? Summary{out.n, out.std, NAN} : summarize({});
}

bool in_points(const std::string& metric) {
  return metric.rfind("top1", 0) == 0 || metric.rfind("top5", 0) == 0 || metric == "val_top1";
}

CellVerdict missing(const PaperRow& row, const TableContext& context) {
  if (row.recipe.empty() && !context.has_model(row.model)) return CellVerdict::NoModel;
  if (!context.has_data(row.dataset)) return CellVerdict::DataNotHere;
  return row.recipe.empty() ? CellVerdict::NoRecipe : CellVerdict::NotRun;
}

double published_std(const std::vector<PaperRow>& rows, const PaperRow& row,
                     const std::string& metric) {
  for (const PaperRow& other : rows) {
    const bool same = other.table == row.table && other.dataset == row.dataset &&
                      other.model == row.model && other.method == row.method &&
                      other.weight_bits == row.weight_bits &&
                      other.activation_bits == row.activation_bits;
    if (!same) continue;
    for (const auto& [name, value] : other.figures)
      if (name == metric + "_std" && value) return *value;
  }
  return 0;
}

Cell cell_of(const std::vector<PaperRow>& rows, const PaperRow& row, const std::string& metric,
             const std::optional<double>& published, const std::vector<Figures>& seeds,
             const TableContext& context) {
  Cell cell{metric, published, row.is_second_hand(metric), ours_of(seeds, row, metric), {}, 0, {}};
  if (!published) {
    cell.verdict = CellVerdict::NoFigure;
  } else if (cell.ours.n > 0) {
    cell.difference = cell.ours.mean - *published;
    if (is_deviation(metric)) {
      cell.verdict = CellVerdict::Spread;
      return cell;
    }
    const double tolerance =
        in_points(metric) ? context.tolerance : context.relative_tolerance * std::abs(*published);
    const Judgement judged =
        judge_figure(metric, cell.ours, *published, published_std(rows, row, metric), tolerance);
    cell.verdict = judged.verdict;
    cell.seeds_needed = judged.seeds_needed;
  } else if (!seeds.empty()) {
    cell.verdict = CellVerdict::NotMeasured;
  } else {
    cell.verdict = missing(row, context);
  }
  return cell;
}

bool is_judged(const Cell& cell) {
  return cell.difference.has_value() && cell.verdict != CellVerdict::Spread;
}

// All but one figure that the same runs stand for lose their verdict.
void judge_once(std::vector<TableRow>& rows) {
  using Key = std::tuple<std::string, std::map<std::string, std::string>, std::string>;
  std::map<Key, Cell*> judged;
  for (const bool second_hand : {false, true})
    for (TableRow& row : rows)
      for (Cell& cell : row.cells) {
        if (!is_judged(cell) || cell.second_hand != second_hand) continue;
        const auto [found, fresh] =
            judged.try_emplace(Key{row.row.recipe, row.row.keys, cell.metric}, &cell);
        if (!fresh) cell.verdict = CellVerdict::SameRuns;
      }
}

}  // namespace

bool less_is_better(const std::string& metric) {
  for (const char* part : {"err", "loss", "size", "latency", "bops", "_ms", "_ns", "cycles", "lut",
                           "dsp", "ff", "ii", "drop", "train_s", "mse", "std"})
    if (metric.find(part) != std::string::npos) return true;
  return false;
}

Judgement judge_figure(const std::string& metric, const Summary& ours, double published,
                       double published_std, double tolerance) {
  constexpr int64_t kMostSeeds = 1000;
  constexpr double kRounding = 1e-9;
  const double difference = ours.mean - published;
  const double margin = tolerance + kRounding;
  const auto beyond = [&](double value) {
    return (value > 0) != less_is_better(metric) ? CellVerdict::Better : CellVerdict::NotReproduced;
  };
  const bool varies = in_points(metric);
  if (!varies || (ours.n > 1 && ours.std == 0 && published_std == 0))
    return {std::abs(difference) <= margin ? CellVerdict::Reproduced : beyond(difference), 0};
  if (ours.n < 2) return {CellVerdict::Undecided, 2};
  const auto reach = [&](int64_t n) {
    const Summary spread{n, 0, std::hypot(ours.std, published_std)};
    return mean_interval(spread, 0.9).high;
  };
  const double own = reach(ours.n);
  if (std::abs(difference) + own <= margin) return {CellVerdict::Reproduced, 0};
  if (std::abs(difference) - own > margin) return {beyond(difference), 0};
  for (int64_t n = ours.n + 1; n <= kMostSeeds; ++n)
    if (reach(n) <= std::abs(std::abs(difference) - tolerance)) return {CellVerdict::Undecided, n};
  return {CellVerdict::Undecided, 0};
}

const char* name_of(CellVerdict verdict) {
  static constexpr const char* names[] = {"reproduced",
                                          "better",
                                          "not reproduced",
                                          "undecided",
                                          "same runs as another row",
                                          "spread",
                                          "not measured here",
                                          "not run",
                                          "data not here",
                                          "no such model",
                                          "no recipe",
                                          "no figure given"};
  return names[static_cast<size_t>(verdict)];
}

std::vector<TableRow> reproduce(const Store* store, const std::vector<PaperRow>& rows,
                                const TableContext& context) {
  struct Known {
    std::vector<Figures> seeds;
    std::vector<std::string> configurations;
  };
  std::map<std::pair<std::string, std::map<std::string, std::string>>, Known> known;
  std::vector<TableRow> out;
  for (const PaperRow& row : rows) {
    auto [found, fresh] = known.try_emplace({row.recipe, row.keys});
    if (fresh && store != nullptr && !row.recipe.empty()) {
      const auto digests = context.configurations(row.recipe, row.keys);
      found->second.seeds = seeds_of(*store, digests);
      for (const std::string& digest : digests)
        if (row_with(store->connection(), "configurations", digest))
          found->second.configurations.push_back(digest);
    }
    TableRow line{row, {}, found->second.configurations};
    for (const auto& [metric, published] : row.figures)
      line.cells.push_back(cell_of(rows, row, metric, published, found->second.seeds, context));
    out.push_back(std::move(line));
  }
  judge_once(out);
  return out;
}

std::string count_verdicts(const std::vector<TableRow>& rows) {
  std::map<CellVerdict, int64_t> counts;
  for (const TableRow& row : rows)
    for (const Cell& cell : row.cells) ++counts[cell.verdict];
  std::string out;
  for (const auto& [verdict, count] : counts)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, name_of(verdict));
  return out;
}

}  // namespace quantbench
