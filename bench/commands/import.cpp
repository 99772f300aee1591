// A quantized ONNX file from elsewhere as a package.
#include "runtime/onnx/import.h"

#include "base/error.h"
#include "base/file.h"
#include "bench/commands/commands.h"
#include "runtime/package.h"
#include "runtime/plan.h"

namespace quantbench {

int import_command(const Arguments& arguments) {
  require(arguments.operands.size() == 1 && !arguments.out.empty(),
          "'quantbench import' takes one .onnx file and --out=FILE.");
  const std::filesystem::path path = arguments.operands[0];
  require(std::filesystem::is_regular_file(path), "There is no file {}.", path.string());
  const Package package = from_onnx(read_file(path), path.string());
  const double integers = integer_share(make_plan(package));
  const uint64_t bytes = write_package(arguments.out, package);
  say("{}: {} nodes, {} quantized weights, {} bytes; {:.1f} % of the MACs on integers\n",
      arguments.out.string(), package.graph.nodes.size(), package.weights.size(), bytes,
      100 * integers);
  return 0;
}

}  // namespace quantbench
