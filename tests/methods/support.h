// Small tensors and formats for the tests of this folder, the naive references they compare with,
// and what a method gets from a trainer.
#pragma once

#include <cmath>
#include <limits>

#include "base/torch.h"
#include "methods/common/range.h"
#include "methods/method.h"

namespace quantbench {

inline Tensor values(std::vector<float> list) { return torch::tensor(list, torch::kFloat32); }
inline Tensor codes(std::vector<int32_t> list) { return torch::tensor(list, torch::kInt32); }

inline Tensor random_tensor(torch::IntArrayRef shape, uint64_t seed, double deviation = 1) {
  torch::manual_seed(seed);
  return torch::randn(shape) * deviation;
}

inline UniformFormat tensor_format(double scale, int32_t zero_point, int64_t bits) {
  UniformFormat format;
  format.scale = torch::full({1}, scale, torch::kFloat32);
  format.zero_point = torch::full({1}, zero_point, torch::kInt32);
  format.bits = torch::full({1}, bits, torch::kUInt8);
  return format;
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.sizes() == b.sizes() &&
         torch::equal(a.contiguous().view(torch::kInt32), b.contiguous().view(torch::kInt32));
}

// The same numbers in channels-last memory, for 4-d tensors.
inline Tensor channels_last(const Tensor& x) {
  return x.contiguous(torch::MemoryFormat::ChannelsLast);
}

inline std::map<std::string, Tensor> tensors_of(const Network& network) {
  std::map<std::string, Tensor> out;
  for (const auto& item : network.named_parameters())
    out[item.key()] = item.value().detach().clone();
  for (const auto& item : network.named_buffers()) out[item.key()] = item.value().detach().clone();
  return out;
}

// A network and the batches that a method may see.
struct SmallTask {
  Network network;
  std::vector<Batch> batches;

  SmallTask(const Graph& graph, uint64_t seed, std::vector<Batch> given)
      : network(graph, RandomStream(seed, "init")), batches(std::move(given)) {}

  MethodContext context() {
    return {network, batches, RandomStream(1, "method"), {}, [](const std::string&) {}};
  }
  void start(Method& method) {
    MethodContext at = context();
    method.plan(at);
    method.attach(network);
  }
  // As the trainer restores a checkpoint.
  void resume(Method& method, const MethodState& state,
              const std::map<std::string, Tensor>& tensors) {
    method.load(state);
    method.attach(network);
    const torch::NoGradGuard no_grad;
    for (auto& item : network.named_parameters()) item.value().copy_(tensors.at(item.key()));
    for (auto& item : network.named_buffers()) item.value().copy_(tensors.at(item.key()));
  }
};

// 32 images of 3 x 8 x 8 in four classes, each class about a mean of its own: there is something
// to learn.
inline Batch clustered_batch() {
  torch::manual_seed(1);
  const Tensor means = torch::randn({4, 3, 8, 8});
  Batch batch;
  batch.target = torch::randint(4, {32}, torch::kLong);
  batch.input = means.index_select(0, batch.target) + 0.7 * torch::randn({32, 3, 8, 8});
  return batch;
}

// Two batches of 16 such images in which there is nothing to learn.
inline std::vector<Batch> random_batches() {
  std::vector<Batch> out(2);
  for (uint64_t i = 0; i < 2; ++i) {
    out[i].input = random_tensor({16, 3, 8, 8}, 20 + i);
    out[i].target = torch::arange(16, torch::kInt64).remainder(4);
  }
  return out;
}

}  // namespace quantbench
