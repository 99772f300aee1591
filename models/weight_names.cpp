#include "models/weight_names.h"

#include <optional>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace quantbench {
namespace {

struct Rule {
  std::string from;
  std::optional<std::string> to;  // none: dropped
  bool used = false;

  bool open() const { return !from.empty() && from.back() == '*'; }
  std::string_view stem() const {
    return std::string_view(from).substr(0, from.size() - (open() ? 1 : 0));
  }
  bool fits(std::string_view name) const {
    return open() ? name.substr(0, stem().size()) == stem() : name == from;
  }
  std::string applied(const std::string& name) const {
    if (to->empty() || to->back() != '*') return *to;
    return to->substr(0, to->size() - 1) + name.substr(stem().size());
  }
};

std::vector<Rule> read_rules(std::string_view text, const std::string& what) {
  const nlohmann::json json = parse_json(text, what);
  require(json.is_object(), "{} is no JSON object of names.", what);
  std::vector<Rule> out;
  for (const auto& [from, to] : json.items()) {
    require(to.is_string() || to.is_null(), "{}: '{}' is mapped to neither a name nor null.", what,
            from);
    Rule rule{from, std::nullopt};
    if (to.is_string()) rule.to = to.get<std::string>();
    require(!rule.to || !rule.to->empty(), "{}: '{}' is mapped to an empty name.", what, from);
    require(!rule.to || rule.to->back() != '*' || rule.open(),
            "{}: '{}' has no '*' for the one that it is mapped to.", what, from);
    out.push_back(std::move(rule));
  }
  return out;
}

}  // namespace

std::map<std::string, Tensor> renamed(const std::map<std::string, Tensor>& weights,
                                      std::string_view text, const std::string& what) {
  std::vector<Rule> rules = read_rules(text, what);
  std::map<std::string, Tensor> out;
  for (const auto& [name, tensor] : weights) {
    Rule* best = nullptr;
    for (Rule& rule : rules) {
      if (!rule.fits(name)) continue;
      rule.used = true;
      const bool exact = !rule.open();
      if (!best || exact || (best->open() && rule.stem().size() > best->stem().size()))
        best = &rule;
    }
    if (best && !best->to) continue;
    const std::string to = best ? best->applied(name) : name;
    require(out.emplace(to, tensor).second, "{}: two tensors would be called '{}'.", what, to);
  }
  for (const Rule& rule : rules)
    require(rule.used, "{}: no tensor of the weight file is called '{}'.", what, rule.from);
  return out;
}

}  // namespace quantbench
