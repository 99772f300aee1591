// What another toolkit wrote, as a file of this program: a quantized ONNX file as a package, a
// weight file with other names or of Caffe as a weight file.
#include "runtime/onnx/import.h"

#include "base/error.h"
#include "base/file.h"
#include "bench/commands/commands.h"
#include "models/caffe_file.h"
#include "models/safetensors.h"
#include "models/weight_file.h"
#include "models/weight_names.h"
#include "runtime/package.h"
#include "runtime/plan.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostRules = uint64_t{1} << 24;  // bytes of a mapping

int import_onnx(const Arguments& arguments, const fs::path& path) {
  const Package package = from_onnx(read_file(path), path.string());
  const double integers = integer_share(make_plan(package));
  const uint64_t bytes = write_package(arguments.out, package);
  say("{}: {} nodes, {} quantized weights, {} bytes; {:.1f} % of the MACs on integers\n",
      arguments.out.string(), package.graph.nodes.size(), package.weights.size(), bytes,
      100 * integers);
  return 0;
}

int import_weights(const Arguments& arguments, const fs::path& path) {
  auto weights = path.extension() == ".caffemodel"
                     ? parse_caffe_model(read_file(path), path.string())
                     : read_weight_file(path);
  if (!arguments.map.empty())
    weights = renamed(weights, read_file(arguments.map, kMostRules), arguments.map.string());
  SafeTensors out;
  for (const auto& [name, tensor] : weights) out.tensors.emplace_back(name, tensor.contiguous());
  const uint64_t bytes = write_safetensors(arguments.out, out);
  say("{}: {} tensors, {} bytes\n", arguments.out.string(), out.tensors.size(), bytes);
  return 0;
}

}  // namespace

int import_command(const Arguments& arguments) {
  require(arguments.operands.size() == 1 && !arguments.out.empty(),
          "'quantbench import' takes one .onnx or weight file and --out=FILE.");
  const fs::path path = arguments.operands[0];
  require(fs::is_regular_file(path), "There is no file {}.", path.string());
  if (path.extension() != ".onnx") return import_weights(arguments, path);
  require(arguments.map.empty(), "'quantbench import' takes --map with a weight file.");
  return import_onnx(arguments, path);
}

}  // namespace quantbench
