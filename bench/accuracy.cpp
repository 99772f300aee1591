#include "bench/accuracy.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "bench/interrupt.h"

namespace quantbench {

Accuracy measure_accuracy(const Dataset& dataset, const EvaluationConfig& config,
                          const Classifier& classifier, const Watcher& watch) {
  const torch::NoGradGuard no_grad;
  Accuracy out;
  out.predictions.kind = config.kind;
  int64_t total = dataset.size(config.split);
  if (config.samples > 0) total = std::min(total, config.samples);
  double loss = 0;
  for (int64_t first = 0; first < total; first += config.batch) {
    if (interrupt_requested()) throw Interrupted("Stopped while measuring accuracy.");
    BatchRequest request;
    request.positions.resize(static_cast<size_t>(std::min(config.batch, total - first)));
    std::iota(request.positions.begin(), request.positions.end(), first);
    const Batch batch = dataset.batch(config.split, request).to(config.device);
    const Tensor logits = batch.scored(classifier(batch)).to(torch::kCPU);
    const Tensor target = batch.target.to(torch::kCPU);
    out.nan = out.nan || !torch::isfinite(logits).all().item<bool>();
    loss += torch::cross_entropy_loss(logits, target, {}, at::Reduction::Sum).item<double>();
    const Tensor predicted = logits.argmax(1);
    const int64_t k = std::min<int64_t>(5, logits.size(1));
    const Tensor best = std::get<1>(logits.topk(k, 1));
    out.correct += predicted.eq(target).sum().item<int64_t>();
    out.correct5 += best.eq(target.unsqueeze(1)).any(1).sum().item<int64_t>();
    out.samples += target.size(0);
    const Tensor ids = batch.sample_ids.defined()
                           ? batch.sample_ids
                           : torch::arange(first, first + target.size(0), torch::kLong);
    for (int64_t i = 0; i < target.size(0); ++i) {
      out.predictions.sample.push_back(static_cast<int32_t>(ids[i].item<int64_t>()));
      out.predictions.predicted.push_back(static_cast<int32_t>(predicted[i].item<int64_t>()));
      out.predictions.target.push_back(static_cast<int32_t>(target[i].item<int64_t>()));
    }
    if (watch) watch(std::min(first + config.batch, total), total);
  }
  if (out.samples) out.loss = loss / static_cast<double>(out.samples);
  out.nan = out.nan || !std::isfinite(out.loss);
  return out;
}

}  // namespace quantbench
