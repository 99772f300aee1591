// Pictures of single runs: bits of sites, training curves, confusion.
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "results/confusion.h"
#include "results/plots/gnuplot.h"
#include "results/plots/plots.h"

namespace quantbench {
namespace {

std::string name_of_run(const RunRecord& run) {
  return fmt::format("run {}: {}, seed {}", run.id, run.method, run.seed);
}

std::string task_of(const RunRecord& run) { return run.model + " on " + run.dataset; }

// Two panels, one above the other.
std::string panel(const std::string& settings, const std::vector<std::string>& curves) {
  if (curves.empty()) return "";
  return settings + fmt::format("plot {}\n", fmt::join(curves, ", \\\n  "));
}

// One panel of bars: a group a site of `kind` (weights or all others), a bar a run.
std::string bars(const Store& store, const std::vector<int64_t>& runs, bool weights,
                 std::string& blocks) {
  std::vector<std::string> sites;  // in the order of the first run that has them
  std::map<std::string, std::map<int64_t, double>> bits;
  for (const int64_t run : runs)
    for (const SiteRow& site : store.sites(run)) {
      if ((site.kind == "weight") != weights) continue;
      if (bits.count(site.name) == 0) sites.push_back(site.name);
      bits[site.name][run] = site.bits;
    }
  if (sites.empty()) return "";
  constexpr size_t kMostSites = 150;
  if (sites.size() > kMostSites) sites.resize(kMostSites);
  std::vector<std::string> curves;
  const double width = 0.8 / static_cast<double>(runs.size());
  for (size_t k = 0; k < runs.size(); ++k) {
    std::vector<std::string> lines;
    for (size_t i = 0; i < sites.size(); ++i) {
      const auto found = bits[sites[i]].find(runs[k]);
      if (found != bits[sites[i]].end())
        lines.push_back(fmt::format(
            "{:.4g}\t{:.4g}", static_cast<double>(i) - 0.4 + width * (static_cast<double>(k) + 0.5),
            std::min(found->second, 32.0)));
    }
    if (lines.empty()) continue;
    const std::string block = fmt::format("{}{}", weights ? "weights" : "activations", k);
    blocks += plot_block(block, lines);
    curves.push_back(fmt::format(
        "${} using 1:2:({:.4g}) with boxes fs solid 0.85 noborder lc {} {}", block, width,
        plot_color(k),
        weights || runs.size() == 1 ? "title " + plot_string(name_of_run(store.run(runs[k])), 60)
                                    : std::string("notitle")));
  }
  std::vector<std::string> ticks;
  for (size_t i = 0; i < sites.size(); ++i)
    ticks.push_back(fmt::format("{} {}", plot_string(sites[i], 28), i));
  return panel(fmt::format("set ylabel \"{} bits\"\nset yrange [0:*]\nset xrange [-0.7:{:.1f}]\n"
                           "set xtics rotate by -60 nomirror font \",8\" ({})\n",
                           weights ? "weight" : "activation",
                           static_cast<double>(sites.size()) - 0.3, fmt::join(ticks, ", ")),
               curves);
}

// One panel of curves: `training` and `validation` of every epoch over all stages of each run.
std::string lines_panel(const std::string& what,
                        const std::map<int64_t, std::vector<EpochRow>>& epochs, const Store& store,
                        double EpochRow::*training, double EpochRow::*validation, double factor,
                        bool titled, std::string& blocks) {
  std::vector<std::string> curves;
  size_t k = 0;
  for (const auto& [run, rows] : epochs) {
    const std::string name = name_of_run(store.run(run));
    std::vector<std::string> train, held_out;
    for (size_t i = 0; i < rows.size(); ++i) {
      const double x = static_cast<double>(i + 1), a = rows[i].*training, b = rows[i].*validation;
      if (std::isfinite(a)) train.push_back(fmt::format("{:g}\t{:.6g}", x, factor * a));
      if (std::isfinite(b) && b != 0)
        held_out.push_back(fmt::format("{:g}\t{:.6g}", x, factor * b));
    }
    const auto add = [&](const char* kind, const std::vector<std::string>& lines, int dash) {
      if (lines.empty()) return;
      const std::string block = fmt::format("{}{}{}", kind, titled ? "a" : "b", k);
      blocks += plot_block(block, lines);
      curves.push_back(fmt::format(
          "${} using 1:2 with {} lw 1.8 dt {} pt 7 ps 0.5 lc {} {}", block,
          lines.size() < 40 ? "linespoints" : "lines", dash, plot_color(k),
          titled ? "title " + plot_string(name + ", " + kind, 70) : std::string("notitle")));
    };
    add("training", train, 3);
    add("validation", held_out, 1);
    ++k;
  }
  size_t most = 0;
  for (const auto& [run, rows] : epochs) most = std::max(most, rows.size());
  return panel(fmt::format("set ylabel \"{}\"\nset xlabel \"epoch\"\n{}", what,
                           most <= 12 ? "set xtics 1\n" : ""),
               curves);
}

}  // namespace

std::string bits_script(const Store& store, const std::vector<int64_t>& runs) {
  std::string blocks;
  const std::string weights = bars(store, runs, true, blocks),
                    activations = bars(store, runs, false, blocks);
  require(!weights.empty() || !activations.empty(), "These runs have no sites: none is finished.");
  const bool both = !weights.empty() && !activations.empty();
  return blocks +
         "set grid y lt 1 lw 0.7 lc rgb '#dddddd'\nset key tmargin right horizontal font \",9\"\n" +
         fmt::format("set multiplot layout {},1 title {}\n", both ? 2 : 1,
                     plot_string(task_of(store.run(runs.front())))) +
         weights + activations + "unset multiplot\n";
}

std::string curves_script(const Store& store, const std::vector<int64_t>& runs) {
  std::map<int64_t, std::vector<EpochRow>> epochs;
  for (const int64_t run : runs)
    if (auto rows = store.epochs(run); !rows.empty()) epochs[run] = std::move(rows);
  require(!epochs.empty(), "These runs have no epochs: nothing was trained.");
  std::string blocks;
  const std::string loss = lines_panel("loss", epochs, store, &EpochRow::train_loss,
                                       &EpochRow::validation_loss, 1, false, blocks);
  const std::string top1 = lines_panel("top-1, %", epochs, store, &EpochRow::train_top1,
                                       &EpochRow::validation_top1, 100, true, blocks);
  const bool both = !loss.empty() && !top1.empty();
  return blocks +
         "set grid lt 1 lw 0.7 lc rgb '#dddddd'\nset key tmargin center font \",9\"\nset lmargin "
         "10\n" +
         fmt::format("set multiplot layout {},1 title {}\n", both ? 2 : 1,
                     plot_string(task_of(store.run(runs.front())))) +
         loss + top1 + "unset multiplot\n";
}

std::string confusion_script(const Store& store, int64_t run) {
  const RunRecord record = store.run(run);
  const PredictionRow predictions = stored_predictions(store, run);
  const Confusion c = confusion_of(predictions);
  std::vector<std::string> cells, labels;
  for (int64_t target = 0; target < c.classes; ++target) {
    const auto samples = static_cast<double>(std::max<int64_t>(c.samples_of(target), 1));
    for (int64_t answer = 0; answer < c.classes; ++answer) {
      const double share = 100 * static_cast<double>(c.at(target, answer)) / samples;
      cells.push_back(fmt::format("{}\t{}\t{:.4g}", answer, target, share));
      if (c.classes <= 20 && c.at(target, answer) > 0)
        labels.push_back(fmt::format("{}\t{}\t{:.1f}\t{}", answer, target, share,
                                     share > 55 ? 0xffffff : 0x222222));
    }
  }
  std::string out = plot_block("cells", cells);
  if (!labels.empty()) out += plot_block("labels", labels);
  const double edge = static_cast<double>(c.classes) - 0.5;
  out += fmt::format(
      "set title {}\nset xlabel \"answer\"\nset ylabel \"true class\"\nset xrange [-0.5:{:.1f}]\n"
      "set yrange [{:.1f}:-0.5]\nset cbrange [0:100]\nset cblabel \"% of the true class\"\n"
      "set palette defined (0 '#ffffff', 5 '#cfe3f1', 30 '#6cadd4', 100 '#00497a')\n"
      "set size ratio 1\nunset grid\nset tics out nomirror\n",
      plot_string(fmt::format("run {}: {} on {} / {}, seed {}, {} predictions", run, record.method,
                              record.model, record.dataset, record.seed, predictions.kind)),
      edge, edge);
  if (c.classes <= 40) out += "set xtics 1\nset ytics 1\n";
  out += "plot $cells using 1:2:3 with image notitle";
  if (!labels.empty())
    out += ", \\\n  $labels using 1:2:3:4 with labels font \",8\" textcolor rgb variable notitle";
  return out + "\n";
}

}  // namespace quantbench
