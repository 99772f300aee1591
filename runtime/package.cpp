#include "runtime/package.h"

#include "base/error.h"
#include "base/json.h"
#include "models/operations.h"
#include "models/safetensors.h"
#include "runtime/package_check.h"
#include "runtime/package_streams.h"
#include "runtime/site_codec.h"
#include "runtime/slots.h"

namespace quantbench {
namespace {

using Json = nlohmann::json;

constexpr int kVersion = 2;        // what is written
constexpr int kOldestVersion = 1;  // that is read; version 2 changed no byte but this number
constexpr const char* kVersionKey = "quantbench_package";
constexpr std::string_view kNotePrefix = "note.";

// Sites that are quantized alike share one description.
template <typename Value>
struct Group {
  Json description;
  PointKind kind;
  std::vector<std::pair<Point, const Value*>> sites;
};

template <typename Value, typename Describe>
std::vector<Group<Value>> group(const std::map<Point, Value>& sites, Describe&& describe_site) {
  std::vector<Group<Value>> groups;
  std::map<std::pair<PointKind, std::string>, size_t> known;
  for (const auto& [point, value] : sites) {
    Json description = describe_site(point, value);
    if (description.is_null()) continue;
    const auto [found, added] =
        known.emplace(std::make_pair(point.kind, description.dump()), groups.size());
    if (added) groups.push_back({std::move(description), point.kind, {}});
    groups[found->second].sites.emplace_back(point, &value);
  }
  return groups;
}

template <typename Value>
Json write_groups(const std::vector<Group<Value>>& groups, StreamWriter& streams) {
  Json json = Json::array();
  for (const Group<Value>& group : groups) {
    Json nodes = Json::array();
    for (const auto& [point, value] : group.sites) {
      nodes.push_back(point.port == 0 ? Json(point.node) : Json{point.node, point.port});
      put(*value, streams);
    }
    json.push_back({{"at", name_of(group.kind)}, {"nodes", nodes}, {"as", group.description}});
  }
  return json;
}

// Calls read_site(point, description) for every site of every group, in file order.
template <typename ReadSite>
void read_groups(const Json& json, const Graph& graph, const std::string& what,
                 ReadSite&& read_site) {
  const auto node_index = [&](const Json& value) {
    const bool fits = value.is_number_unsigned() && value.get<uint64_t>() < graph.nodes.size();
    require(fits, "{}: it quantizes a node that its graph does not have.", what);
    return value.get<int>();
  };
  require(json.is_array(), "{}: its list of sites is malformed.", what);
  for (const Json& group : json) {
    require(group.is_object() && group.size() == 3 && group.contains("at") &&
                group.contains("nodes") && group.contains("as") && group["at"].is_string() &&
                group["nodes"].is_array(),
            "{}: its list of sites is malformed.", what);
    const auto kind = point_kind(group["at"].get<std::string>());
    require(kind.has_value(), "{}: '{}' is no place for a number format.", what,
            group["at"].get<std::string>());
    for (const Json& entry : group["nodes"]) {
      const bool with_port = entry.is_array() && entry.size() == 2 &&
                             entry[1].is_number_unsigned() && entry[1].get<uint64_t>() < 1 << 16;
      require(with_port || !entry.is_array(), "{}: its list of sites is malformed.", what);
      const Point point{node_index(with_port ? entry[0] : entry), *kind,
                        with_port ? entry[1].get<int>() : 0};
      read_site(point, group["as"]);
    }
  }
}

std::string place(const Graph& graph, const Point& point, const std::string& what) {
  return fmt::format("{}: {} of node {}", what, name_of(point.kind),
                     graph.nodes[static_cast<size_t>(point.node)].name);
}

// A float encoding stores nothing but the parameter itself.
Package with_plain_parameters(const Package& package) {
  Package out = package;
  for (const ParameterSlot& slot : parameter_slots(package.graph)) {
    if (!slot.kind) continue;
    const auto found = out.weights.find({slot.node, *slot.kind});
    if (found == out.weights.end()) continue;
    if (auto* plain = std::get_if<FloatEncoding>(&found->second)) {
      out.parameters[slot.name] = plain->value;
      out.weights.erase(found);
    }
  }
  return out;
}

std::string version_of(const SafeTensors& content, const std::string& what) {
  const auto found = content.metadata.find(kVersionKey);
  require(found != content.metadata.end(), "{} is a safetensors file, but no quantbench package.",
          what);
  return found->second;
}

Json parse(const std::string& key, const SafeTensors& content, const std::string& what) {
  const auto found = content.metadata.find(key);
  require(found != content.metadata.end(), "{}: its header has no '{}'.", what, key);
  return parse_json(found->second, fmt::format("{}: '{}' in its header", what, key));
}

std::map<std::string, std::string> notes_of(const SafeTensors& content, const std::string& what) {
  std::map<std::string, std::string> notes;
  for (const auto& [key, value] : content.metadata) {
    if (key == kVersionKey || key == "graph" || key == "weights" || key == "activations") continue;
    require(key.compare(0, kNotePrefix.size(), kNotePrefix) == 0,
            "{}: its header has the unknown entry '{}'.", what, key);
    notes[key.substr(kNotePrefix.size())] = value;
  }
  return notes;
}

}  // namespace

uint64_t write_package(const std::filesystem::path& path, const Package& given) {
  check(given, "The package for " + path.string());
  const Package package = with_plain_parameters(given);
  const auto slots = parameter_slots(package.graph);
  std::map<Point, const std::vector<int64_t>*> shapes;
  for (const ParameterSlot& slot : slots)
    if (slot.kind) shapes[{slot.node, *slot.kind}] = &slot.shape;

  StreamWriter streams;
  for (const ParameterSlot& slot : slots)
    if (auto plain = package.parameters.find(slot.name); plain != package.parameters.end())
      streams.put(role::kParameters, plain->second);
  SafeTensors content;
  content.metadata[kVersionKey] = std::to_string(kVersion);
  content.metadata["graph"] = graph_to_json(package.graph).dump();
  const auto weights = group(package.weights, [&](const Point& point, const Encoding& encoding) {
    return describe(encoding, *shapes.at(point));
  });
  content.metadata["weights"] = write_groups(weights, streams).dump();
  const auto activations = group(
      package.activations, [](const Point&, const Format& format) { return describe(format); });
  content.metadata["activations"] = write_groups(activations, streams).dump();
  for (const auto& [key, value] : package.notes)
    content.metadata[std::string(kNotePrefix) + key] = value;
  content.tensors = streams.finish();
  return write_safetensors(path, content);
}

Package read_package(const std::filesystem::path& path) {
  const std::string what = path.string();
  const SafeTensors content = read_safetensors(path);
  const std::string version = version_of(content, what);
  require(
      version == std::to_string(kVersion) || version == std::to_string(kOldestVersion),
      "{} is a package of version {}; this quantbench reads versions {} and {}: use a newer one.",
      what, version, kOldestVersion, kVersion);

  Package package;
  package.graph = graph_from_json(parse("graph", content, what));
  package.notes = notes_of(content, what);
  const auto slots = parameter_slots(package.graph);
  std::map<Point, const std::vector<int64_t>*> shapes;
  for (const ParameterSlot& slot : slots)
    if (slot.kind) shapes[{slot.node, *slot.kind}] = &slot.shape;

  StreamReader streams(content.tensors, what);
  read_groups(parse("weights", content, what), package.graph, what,
              [&](const Point& point, const Json& description) {
                const std::string where = place(package.graph, point, what);
                require(shapes.count(point) > 0, "{}: the graph has no such weight.", where);
                const auto [at, added] = package.weights.emplace(
                    point, read_encoding(description, *shapes[point], streams, where));
                require(added, "{}: it is encoded twice.", where);
              });
  read_groups(parse("activations", content, what), package.graph, what,
              [&](const Point& point, const Json& description) {
                const std::string where = place(package.graph, point, what);
                const auto [at, added] =
                    package.activations.emplace(point, read_format(description, streams, where));
                require(added, "{}: it has two formats.", where);
              });
  for (const ParameterSlot& slot : slots)
    if (!slot.kind || package.weights.count({slot.node, *slot.kind}) == 0)
      package.parameters[slot.name] = streams.take(role::kParameters, slot.shape);
  streams.finish();
  check(package, what);
  return package;
}

}  // namespace quantbench
