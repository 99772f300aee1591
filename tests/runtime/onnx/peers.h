// The other tools, where they are.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "runtime/onnx/onnx_runtime.h"

namespace quantbench {

// ONNX Runtime, or null.
inline std::shared_ptr<const OnnxRuntime> onnx_runtime() {
  static const std::shared_ptr<const OnnxRuntime> runtime =
      []() -> std::shared_ptr<const OnnxRuntime> {
    const std::filesystem::path folder =
        std::filesystem::path(QUANTBENCH_SOURCE_DIR) / ".cache" / "peers";
    const bool named = std::getenv("QUANTBENCH_ONNXRUNTIME") != nullptr;
    const auto library = !named && std::filesystem::exists(folder / "node_modules")
                             ? OnnxRuntime::find(folder.string())
                             : OnnxRuntime::find();
    return library ? OnnxRuntime::load(*library) : nullptr;
  }();
  return runtime;
}

// A Python with the module `onnx` and NumPy, or "".
inline std::string onnx_python() {
  static const std::string found = [] {
    for (const char* name : {"python3", "/usr/bin/python3"})
      if (std::system((std::string(name) + " -c 'import onnx, numpy' >/dev/null 2>&1").c_str()) ==
          0)
        return std::string(name);
    return std::string();
  }();
  return found;
}

// What `script` of this folder says; its exit code and whatever it wrote to `log`.
struct ScriptAnswer {
  int code = 0;
  std::string text;
};
inline ScriptAnswer run_script(const std::string& script, const std::string& arguments,
                               const std::filesystem::path& log) {
  const std::string command = onnx_python() + " " + ONNX_SCRIPTS + "/" + script + " " + arguments +
                              " >'" + log.string() + "' 2>&1";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, read_file(log)};
}

}  // namespace quantbench

#define SKIP_WITHOUT_ONNX_RUNTIME() \
  if (!quantbench::onnx_runtime())  \
  GTEST_SKIP() << "No ONNX Runtime here: scripts/install_deps.sh --peers fetches it."
#define SKIP_WITHOUT_ONNX_PYTHON()       \
  if (quantbench::onnx_python().empty()) \
  GTEST_SKIP() << "No Python with ONNX and NumPy here (packages python3-onnx, python3-numpy)."
