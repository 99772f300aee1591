// A registry of self-registering parts (methods, models, datasets): name -> entry, in name order.
// Entries live for the whole program; a name that is taken twice is a programming error and throws.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"

namespace quantbench {

template <typename Entry>
class Registry {
 public:
  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  bool add(const std::string& name, Entry entry) {
    require(entries_.emplace(name, std::move(entry)).second, "{} '{}' is registered twice.", kind_,
            name);
    return true;
  }

  // Throws Error listing the known names when `name` is not among them.
  const Entry& get(const std::string& name) const {
    auto found = entries_.find(name);
    if (found != entries_.end()) return found->second;
    fail("There is no {} named '{}'; known are: {}.", kind_, name, fmt::join(names(), ", "));
  }

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [name, entry] : entries_) out.push_back(name);
    return out;
  }

 private:
  std::string kind_;
  std::map<std::string, Entry> entries_;
};

}  // namespace quantbench
