#include "base/pickle_arena.h"

#include <algorithm>
#include <unordered_map>

namespace quantbench::pickle {
namespace {

// What hangs below a value, with every shared one repeated.
struct Extent {
  int depth = 0;  // 0: being visited
  uint64_t values = 0;
};

template <typename Visit>
void for_each_child(const Value& value, const Visit& visit) {
  auto all = [&](const List& items) { std::for_each(items.begin(), items.end(), visit); };
  auto pairs = [&](const Dict& entries) {
    for (const auto& [key, item] : entries) visit(key), visit(item);
  };
  if (auto* list = std::get_if<List>(&value.data)) all(*list);
  if (auto* tuple = std::get_if<Tuple>(&value.data)) all(tuple->items);
  if (auto* set = std::get_if<Set>(&value.data)) all(set->items);
  if (auto* dict = std::get_if<Dict>(&value.data)) pairs(*dict);
  if (auto* id = std::get_if<PersistentId>(&value.data)) visit(id->id);
  if (auto* object = std::get_if<Object>(&value.data)) {
    all(object->arguments);
    all(object->items);
    pairs(object->entries);
    if (object->state) visit(object->state);
  }
}

}  // namespace

Arena::~Arena() {
  for (const Ref& value : values_)
    if (!released_.count(value.get())) value->data = None{};
}

Ref Arena::add(Value value) {
  return values_.emplace_back(std::make_shared<Value>(std::move(value)));
}

const char* Arena::release(const Ref& root) {
  std::unordered_map<const Value*, Extent> seen;
  std::vector<const Value*> path{root.get()};
  bool cyclic = false;
  while (!path.empty()) {
    const Value* value = path.back();
    if (seen.try_emplace(value).second) {
      for_each_child(*value, [&](const Ref& child) {
        auto found = seen.find(child.get());
        if (found == seen.end())
          path.push_back(child.get());
        else if (found->second.depth == 0)
          cyclic = true;
      });
      if (cyclic) return "a value contains itself";
      continue;
    }
    path.pop_back();
    Extent& known = seen.at(value);
    if (known.depth > 0) continue;
    Extent extent{1, 1};
    for_each_child(*value, [&](const Ref& child) {
      const Extent& below = seen.at(child.get());
      extent.depth = std::max(extent.depth, below.depth + 1);
      extent.values = std::min(extent.values + below.values, max_values + 1);
    });
    if (extent.depth > max_depth) return "it is nested too deeply";
    if (extent.values > max_values) return "its values are too many";
    known = extent;
  }
  for (const auto& [value, extent] : seen) released_.insert(value);
  return nullptr;
}

}  // namespace quantbench::pickle
