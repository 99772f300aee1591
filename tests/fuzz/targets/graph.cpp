#include "models/graph.h"

#include "base/json.h"
#include "tests/fuzz/target.h"

namespace quantbench::fuzz {

const Registration graph("graph", [](std::string_view bytes) {
  const Graph read = graph_from_json(parse_json(bytes, "it"));
  infer_shapes(read);
  count_macs(read);
});

}  // namespace quantbench::fuzz
