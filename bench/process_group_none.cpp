// In a build without c10d.
#include "base/error.h"
#include "bench/process_group.h"

namespace quantbench {

std::unique_ptr<ProcessGroup> join_processes(const Launch& launch, const std::string&,
                                             std::chrono::seconds) {
  fail(
      "WORLD_SIZE is {}, but this quantbench was built without c10d and trains in one process: "
      "install Gloo's headers (libgloo-dev) and build with -DQUANTBENCH_C10D=ON.",
      launch.size);
}

}  // namespace quantbench
