// Every table of kernels that can be tested here: those of this machine, and AVX-512 emulated.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "runtime/engine/isa.h"

namespace quantbench::engine {

#ifdef QUANTBENCH_EMULATED_KERNELS
const KernelTable& emulated_kernels();
#endif

inline std::vector<const KernelTable*> tested_kernels() {
  std::vector<const KernelTable*> tables = usable_kernels();
#ifdef QUANTBENCH_EMULATED_KERNELS
  tables.push_back(&emulated_kernels());
#endif
  return tables;
}

}  // namespace quantbench::engine
