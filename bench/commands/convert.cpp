// A package as a file that other tools open.
#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "bench/commands/commands.h"
#include "bench/onnx_files.h"
#include "runtime/onnx/export.h"
#include "runtime/package.h"

namespace quantbench {
namespace {

// What the store knows of the run that the package came from; its hash in any case.
std::map<std::string, std::string> origin_of(const std::filesystem::path& path,
                                             const std::filesystem::path& store) {
  std::map<std::string, std::string> out{{"package", sha256_file(path)}};
  if (!std::filesystem::exists(store)) return out;
  const Store results(store, Store::Access::Read);
  for (const RunRecord& run : results.runs()) {
    const RunResult result = results.result(run.id);
    if (result.package_hash != out["package"]) continue;
    out["run"] = run.uid;
    out["dataset"] = run.dataset;
    if (result.top1_shipped) out["top1"] = fmt::format("{:.6f}", *result.top1_shipped);
    break;
  }
  return out;
}

}  // namespace

int convert_command(const Arguments& arguments) {
  require(arguments.operands.size() == 1 && !arguments.out.empty() && !arguments.to.empty(),
          "'quantbench convert' takes one package file, --to=KIND and --out=FILE.");
  const std::filesystem::path path = arguments.operands[0];
  require(std::filesystem::is_regular_file(path), "There is no package file {}.", path.string());
  OnnxExport how;
  how.kind = onnx_kind(arguments.to);
  require(arguments.residual.empty() || how.kind == OnnxKind::Qdq,
          "Option --residual goes with --to=onnx-qdq.");
  if (arguments.residual == "quantized") how.residual = OnnxResidual::Quantized;
  how.metadata = origin_of(path, arguments.runner.store);
  const std::string bytes = to_onnx(read_package(path), how);
  write_atomically(arguments.out, bytes);
  say("{}: {} bytes\n", arguments.out.string(), bytes.size());
  return 0;
}

}  // namespace quantbench
