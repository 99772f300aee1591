// The entry that libFuzzer calls; $QUANTBENCH_FUZZ names the target.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/torch.h"
#include "tests/fuzz/target.h"

namespace {

const quantbench::fuzz::Target* chosen = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  torch::set_num_threads(1);
  const char* name = std::getenv("QUANTBENCH_FUZZ");
  for (const auto& target : quantbench::fuzz::targets())
    if (name != nullptr && target.name == name) chosen = &target;
  if (chosen != nullptr) return 0;
  std::fprintf(stderr, "QUANTBENCH_FUZZ must name one of:");
  for (const auto& target : quantbench::fuzz::targets())
    std::fprintf(stderr, " %s", target.name.c_str());
  std::fprintf(stderr, "\n");
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  quantbench::fuzz::call(*chosen, {reinterpret_cast<const char*>(data), size});
  return 0;
}
