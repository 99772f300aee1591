#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/nearest.h"
#include "bench/commands/commands.h"
#include "datasets/dataset.h"
#include "methods/method.h"
#include "models/model.h"

namespace quantbench {
namespace {

using Json = nlohmann::ordered_json;

Json options_json(const std::vector<Option>& options) {
  Json out = Json::array();
  for (const Option& o : options)
    out.push_back({{"name", o.name},
                   {"default", o.default_value},
                   {"allowed", o.allowed()},
                   {"help", o.help}});
  return out;
}

Json list_methods() {
  Json out = Json::array();
  for (const std::string& name : methods().names()) {
    const MethodCard& c = methods().get(name).card;
    out.push_back({{"name", c.name},
                   {"help", c.title},
                   {"version", c.version},
                   {"paper", c.paper},
                   {"arxiv", c.arxiv},
                   {"year", c.year},
                   {"quantizes", c.quantizes},
                   {"options", options_json(c.options)}});
  }
  return out;
}

Json list_models() {
  Json out = Json::array();
  for (const std::string& name : models().names()) {
    const ModelEntry& m = models().get(name);
    out.push_back({{"name", name},
                   {"help", m.help},
                   {"paper", m.paper},
                   {"input", m.graphs ? "graphs"
                             : m.rows ? "rows"
                                      : "images"},
                   {"options", options_json(m.options)}});
  }
  return out;
}

Json list_datasets(const std::filesystem::path& root) {
  Json out = Json::array();
  for (const std::string& name : datasets().names()) {
    const DatasetEntry& d = datasets().get(name);
    const std::string missing = d.missing ? d.missing(root) : "";
    out.push_back({{"name", name},
                   {"help", d.help},
                   {"holds", d.graphs ? "graphs"
                             : d.rows ? "rows"
                                      : "images"},
                   {"found", missing.empty()},
                   {"missing", missing},
                   {"options", options_json(d.options)}});
  }
  return out;
}

Json list_recipes() {
  Json out = Json::array();
  for (const auto& [name, text] : embedded_recipes()) {
    const RecipeText recipe = load_recipe(name);
    auto title = recipe.find("name");
    out.push_back({{"name", name},
                   {"help", title == recipe.end() ? "" : title->second.front()},
                   {"runs", expand(recipe).size()},
                   {"text", text}});
  }
  return out;
}

void print_options(const Json& options) {
  for (const Json& o : options)
    say("    {:<24} {} ({}; default {})\n", o["name"].get<std::string>(),
        o["help"].get<std::string>(), o["allowed"].get<std::string>(),
        o["default"] == "" ? "empty" : o["default"].get<std::string>());
}

// The one entry of that name.
Json only(const Json& all, const std::string& name, const std::string& what) {
  std::vector<std::string> names;
  for (const Json& entry : all) {
    names.push_back(entry["name"]);
    if (names.back() == name) return Json::array({entry});
  }
  fail("'quantbench list {}' has no '{}'{}", what, name,
       nearest_name(name, names).empty() ? "." : did_you_mean(name, names));
}

}  // namespace

int list_command(const Arguments& arguments) {
  const std::string what = arguments.operands.empty() ? "" : arguments.operands[0];
  Json out;
  if (what == "methods") {
    out = list_methods();
  } else if (what == "models") {
    out = list_models();
  } else if (what == "datasets") {
    out = list_datasets(data_root(arguments.runner.data));
  } else if (what == "recipes") {
    out = list_recipes();
  } else if (what == "keys") {
    out = options_json(recipe_options());
  } else {
    fail("'quantbench list' takes methods, models, datasets, recipes or keys.");
  }
  if (arguments.operands.size() > 1) out = only(out, arguments.operands[1], what);
  if (arguments.json) {
    say("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return 0;
  }
  if (what == "keys") {
    print_options(out);
    return 0;
  }
  for (const Json& entry : out) {
    say("{:<20} {}", entry["name"].get<std::string>(), entry["help"].get<std::string>());
    if (what == "recipes") say(" ({} run(s))", entry["runs"].get<size_t>());
    if (entry.contains("found") && !entry["found"].get<bool>())
      say(" [not here: {}]", entry["missing"].get<std::string>());
    if (entry.contains("arxiv") && entry["arxiv"] != "")
      say(" (arXiv {})", entry["arxiv"].get<std::string>());
    say("\n");
    if (entry.contains("options")) print_options(entry["options"]);
  }
  return 0;
}

}  // namespace quantbench
