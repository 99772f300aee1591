// A small unpickler: it builds plain values (numbers, strings, containers) and, for every class or
// function the stream names, asks a policy whether the name may stand there. Whatever the policy
// does not accept is refused, and what is accepted is only recorded, so no pickle can run code.
// Protocols 0 to 5, the opcodes that real data files use.
//
// An integer that does not fit in 64 bits (PyTorch's magic number) becomes Bytes: its little-endian
// two's complement. Keys of a dict stay in stream order, repeated ones included.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace quantbench::pickle {

struct Value;
using Ref = std::shared_ptr<Value>;
using List = std::vector<Ref>;
using Dict = std::vector<std::pair<Ref, Ref>>;

struct None {};
struct Bytes {  // str of Python 2, bytes of Python 3
  std::string data;
};
struct Global {  // a name that the stream refers to, accepted by the policy
  std::string module, name;
};
// What REDUCE or NEWOBJ made of an accepted global: its arguments, and the state that BUILD set.
struct Object {
  Global type;
  List arguments;
  Ref state;     // may be null
  List items;    // APPEND(S) on the object
  Dict entries;  // SETITEM(S) on the object (OrderedDict, defaultdict)
};
struct PersistentId {
  Ref id;
};
struct Tuple {
  List items;
};
struct Set {
  List items;
};

struct Value {
  std::variant<None, bool, int64_t, double, std::string, Bytes, List, Tuple, Set, Dict, Global,
               Object, PersistentId>
      data;
};

struct Policy {
  std::function<bool(const std::string& module, const std::string& name)> accepts;
  bool persistent_ids = false;
};

struct Result {
  Ref value;
  size_t consumed = 0;  // how many bytes the pickle took
};

// One pickle from the start of `bytes`; `what` names the file in errors. The result is finite and
// safe to walk recursively: it has no cycles, at most max_depth levels, and, written out with every
// shared value repeated, at most max_values values. Throws Error on a global that the policy
// refuses, a malformed stream, sizes beyond the stream's own length, and whatever passes those
// limits.
constexpr int max_depth = 200;
constexpr uint64_t max_values = uint64_t{1} << 20;
Result load(std::string_view bytes, const std::string& what, const Policy& policy);

}  // namespace quantbench::pickle
