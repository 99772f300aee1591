// Where this program's figures come from: source, compiler, libraries, machine.
#pragma once

#include "results/store.h"

namespace quantbench {

Provenance collect_provenance(const std::string& device);

// CPUs this process may run on (its affinity mask, capped by a cgroup quota).
int usable_cpus();

// "AVX-512", "AVX2", ...: the widest vector unit that the kernels here use on this machine.
std::string isa_name();

}  // namespace quantbench
