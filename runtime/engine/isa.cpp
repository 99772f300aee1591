#include "runtime/engine/isa.h"

#include <fmt/ranges.h>

#include <cstdlib>

#include "base/error.h"

namespace quantbench::engine {

std::vector<const KernelTable*> usable_kernels() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
    tables.push_back(&avx512_kernels());
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    tables.push_back(&avx2_kernels());
#endif
  tables.push_back(&portable_kernels());
  return tables;
}

const BitKernels* bit_kernels(const KernelTable& kernels) {
#if defined(__x86_64__)
  if (&kernels == &avx512_kernels())
    return __builtin_cpu_supports("avx512vpopcntdq") ? &avx512_bit_kernels() : nullptr;
#endif
  return kernels.lanes == portable_bit_kernels().lanes ? &portable_bit_kernels() : nullptr;
}

const KernelTable& choose_kernels(const std::string& name) {
  const char* forced = std::getenv("QUANTBENCH_ISA");
  const std::string wanted = !name.empty() ? name : forced ? forced : "";
  const std::vector<const KernelTable*> tables = usable_kernels();
  if (wanted.empty()) return *tables.front();
  std::vector<std::string> names;
  for (const KernelTable* table : tables) {
    if (wanted == table->name) return *table;
    names.push_back(table->name);
  }
  fail("The instruction set {} (option or QUANTBENCH_ISA) is none of those usable here: {}.",
       wanted, fmt::join(names, ", "));
}

}  // namespace quantbench::engine
