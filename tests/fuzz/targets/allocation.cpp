#include <cstdlib>

#include "methods/common/bit_allocation.h"
#include "models/model.h"
#include "tests/fuzz/target.h"

namespace quantbench::fuzz {

const Registration allocation("allocation", [](std::string_view bytes) {
  static const Graph graph = build_model("lenet5", {{1, 28, 28}, 10}, {});
  const SiteBits bits = parse_site_bits(std::string(bytes), "it");
  if (parse_bits_line(bits_line(bits), "it") != bits) std::abort();
  require_bits_for(graph, bits, "it");
});

}  // namespace quantbench::fuzz
