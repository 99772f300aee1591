// LibTorch's c10d, and the one place that knows how it differs between 1.13 and 2.x.
#pragma once

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <cstdlib>

#include "base/torch.h"

namespace quantbench {

// What Gloo and NCCL derive from: ProcessGroup in 1.13, Backend since 2.0.
#if TORCH_VERSION_MAJOR >= 2
using C10dBackend = c10d::Backend;
#else
using C10dBackend = c10d::ProcessGroup;
#endif

// Without it NCCL waits for a peer that has died without end. The name changed with 2.2.
inline void let_nccl_time_out() {
  for (const char* name : {"NCCL_BLOCKING_WAIT", "TORCH_NCCL_BLOCKING_WAIT"})
    ::setenv(name, "1", /*overwrite=*/0);
}

}  // namespace quantbench
