#include "methods/common/site_bits.h"

#include <algorithm>

namespace quantbench {
namespace {

bool at_ends(const Graph& graph, const Site& site) {
  const std::vector<Site> weights = weight_sites(graph);
  return site.point == weights.front().point || site.point == weights.back().point ||
         site.point == operand_of(graph, weights.back().point.node);
}

std::vector<Site> without_exceptions(const Graph& graph, std::vector<Site> sites,
                                     const OptionValues& options) {
  const bool ends = options.integer("first_last_bits") > 0;
  const auto fixed = [&](const Site& site) {
    return (!site.is_weight() && site.point.node == 0) || (ends && at_ends(graph, site));
  };
  sites.erase(std::remove_if(sites.begin(), sites.end(), fixed), sites.end());
  return sites;
}

}  // namespace

std::vector<Option> site_bits_options() {
  return {Option::integer("first_last_bits", 8, 0, 16,
                          "bits of the first and last layer's weights and of the activation that "
                          "enters the last layer; 0: like the others"),
          Option::integer("input_bits", 8, 1, 16, "bits of the network's input"),
          Option::text("allocation", "",
                       "bits of sites, SITE:BITS with commas between, or @FILE of an "
                       "allocation.json; they go before all")};
}

SiteBits site_bits(const Graph& graph, int64_t weight_bits, int64_t activation_bits,
                   const OptionValues& options) {
  const int64_t ends = options.integer("first_last_bits");
  SiteBits out;
  for (const Site& site : weight_sites(graph))
    out[site.name] = ends > 0 && at_ends(graph, site) ? ends : weight_bits;
  if (activation_bits <= 16)
    for (const Site& site : operand_sites(graph))
      out[site.name] = site.point.node == 0               ? options.integer("input_bits")
                       : ends > 0 && at_ends(graph, site) ? ends
                                                          : activation_bits;
  const std::string& line = options.text("allocation");
  if (line.empty()) return out;
  const SiteBits given = parse_bits_line(line, "Option allocation");
  require_bits_for(graph, given, "Option allocation");
  for (const auto& [site, bits] : given)
    if (out.count(site) > 0) out[site] = bits;
  return out;
}

std::vector<Site> free_weight_sites(const Graph& graph, const OptionValues& options) {
  if (!options.text("allocation").empty()) return {};
  return without_exceptions(graph, weight_sites(graph), options);
}

std::vector<Site> free_activation_sites(const Graph& graph, const OptionValues& options) {
  if (!options.text("allocation").empty()) return {};
  return without_exceptions(graph, operand_sites(graph), options);
}

}  // namespace quantbench
