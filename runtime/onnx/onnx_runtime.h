// Microsoft's ONNX Runtime as a peer to compare with: its shared library is looked for when it is
// asked for, and nothing of quantbench needs it. Only the functions declared in the .cpp are used,
// by their place in the table that the library hands out, which never changes once it is published.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/torch.h"

namespace quantbench {

// A loaded library. Sessions keep it alive; it is never unloaded.
class OnnxRuntime {
 public:
  // Where the library is: `asked` (a file, or a folder that is searched), else
  // $QUANTBENCH_ONNXRUNTIME, else .cache/peers below the working directory (where
  // `scripts/install_deps.sh --peers` puts it), else what the system's loader knows. Nothing where
  // there is none. Throws Error when `asked` or the variable names something without it.
  static std::optional<std::filesystem::path> find(const std::string& asked = "");

  // Throws Error when `path` is no ONNX Runtime.
  static std::shared_ptr<const OnnxRuntime> load(const std::filesystem::path& path);

  std::string version() const;  // "1.30.0"

  struct Library;
  const Library& library() const { return *library_; }

 private:
  explicit OnnxRuntime(std::shared_ptr<const Library> library) : library_(std::move(library)) {}
  std::shared_ptr<const Library> library_;
};

struct OnnxSessionOptions {
  int threads = 1;  // of one node's work
  // Idle threads wait for work in a loop; without, they sleep.
  bool spin = true;
  // What the optimized graph is written to, as an .onnx file; empty: nowhere.
  std::filesystem::path optimized_model;
};

// A model, ready to run. run() may be called from one thread at a time.
class OnnxSession {
 public:
  // `model`: the bytes of an .onnx file. All of ONNX Runtime's optimizations are on. Where 8-bit
  // products would saturate (x86 without VNNI), exact slower ones are asked for. Throws Error with
  // ONNX Runtime's own words when it refuses the model.
  OnnxSession(std::shared_ptr<const OnnxRuntime> runtime, std::string_view model,
              const OnnxSessionOptions& options = {});
  ~OnnxSession();
  OnnxSession(OnnxSession&&) noexcept;
  OnnxSession& operator=(OnnxSession&&) noexcept;

  const std::vector<std::string>& inputs() const;   // names
  const std::vector<std::string>& outputs() const;  // names

  // One tensor for each name of inputs(): float32, float64, int64, int32, int8, uint8 or bool, on
  // the CPU. One for each of outputs(). Throws Error when ONNX Runtime fails.
  std::vector<Tensor> run(const std::vector<Tensor>& inputs) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quantbench
