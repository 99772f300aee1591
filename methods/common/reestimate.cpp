#include "methods/common/reestimate.h"

namespace quantbench {

void reestimate_batch_norm(Network& network, const std::vector<Batch>& batches) {
  const torch::NoGradGuard no_grad;
  struct Statistics {
    Tensor mean, variance, mean_sum, variance_sum;
    double momentum;
  };
  std::vector<Statistics> all;
  const Graph& graph = network.graph();
  for (int i = 0; i <= graph.output(); ++i)
    if (const auto* norm =
            std::get_if<op::BatchNorm>(&graph.nodes[static_cast<size_t>(i)].operation)) {
      const Tensor mean = network.parameter(i, "running_mean");
      const Tensor variance = network.parameter(i, "running_var");
      all.push_back(
          {mean, variance, torch::zeros_like(mean), torch::zeros_like(variance), norm->momentum});
    }
  if (all.empty() || batches.empty()) return;
  const bool training = network.is_training();
  network.train();
  for (const auto& tap : network.modules(/*include_self=*/false)) tap->eval();
  for (const Batch& batch : batches) {
    // From zero, what is left behind is momentum times the batch's own statistics.
    for (const Statistics& s : all) {
      s.mean.zero_();
      s.variance.zero_();
    }
    network.forward(batch);
    for (const Statistics& s : all) {
      s.mean_sum.add_(s.mean);
      s.variance_sum.add_(s.variance);
    }
  }
  for (const Statistics& s : all) {
    const double share = 1 / (s.momentum * static_cast<double>(batches.size()));
    s.mean.copy_(s.mean_sum * share);
    s.variance.copy_(s.variance_sum * share);
  }
  network.train(training);
}

}  // namespace quantbench
