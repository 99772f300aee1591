#include "bench/accuracy.h"

#include <algorithm>

#include "bench/interrupt.h"
#include "datasets/loader.h"

namespace quantbench {

Accuracy measure_accuracy(const Dataset& dataset, const EvaluationConfig& config,
                          const Classifier& classifier, const Watcher& watch) {
  const torch::NoGradGuard no_grad;
  Accuracy out;
  out.predictions.kind = config.kind;
  int64_t total = dataset.size(config.split);
  if (config.samples > 0) total = std::min(total, config.samples);
  double loss = 0;
  LoaderConfig ahead;
  ahead.split = config.split;
  ahead.batch_size = config.batch;
  ahead.samples = total;
  ahead.threads = config.loader_threads;
  Loader loader(dataset, ahead);
  loader.start(0);
  for (int64_t first = 0; first < total; first += config.batch) {
    if (interrupt_requested()) throw Interrupted("Stopped while measuring accuracy.");
    const Batch batch = loader.next().value().to(config.device);
    const Tensor logits = batch.scored(classifier(batch)).to(torch::kCPU);
    const Tensor target = batch.target.to(torch::kCPU);
    out.not_finite = out.not_finite || !torch::isfinite(logits).all().item<bool>();
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
    const auto append = [](std::vector<int32_t>& to, const Tensor& from) {
      const Tensor flat = from.to(torch::kCPU, torch::kInt).contiguous();
      to.insert(to.end(), flat.data_ptr<int32_t>(), flat.data_ptr<int32_t>() + flat.numel());
    };
    append(out.predictions.sample, ids);
    append(out.predictions.predicted, predicted);
    append(out.predictions.target, target);
    if (watch) watch(std::min(first + config.batch, total), total);
  }
  if (out.samples) out.loss = loss / static_cast<double>(out.samples);
  out.not_finite = out.not_finite || !std::isfinite(out.loss);
  return out;
}

}  // namespace quantbench
