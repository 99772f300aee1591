#include "bench/accuracy.h"

#include <algorithm>

#include "bench/data_parallel.h"
#include "bench/interrupt.h"
#include "datasets/loader.h"

namespace quantbench {
namespace {

// What is counted of each batch, in the columns of a table.
enum Column : int64_t { kSamples, kCorrect, kCorrect5, kNotFinite, kLoss, kColumns };

}  // namespace

Accuracy measure_accuracy(const Dataset& dataset, const EvaluationConfig& config,
                          const Classifier& classifier, const Watcher& watch) {
  const torch::NoGradGuard no_grad;
  Accuracy out;
  out.predictions.kind = config.kind;
  int64_t total = dataset.size(config.split);
  if (config.samples > 0) total = std::min(total, config.samples);
  const int64_t batches = (total + config.batch - 1) / config.batch;
  const int64_t rank = config.parallel ? config.parallel->rank() : 0;
  const int64_t processes = config.parallel ? config.parallel->size() : 1;
  // The last row says who was asked to stop.
  Tensor counts = torch::zeros({batches + 1, kColumns}, torch::kDouble);
  LoaderConfig ahead;
  ahead.split = config.split;
  ahead.batch_size = config.batch;
  ahead.samples = total;
  ahead.threads = config.loader_threads;
  if (config.parallel)
    ahead.share = [=](int64_t index, int64_t samples) {
      return std::pair<int64_t, int64_t>(0, index % processes == rank ? samples : 0);
    };
  Loader loader(dataset, ahead);
  loader.start(0);
  const auto count_batch = [&](const Batch& batch, int64_t first, Tensor count) {
    const Tensor logits = batch.scored(classifier(batch)).to(torch::kCPU);
    const Tensor target = batch.target.to(torch::kCPU);
    count[kNotFinite] = torch::isfinite(logits).all().logical_not();
    count[kLoss] = torch::cross_entropy_loss(logits, target, {}, at::Reduction::Sum);
    const Tensor predicted = logits.argmax(1);
    const int64_t k = std::min<int64_t>(5, logits.size(1));
    const Tensor best = std::get<1>(logits.topk(k, 1));
    count[kCorrect] = predicted.eq(target).sum();
    count[kCorrect5] = best.eq(target.unsqueeze(1)).any(1).sum();
    count[kSamples] = target.size(0);
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
  };
  for (int64_t index = 0; index < batches && !interrupt_requested(); ++index) {
    const int64_t first = index * config.batch;
    const Batch batch = loader.next().value().to(config.device);
    if (index % processes == rank) count_batch(batch, first, counts[index]);
    if (watch) watch(std::min(first + config.batch, total), total);
  }
  if (interrupt_requested()) counts[batches].fill_(1);
  if (config.parallel) counts = config.parallel->sum(counts);
  if (counts[batches].gt(0).any().item<bool>())
    throw Interrupted("Stopped while measuring accuracy.");
  double loss = 0;
  for (int64_t index = 0; index < batches; ++index) {
    const double* count = counts.data_ptr<double>() + index * kColumns;
    loss += count[kLoss];
    out.not_finite = out.not_finite || count[kNotFinite] > 0;
    out.correct += static_cast<int64_t>(count[kCorrect]);
    out.correct5 += static_cast<int64_t>(count[kCorrect5]);
    out.samples += static_cast<int64_t>(count[kSamples]);
  }
  if (out.samples) out.loss = loss / static_cast<double>(out.samples);
  out.not_finite = out.not_finite || !std::isfinite(out.loss);
  return out;
}

}  // namespace quantbench
