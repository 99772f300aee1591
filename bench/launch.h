// How this process was started: alone, or as one of several that train together, in the way of
// torchrun (RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace quantbench {

struct Launch {
  int rank = 0, size = 1;              // among all processes
  int local_rank = 0, local_size = 1;  // among those of this machine
  std::string address;                 // where they meet: the machine of rank 0
  uint16_t port = 0;
  bool is_served = false;  // the launcher keeps the meeting place; else rank 0 does
  std::string attempt;     // which start of these processes this is, "0" the first
};

// The value of an environment variable, or none.
using Environment = std::function<std::optional<std::string>(const char* name)>;
std::optional<std::string> environment_of_process(const char* name);

// None: a process on its own, which WORLD_SIZE=1 is, too. Throws Error when variables are missing,
// are no numbers, or contradict each other.
std::optional<Launch> read_launch(const Environment& environment = environment_of_process);

}  // namespace quantbench
