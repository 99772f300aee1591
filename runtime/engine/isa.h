// Which instruction sets this program can use here, and which one it takes.
#pragma once

#include <string>
#include <vector>

#include "runtime/engine/bits.h"

namespace quantbench::engine {

// The tables that this machine can run, the fastest first; "portable" is always the last.
std::vector<const KernelTable*> usable_kernels();

// The table of that name; with "", the one that the environment variable QUANTBENCH_ISA names, or
// the fastest. Throws Error on a name that is unknown or cannot run here.
const KernelTable& choose_kernels(const std::string& name = "");

// What counts bits beside `kernels` here; null: nothing does.
const BitKernels* bit_kernels(const KernelTable& kernels);

}  // namespace quantbench::engine
