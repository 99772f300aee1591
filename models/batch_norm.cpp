#include "models/batch_norm.h"

#include "base/error.h"
#include "base/interrupt.h"

namespace quantbench {
namespace {

struct Statistics {
  int node = 0;
  double momentum = 0;
  Tensor mean, variance;          // the network's buffers
  Tensor mean_sum, variance_sum;  // float64

  // Makes the next forward pass leave momentum times the batch's own.
  void clear() {
    mean.zero_();
    variance.zero_();
  }
  void gather() {
    mean_sum += mean.to(torch::kDouble) / momentum;
    variance_sum += variance.to(torch::kDouble) / momentum;
  }
};

std::vector<Statistics> all_statistics(const Network& network) {
  std::vector<Statistics> out;
  const auto& nodes = network.graph().nodes;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto* norm = std::get_if<op::BatchNorm>(&nodes[i].operation);
    if (norm == nullptr) continue;
    Statistics s{static_cast<int>(i), norm->momentum, {}, {}, {}, {}};
    s.mean = network.parameter(s.node, "running_mean");
    s.variance = network.parameter(s.node, "running_var");
    s.mean_sum = torch::zeros_like(s.mean, torch::kDouble);
    s.variance_sum = torch::zeros_like(s.variance, torch::kDouble);
    out.push_back(std::move(s));
  }
  return out;
}

// The mode of the network's own operations; taps stay in evaluation.
void set_mode(Network& network, bool training) {
  network.train(training);
  for (const auto& tap : network.children()) tap->eval();
}

}  // namespace

void reestimate_batch_norm(Network& network, const std::vector<Batch>& batches) {
  require(!batches.empty(), "BatchNorm statistics cannot be estimated without a batch.");
  std::vector<Statistics> all = all_statistics(network);
  if (all.empty()) return;
  const torch::NoGradGuard no_grad;
  const bool training = network.is_training();
  for (const Batch& batch : batches) {
    stop_if_interrupted("estimating BatchNorm again");
    // Nothing behind the last BatchNorm is run.
    std::vector<Tensor> values;
    int next = 0;
    for (Statistics& s : all) {
      s.clear();
      set_mode(network, false);
      if (next < s.node) network.run(batch, values, next, s.node - 1);
      set_mode(network, true);
      network.run(batch, values, s.node, s.node);
      s.gather();
      next = s.node + 1;
    }
  }
  const auto count = static_cast<double>(batches.size());
  for (const Statistics& s : all) {
    Tensor mean = s.mean, variance = s.variance;
    mean.copy_(s.mean_sum / count);
    variance.copy_(s.variance_sum / count);
  }
  network.train(training);
}

}  // namespace quantbench
