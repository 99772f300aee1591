#include "methods/common/bit_allocation.h"

#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "methods/site.h"

namespace quantbench {

std::string BitAllocation::text() const {
  const nlohmann::json json{{"allocation", 1},
                            {"method", method},
                            {"model", model},
                            {"bits", bits},
                            {"evidence", evidence}};
  return json.dump(1) + "\n";
}

BitAllocation parse_allocation(const std::string& text, const std::string& what,
                               const Graph& graph) {
  const nlohmann::json json = parse_json(text, what);
  const bool whole = json.is_object() && json.value("allocation", nlohmann::json()) == 1 &&
                     json.contains("bits") && json["bits"].is_object();
  require(whole, "{} is not a bit allocation (a JSON object with \"allocation\": 1 and \"bits\").",
          what);
  std::set<std::string> known, needed;
  for (const Site& site : all_sites(graph)) known.insert(site.name);
  for (const Site& site : weight_sites(graph)) needed.insert(site.name);

  BitAllocation out;
  if (json.contains("method") && json["method"].is_string()) out.method = json["method"];
  if (json.contains("model") && json["model"].is_string()) out.model = json["model"];
  if (json.contains("evidence")) out.evidence = json["evidence"];
  for (const auto& [site, bits] : json["bits"].items()) {
    require(known.count(site) > 0, "{} gives bits to '{}', which {} does not have.", what, site,
            graph.name);
    require(bits.is_number_integer() && bits >= 1 && bits <= 16,
            "{} gives {} bits to '{}'; bits are whole numbers, 1..16.", what, bits.dump(), site);
    out.bits[site] = bits.get<int64_t>();
    needed.erase(site);
  }
  require(needed.empty(), "{} gives no bits to '{}'.", what,
          needed.empty() ? std::string() : *needed.begin());
  return out;
}

BitAllocation read_allocation(const std::filesystem::path& path, const Graph& graph) {
  constexpr uint64_t kLargestFile = uint64_t{1} << 24;
  return parse_allocation(read_file(path, kLargestFile), path.string(), graph);
}

}  // namespace quantbench
