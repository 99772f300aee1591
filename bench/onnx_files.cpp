#include "bench/onnx_files.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/sha256.h"
#include "bench/onnx_comparison.h"
#include "runtime/onnx/onnx_model.h"
#include "runtime/package.h"

namespace quantbench {
namespace {

constexpr std::array<const char*, 3> kNames = {"onnx-qdq", "onnx-fp32", "qonnx"};

std::string answers(const EngineExecutor& executor, const std::string& bytes,
                    OracleSamples& samples) {
  const auto library = OnnxRuntime::find();
  if (!library) return "not run: ONNX Runtime is not here";
  const OnnxModel model(OnnxRuntime::load(*library), bytes);
  OnnxComparison comparison(executor.plan());
  while (const auto batch = samples.next()) {
    stop_if_interrupted("asking ONNX Runtime");
    comparison.add(batch->scored(model.forward(*batch)), batch->scored(executor.forward(*batch)),
                   batch->target);
  }
  return fmt::format("{} gives {:.2f} % of {} answers as the package does, logits within {:.3g}",
                     model.name(), 100 * comparison.equal_answers(), comparison.samples(),
                     comparison.largest_difference());
}

}  // namespace

const char* name_of(OnnxKind kind) { return kNames.at(static_cast<size_t>(kind)); }

OnnxKind onnx_kind(const std::string& name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  require(found != kNames.end(),
          "'{}' is no kind of ONNX file; there are onnx-qdq, onnx-fp32 and "
          "qonnx.",
          name);
  return static_cast<OnnxKind>(found - kNames.begin());
}

std::vector<OnnxKind> onnx_kinds(const std::string& list) {
  std::vector<OnnxKind> out;
  std::stringstream in(list);
  for (std::string item; std::getline(in, item, ',');) {
    item.erase(0, item.find_first_not_of(' '));
    item.erase(item.find_last_not_of(' ') + 1);
    const OnnxKind kind = onnx_kind(item);
    if (std::find(out.begin(), out.end(), kind) == out.end()) out.push_back(kind);
  }
  return out;
}

OnnxFile write_onnx_file(const EngineExecutor& executor, const std::filesystem::path& package,
                         OnnxKind kind, const std::map<std::string, std::string>& metadata,
                         OracleSamples& samples) {
  OnnxFile out;
  out.name = fmt::format("{}.{}.onnx", package.stem().string(), name_of(kind));
  try {
    OnnxExport how;
    how.kind = kind;
    how.metadata = metadata;
    const std::string bytes = to_onnx(read_package(package), how);
    write_atomically(package.parent_path() / out.name, bytes);
    out.bytes = static_cast<int64_t>(bytes.size());
    out.sha256 = sha256(bytes);
    out.check = kind == OnnxKind::Qonnx ? "not run: ONNX Runtime knows no operators of QONNX"
                                        : answers(executor, bytes, samples);
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& problem) {
    // The run's own result stands without it.
    out.check = problem.what();
  }
  return out;
}

}  // namespace quantbench
