#include "methods/common/bit_allocation.h"
#include "models/model.h"
#include "tests/fuzz/target.h"

namespace quantbench::fuzz {

const Registration allocation("allocation", [](std::string_view bytes) {
  static const Graph graph = build_model("lenet5", {{1, 28, 28}, 10}, {});
  parse_allocation(std::string(bytes), "it", graph).text();
});

}  // namespace quantbench::fuzz
