// The processes of one launch and the few things they do together, whatever carries them:
// LibTorch's own c10d (process_group_c10d.cpp: Gloo, or NCCL on CUDA), or threads of a test.
//
// Collective calls (broadcast, exchange, gather) are made by all processes in the same order. The
// board is a table of texts that all of them see, for what must not wait in a collective.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/torch.h"
#include "bench/launch.h"

namespace quantbench {

class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  // These three take contiguous tensors on the CPU, of equal shape and type everywhere. They throw
  // std::exception when a process has gone or does not come within the timeout.
  virtual void broadcast(Tensor& tensor) = 0;               // rank 0's replaces the others'
  virtual Tensor exchange(const Tensor& rows) = 0;          // row i goes to rank i; [size, n]
  virtual std::vector<Tensor> gather(const Tensor& x) = 0;  // every rank's, in their order

  // Both throw std::exception when the board's keeper has gone.
  virtual void put(const std::string& key, const std::string& text) = 0;
  virtual std::optional<std::string> look(const std::string& key) = 0;

  // Nothing collective any more: the others' calls fail at once.
  virtual void close() = 0;
};

// Meets the other processes of `launch`. Throws Error when that does not come about in `timeout`,
// and where quantbench was built without c10d.
std::unique_ptr<ProcessGroup> join_processes(const Launch& launch, const std::string& device,
                                             std::chrono::seconds timeout);

}  // namespace quantbench
