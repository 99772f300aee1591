#include "bench/saved_state.h"

#include "base/error.h"
#include "base/sha256.h"

namespace quantbench {
namespace {

template <typename Copy>
NamedTensors tensors_of(const torch::nn::Module& module, const Copy& copy) {
  NamedTensors out;
  const auto add = [&](const auto& items) {
    for (const auto& item : items)
      if (item.value().defined()) out[item.key()] = copy(item.value().detach());
  };
  add(module.named_parameters());
  add(module.named_buffers());
  return out;
}

Tensor cpu_clone(const Tensor& x) {
  return x.detach().to(torch::kCPU, x.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
}

MethodState copy_of(MethodState state) {
  for (auto& [name, tensor] : state.tensors) tensor = cpu_clone(tensor);
  return state;
}

}  // namespace

NamedTensors snapshot(const torch::nn::Module& module) { return tensors_of(module, cpu_clone); }

NamedTensors copy_of(const torch::nn::Module& module) {
  return tensors_of(module, [](const Tensor& x) { return x.clone(); });
}

void restore(torch::nn::Module& module, const NamedTensors& state) {
  const torch::NoGradGuard no_grad;
  size_t used = 0;
  const auto copy = [&](const auto& items) {
    for (const auto& item : items) {
      if (!item.value().defined()) continue;
      const auto found = state.find(item.key());
      require(found != state.end() && found->second.sizes() == item.value().sizes(),
              "The saved state does not fit the network at {}.", item.key());
      Tensor target = item.value();
      target.copy_(found->second);
      ++used;
    }
  };
  copy(module.named_parameters());
  copy(module.named_buffers());
  require(used == state.size(), "The saved state has {} tensors that the network lacks.",
          state.size() - used);
}

SavedState snapshot(const Network& network, const Method& method) {
  return {snapshot(network), copy_of(method.save())};
}

void restore(Network& network, Method& method, const SavedState& state) {
  const torch::Device device = network.parameters(/*recurse=*/false).front().device();
  network.clear_taps();
  // The method may work on what it is given; `state` stays as it is.
  method.load(copy_of(state.method));
  method.attach(network);
  network.to(device);
  restore(network, state.network);
}

std::string hash_of(const NamedTensors& state) {
  Sha256 digest;
  for (const auto& [name, tensor] : state) {
    const Tensor bytes = tensor.detach().to(torch::kCPU).contiguous();
    digest.update(fmt::format("{}:{}:{}\n", name, bytes.dim(), bytes.numel()));
    digest.update(bytes.data_ptr(), static_cast<size_t>(bytes.nbytes()));
  }
  return digest.hex();
}

}  // namespace quantbench
