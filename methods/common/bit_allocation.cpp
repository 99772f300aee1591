#include "methods/common/bit_allocation.h"

#include <charconv>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/json.h"
#include "methods/site.h"

namespace quantbench {
namespace {

constexpr int64_t kMostBits = 32;
constexpr size_t kShown = 60;  // of a text that is refused

void require_name(const std::string& site, const std::string& what) {
  require(!site.empty() && site.find_first_of(",:#= \t\r\n") == std::string::npos,
          "{} gives bits to '{}', which is no name of a site.", what, site.substr(0, kShown));
}

}  // namespace

std::string BitAllocation::text() const {
  const nlohmann::json json{{"allocation", 1},
                            {"method", method},
                            {"model", model},
                            {"bits", bits},
                            {"evidence", evidence}};
  return json.dump(1) + "\n";
}

SiteBits parse_site_bits(const std::string& text, const std::string& what) {
  const nlohmann::json json = parse_json(text, what);
  const bool whole = json.is_object() && json.value("allocation", nlohmann::json(1)) == 1 &&
                     json.contains("bits") && json["bits"].is_object();
  require(whole, "{} says no bits: it is no JSON object with an object \"bits\".", what);
  SiteBits out;
  for (const auto& [site, bits] : json["bits"].items()) {
    require_name(site, what);
    require(bits.is_number_integer() && bits >= 0 && bits <= kMostBits,
            "{} gives {} bits to '{}'; bits are whole numbers, 0..{}.", what, bits.dump(), site,
            kMostBits);
    out[site] = bits.get<int64_t>();
  }
  return out;
}

std::string bits_line(const SiteBits& bits) {
  std::string out;
  for (const auto& [site, width] : bits)
    out += fmt::format("{}{}:{}", out.empty() ? "" : ",", site, width);
  return out;
}

SiteBits parse_bits_line(const std::string& line, const std::string& what) {
  SiteBits out;
  std::istringstream words(line);
  for (std::string word; std::getline(words, word, ',');) {
    const size_t colon = word.rfind(':');
    int64_t bits = -1;
    if (colon != std::string::npos) {
      const char *first = word.data() + colon + 1, *end = word.data() + word.size();
      const auto [stop, code] = std::from_chars(first, end, bits);
      if (code != std::errc() || stop != end) bits = -1;
    }
    require(bits >= 0 && bits <= kMostBits,
            "{} takes SITE:BITS with commas between, or @FILE in its place, not '{}'.", what,
            word.substr(0, kShown));
    const std::string site = word.substr(0, colon);
    require_name(site, what);
    require(out.emplace(site, bits).second, "{} gives bits to '{}' twice.", what, site);
  }
  return out;
}

void require_bits_for(const Graph& graph, const SiteBits& bits, const std::string& what) {
  std::set<std::string> known;
  for (const Site& site : all_sites(graph)) known.insert(site.name);
  for (const auto& [site, width] : bits) {
    require(known.count(site) > 0, "{} gives bits to '{}', which {} does not have.", what, site,
            graph.name);
    require(width >= 1 && width <= 16, "{} gives {} bits to '{}'; it takes 1..16.", what, width,
            site);
  }
  for (const Site& site : weight_sites(graph))
    require(bits.count(site.name) > 0, "{} gives no bits to '{}'.", what, site.name);
}

}  // namespace quantbench
