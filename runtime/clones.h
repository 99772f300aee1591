// One version of a function a vector unit, chosen when the program starts. The sanitizers do not
// bear with functions that are chosen before they are set up.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define QUANTBENCH_CLONES \
  __attribute__((target_clones("arch=icelake-server", "arch=haswell", "default")))
#else
#define QUANTBENCH_CLONES
#endif
