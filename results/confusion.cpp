#include "results/confusion.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace quantbench {
namespace {

constexpr int64_t kMostClasses = 4096;

// The class that samples of `target` are most often mistaken for; -1: none.
int64_t usual_mistake(const Confusion& c, int64_t target) {
  int64_t out = -1;
  for (int64_t answer = 0; answer < c.classes; ++answer)
    if (answer != target && c.at(target, answer) > 0 &&
        (out < 0 || c.at(target, answer) > c.at(target, out)))
      out = answer;
  return out;
}

std::string percent(int64_t part, int64_t whole) {
  if (whole == 0) return "-";
  return fmt::format("{:.2f}", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

nlohmann::ordered_json share(int64_t part, int64_t whole) {
  if (whole == 0) return nullptr;
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

int64_t Confusion::samples_of(int64_t target) const {
  int64_t sum = 0;
  for (int64_t answer = 0; answer < classes; ++answer) sum += at(target, answer);
  return sum;
}

int64_t Confusion::answers_of(int64_t answer) const {
  int64_t sum = 0;
  for (int64_t target = 0; target < classes; ++target) sum += at(target, answer);
  return sum;
}

Confusion confusion_of(const PredictionRow& p) {
  Confusion out;
  for (const auto* labels : {&p.predicted, &p.target})
    for (const int32_t label : *labels) {
      require(label >= 0 && label < kMostClasses,
              "The '{}' predictions name the class {}; classes are 0 to {}.", p.kind, label,
              kMostClasses - 1);
      out.classes = std::max<int64_t>(out.classes, label + 1);
    }
  out.counts.assign(static_cast<size_t>(out.classes * out.classes), 0);
  for (size_t i = 0; i < p.target.size(); ++i)
    ++out.counts[static_cast<size_t>(p.target[i] * out.classes + p.predicted[i])];
  return out;
}

PredictionRow stored_predictions(const Store& store, int64_t run) {
  store.run(run);  // there is one of this number
  std::vector<PredictionRow> all = store.predictions(run);
  for (const char* kind : {"shipped", "simulated"})
    for (PredictionRow& row : all)
      if (row.kind == kind && !row.target.empty()) return std::move(row);
  fail("Run {} has no stored predictions: it did not come to its end.", run);
}

Grid class_grid(const Confusion& c, const std::string& title) {
  Grid grid;
  grid.title = title;
  grid.columns = {{"class", true},    {"samples", true},     {"right", true},
                  {"recall %", true}, {"precision %", true}, {"most often taken for"}};
  for (int64_t k = 0; k < c.classes; ++k) {
    const int64_t samples = c.samples_of(k), mistake = usual_mistake(c, k);
    grid.rows.push_back(
        {{{std::to_string(k)},
          {std::to_string(samples)},
          {std::to_string(c.at(k, k))},
          {percent(c.at(k, k), samples)},
          {percent(c.at(k, k), c.answers_of(k))},
          {mistake < 0 ? "-" : fmt::format("{} ({} times)", mistake, c.at(k, mistake))}},
         false});
  }
  return grid;
}

std::string confusion_csv(const Confusion& c) {
  std::string out = "class";
  for (int64_t k = 0; k < c.classes; ++k) out += fmt::format(",{}", k);
  out += '\n';
  for (int64_t k = 0; k < c.classes; ++k) {
    out += std::to_string(k);
    for (int64_t j = 0; j < c.classes; ++j) out += fmt::format(",{}", c.at(k, j));
    out += '\n';
  }
  return out;
}

std::string confusion_json(const Confusion& c, int64_t run, const std::string& kind) {
  using Json = nlohmann::ordered_json;
  Json recall = Json::array(), precision = Json::array(), matrix = Json::array();
  for (int64_t k = 0; k < c.classes; ++k) {
    recall.push_back(share(c.at(k, k), c.samples_of(k)));
    precision.push_back(share(c.at(k, k), c.answers_of(k)));
    Json row = Json::array();
    for (int64_t j = 0; j < c.classes; ++j) row.push_back(c.at(k, j));
    matrix.push_back(std::move(row));
  }
  const Json out{{"run", run},       {"kind", kind},           {"classes", c.classes},
                 {"recall", recall}, {"precision", precision}, {"confusion", matrix}};
  return out.dump(1) + "\n";
}

}  // namespace quantbench
