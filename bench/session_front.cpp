// The part of a session that measures the states which a method kept.
#include <cmath>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/safe_name.h"
#include "bench/accuracy.h"
#include "bench/front.h"
#include "bench/session.h"
#include "runtime/engine/engine_executor.h"

namespace quantbench {

namespace fs = std::filesystem;

FrontRow Session::measure_kept(const std::string& name, const SavedState& state) {
  FrontRow row;
  row.name = name;
  network_->to(device_);
  restore(*network_, *method_, state);
  freeze();
  row.figures = method_->figures();
  const Classifier simulate = [&](const Batch& b) { return network_->forward(b); };
  row.validation_top1 = measure(name, "validation", simulate, device_, Split::Validation).top1();

  const fs::path path =
      config_.folder / "front" / (safe_name(name, "a kept state") + ".safetensors");
  const Shipped shipped = ship(path);
  row.size_bytes = shipped.size_bytes;
  row.weight_bits_average = shipped.packaged.weight_bits_average;
  row.weights_hash = shipped.weights_hash;
  row.package_hash = shipped.package_hash;
  const EngineExecutor executor(read_package(path));
  int64_t simulated_correct = 0;
  const Accuracy accuracy = measure(
      name, "shipped",
      [&](const Batch& b) {
        const Tensor integers = executor.forward(b), floats = network_->forward(b);
        row.mismatches += integers.ne(floats).any(1).sum().item<int64_t>();
        simulated_correct += b.scored(floats).argmax(1).eq(b.target).sum().item<int64_t>();
        return integers;
      },
      torch::kCPU);
  row.samples = accuracy.samples;
  row.top1_shipped = accuracy.top1();
  row.top1_simulated = static_cast<double>(simulated_correct) /
                       static_cast<double>(std::max<int64_t>(1, row.samples));
  return row;
}

void Session::measure_kept(SessionResult& out) {
  if (kept_.empty()) return;
  fs::create_directories(config_.folder / "front");
  std::vector<FrontRow> rows;
  for (const auto& [name, state] : kept_) {
    stop_if_interrupted("measuring the kept states");
    rows.push_back(measure_kept(name, state));
    const FrontRow& row = rows.back();
    std::string figures;
    for (const auto& [figure, value] : row.figures)
      figures += fmt::format(", {} {:.6g}", figure, value);
    display_.line(fmt::format(
        "Kept {}: validation {:.2f} %, simulated {:.2f} %, shipped {:.2f} %{}", name,
        100 * row.validation_top1, 100 * row.top1_simulated, 100 * row.top1_shipped, figures));
    if (std::abs(row.top1_simulated - row.top1_shipped) > 0.001)
      out.doubts.push_back(
          fmt::format("The package of the kept state {} answers differently.", name));
  }
  mark_front(rows);
  out.artefacts["front.csv"] = front_csv(std::move(rows));
  write_atomically(config_.folder / "front.csv", out.artefacts["front.csv"]);
}

}  // namespace quantbench
