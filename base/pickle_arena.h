// Owner of the values of one pickle while it is being read. What the result does not need is taken
// apart one by one at the end: neither a cycle nor a long chain of values can leak memory or
// overflow the call stack.
#pragma once

#include <unordered_set>
#include <vector>

#include "base/pickle.h"

namespace quantbench::pickle {

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  size_t size() const { return values_.size(); }
  Ref add(Value value);

  // Releases `root` and all below it from the arena's hold. Returns nullptr, or, when that would be
  // more than max_depth levels, more than max_values values or no finite number of them, a phrase
  // that says so; nothing is released then.
  const char* release(const Ref& root);

 private:
  std::vector<Ref> values_;
  std::unordered_set<const Value*> released_;
};

}  // namespace quantbench::pickle
