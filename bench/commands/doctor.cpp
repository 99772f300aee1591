#include <nlohmann/json.hpp>

#include "base/torch.h"
#include "bench/build_info.h"
#include "bench/commands/commands.h"
#include "bench/provenance.h"
#include "datasets/dataset.h"
#include "runtime/engine/isa.h"

namespace quantbench {

int doctor_command(const Arguments& arguments) {
  const Provenance p = collect_provenance(arguments.runner.device);
  const auto root = data_root(arguments.runner.data);
  nlohmann::ordered_json out{{"quantbench", kVersion},
                             {"source_revision", p.source_revision},
                             {"source_dirty", p.source_dirty},
                             {"compiler", p.compiler},
                             {"build_type", p.build_type},
                             {"libraries", p.libraries},
                             {"cpu", p.cpu},
                             {"isa", p.isa},
                             {"engine_isa", engine::choose_kernels().name},
                             {"blas", p.blas},
                             {"threads", p.threads},
                             {"usable_cpus", usable_cpus()},
                             {"cuda", torch::cuda::is_available()},
                             {"data_root", root.string()}};
  std::vector<std::string> warnings;
  if (p.blas.find("OpenBLAS") == std::string::npos && p.blas != "MKL")
    warnings.push_back(
        "BLAS is not OpenBLAS: install libopenblas-dev, matrix products are slow without it.");
  if (p.build_type != "Release") warnings.push_back("This is no release build: do not time it.");
  auto& data = out["datasets"] = nlohmann::ordered_json::object();
  for (const std::string& name : datasets().names()) {
    const DatasetEntry& entry = datasets().get(name);
    const std::string missing = entry.missing ? entry.missing(root) : "";
    data[name] = missing.empty() ? "found" : missing;
  }
  out["warnings"] = warnings;
  if (arguments.json) {
    say("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return 0;
  }
  for (const auto& [key, value] : out.items()) {
    if (value.is_object()) {
      say("{}:\n", key);
      for (const auto& [name, text] : value.items())
        say("  {:<18} {}\n", name, text.get<std::string>());
    } else if (value.is_array()) {
      for (const auto& warning : value) say("warning: {}\n", warning.get<std::string>());
    } else {
      say("{:<20} {}\n", key,
          value.is_string() ? value.get<std::string>()
                            : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    }
  }
  return 0;
}

}  // namespace quantbench
