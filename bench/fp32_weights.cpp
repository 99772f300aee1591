#include "bench/fp32_weights.h"

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "models/safetensors.h"
#include "models/weight_file.h"
#include "results/run_folder.h"
#include "results/sqlite.h"
#include "results/store.h"
#include "runtime/package.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

constexpr char kRun[] = "run:";

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 16 &&
         text.find_first_not_of("0123456789") == std::string::npos;
}

RunRecord run_of(const Store& store, const std::string& uid) {
  Statement query = store.connection().prepare("SELECT id FROM runs WHERE uid = ?");
  query.bind(uid);
  require(query.step(), "fp32.weights: this store has no run {}.", uid);
  return store.run(query.integer());
}

// A checkpoint's names carry the group, and slashes where PyTorch has dots.
std::map<std::string, Tensor> network_of_checkpoint(const SafeTensors& file) {
  const std::string group = "now network|";
  std::map<std::string, Tensor> out;
  for (const auto& [name, tensor] : file.tensors) {
    if (name.rfind(group, 0) != 0) continue;
    std::string key = name.substr(group.size());
    if (key.rfind("taps/", 0) == 0) continue;
    std::replace(key.begin(), key.end(), '/', '.');
    out[key] = tensor;
  }
  return out;
}

// Told by content, as weight files are.
bool is_safetensors(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  char head[9] = {};
  return in.read(head, sizeof(head)) && head[8] == '{';
}

}  // namespace

void name_runs(RecipeText& text, const fs::path& store) {
  const auto found = text.find("fp32.weights");
  if (found == text.end()) return;
  for (std::string& value : found->second) {
    if (!is_number(value) || fs::exists(value)) continue;
    require(fs::exists(store), "fp32.weights names run {}, and there is no store {}.", value,
            store.string());
    const RunRecord run = Store(store, Store::Access::Read).run(std::stoll(value));
    const bool finished = run.status == RunStatus::Ok || run.status == RunStatus::Mistrusted;
    require(finished && run.method == "fp32",
            "fp32.weights names run {}, which is {} and of method {}; it takes a finished run of "
            "method fp32, or the file of another's checkpoint.",
            value, name_of(run.status), run.method);
    value = kRun + run.uid;
  }
}

fs::path weight_file(const Recipe& recipe, const fs::path& data_root, const fs::path& store) {
  const std::string& name = recipe.values.text("fp32.weights");
  if (name.empty()) return {};
  if (name.rfind(kRun, 0) == 0 && !fs::exists(name)) {
    require(fs::exists(store), "fp32.weights names a run, and there is no store {}.",
            store.string());
    const Store runs(store, Store::Access::Read);
    const fs::path package =
        run_folder(store, run_of(runs, name.substr(sizeof(kRun) - 1))) / "package.safetensors";
    require(fs::exists(package), "fp32.weights: the package {} of that run is not here.",
            package.string());
    return package;
  }
  fs::path path(name);
  if (path.is_relative() && !fs::exists(path)) path = data_root / name;
  require(fs::exists(path), "There is no weight file {}, neither here nor in the data root {}.",
          name, data_root.string());
  return path;
}

std::map<std::string, Tensor> read_fp32_weights(const fs::path& path) {
  if (!is_safetensors(path)) return read_weight_file(path);
  const SafeTensors file = read_safetensors(path);
  if (file.metadata.count("checkpoint")) return network_of_checkpoint(file);
  if (file.metadata.count("quantbench_package") == 0) return read_weight_file(path);
  const Package package = read_package(path);
  require(package.weights.empty() && package.activations.empty(),
          "{} is a package of quantized numbers; FP32 weights come from a package of floats (of "
          "method fp32).",
          path.string());
  return package.parameters;
}

}  // namespace quantbench
