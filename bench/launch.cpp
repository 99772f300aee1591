#include "bench/launch.h"

#include <cstdlib>

#include "base/error.h"

namespace quantbench {
namespace {

constexpr int64_t kMostProcesses = 4096;

int64_t number(const char* name, const std::string& text, int64_t least, int64_t most) {
  const bool digits = !text.empty() && text.size() <= 9 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  const int64_t value = digits ? std::stoll(text) : -1;
  require(value >= least && value <= most, "{} must be a number from {} to {}, not '{}'.", name,
          least, most, text);
  return value;
}

}  // namespace

std::optional<std::string> environment_of_process(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

std::optional<Launch> read_launch(const Environment& environment) {
  const auto size = environment("WORLD_SIZE"), rank = environment("RANK");
  if (!size && !rank) return std::nullopt;
  require(size.has_value(),
          "RANK is set and WORLD_SIZE is not: torchrun sets both; unset RANK to run one process.");
  Launch out;
  out.size = static_cast<int>(number("WORLD_SIZE", *size, 1, kMostProcesses));
  if (out.size == 1 && (!rank || *rank == "0")) return std::nullopt;
  require(rank.has_value(), "WORLD_SIZE is {} and RANK is not set: torchrun sets both.", out.size);
  out.rank = static_cast<int>(number("RANK", *rank, 0, kMostProcesses));
  require(out.rank < out.size, "RANK is {}, but WORLD_SIZE says that there are {} processes.",
          out.rank, out.size);
  out.local_size = static_cast<int>(
      number("LOCAL_WORLD_SIZE", environment("LOCAL_WORLD_SIZE").value_or("1"), 1, kMostProcesses));
  out.local_rank = static_cast<int>(
      number("LOCAL_RANK", environment("LOCAL_RANK").value_or("0"), 0, kMostProcesses));
  const auto address = environment("MASTER_ADDR"), port = environment("MASTER_PORT");
  require(address && !address->empty() && port,
          "WORLD_SIZE is {}, so MASTER_ADDR and MASTER_PORT must say where the processes meet.",
          out.size);
  out.address = *address;
  out.port = static_cast<uint16_t>(number("MASTER_PORT", *port, 1, 65535));
  out.is_served = environment("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True";
  out.attempt = environment("TORCHELASTIC_RESTART_COUNT").value_or("0");
  return out;
}

}  // namespace quantbench
