// LibTorch, and the one place that knows how 1.13 and 2.x differ. Precompiled. Not <torch/torch.h>,
// whose layers, data loaders and JIT would be instantiated again in every source (4 s each); the
// optimizers have their own header where they are needed.
#pragma once

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/autograd.h>
#include <torch/cuda.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>
#include <torch/version.h>

#include <memory>
#include <string>
#include <vector>

namespace quantbench {

using torch::Tensor;

// The key of a parameter in torch::optim's state map: a string in 1.13, a pointer in 2.x.
inline auto optimizer_state_key(const Tensor& parameter) {
#if TORCH_VERSION_MAJOR >= 2
  return parameter.unsafeGetTensorImpl();
#else
  return c10::guts::to_string(parameter.unsafeGetTensorImpl());
#endif
}

// Runs convolutions and matrix products in bfloat16 while it lives.
class Bf16Autocast {
 public:
  Bf16Autocast(bool on, torch::DeviceType device) : on_(on), cuda_(device == torch::kCUDA) {
    if (on_) set(true);
  }
  ~Bf16Autocast() {
    if (on_) set(false);
  }
  Bf16Autocast(const Bf16Autocast&) = delete;
  Bf16Autocast& operator=(const Bf16Autocast&) = delete;

 private:
  void set(bool on) {
    if (!on) at::autocast::clear_cache();
#if TORCH_VERSION_MAJOR >= 2
    const auto device = cuda_ ? at::kCUDA : at::kCPU;
    at::autocast::set_autocast_dtype(device, at::kBFloat16);
    at::autocast::set_autocast_enabled(device, on);
#else
    if (cuda_) {
      at::autocast::set_autocast_gpu_dtype(at::kBFloat16);
      at::autocast::set_enabled(on);
    } else {
      at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
      at::autocast::set_cpu_enabled(on);
    }
#endif
  }

  bool on_, cuda_;
};

}  // namespace quantbench
