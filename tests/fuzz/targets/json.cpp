#include "base/json.h"

#include "tests/fuzz/target.h"

namespace quantbench::fuzz {

const Registration json("json", [](std::string_view bytes) {
  outermost_names(bytes, "it");
  parse_json(bytes, "it").dump();
});

}  // namespace quantbench::fuzz
