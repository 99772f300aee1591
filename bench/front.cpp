#include "bench/front.h"

#include <fmt/format.h>

#include <algorithm>

#include "methods/common/pareto.h"

namespace quantbench {
namespace {

double cost_of(const FrontRow& row) {
  return row.figures.empty() ? static_cast<double>(row.size_bytes) : row.figures.front().second;
}

ParetoPoint point_of(const FrontRow& row) { return {row.name, row.validation_top1, cost_of(row)}; }

}  // namespace

void mark_front(std::vector<FrontRow>& rows) {
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].on_front = true;
    for (size_t j = 0; j < rows.size(); ++j) {
      const ParetoPoint mine = point_of(rows[i]), other = point_of(rows[j]);
      // Of two alike the first one stays.
      if (i != j && covers(other, mine) && (j < i || !covers(mine, other)))
        rows[i].on_front = false;
    }
  }
}

std::string front_csv(std::vector<FrontRow> rows) {
  std::stable_sort(rows.begin(), rows.end(),
                   [](const FrontRow& a, const FrontRow& b) { return cost_of(a) < cost_of(b); });
  std::string out = "state,on_front";
  if (!rows.empty())
    for (const auto& [name, value] : rows.front().figures) out += "," + name;
  out +=
      ",validation_top1,top1_simulated,top1_shipped,samples,mismatches,size_bytes,weight_bits,"
      "weights_hash,package_hash\n";
  for (const FrontRow& row : rows) {
    out += fmt::format("{},{}", row.name, row.on_front ? "yes" : "no");
    for (const auto& [name, value] : row.figures) out += fmt::format(",{:.10g}", value);
    out += fmt::format(",{:.4f},{:.4f},{:.4f},{},{},{},{:.4f},{:.12},{:.12}\n", row.validation_top1,
                       row.top1_simulated, row.top1_shipped, row.samples, row.mismatches,
                       row.size_bytes, row.weight_bits_average, row.weights_hash, row.package_hash);
  }
  return out;
}

}  // namespace quantbench
