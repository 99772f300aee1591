// For the sources of kernels: one function compiled for several vector units and chosen when the
// program starts. Sanitizers do not go together with the resolvers that this needs.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define QUANTBENCH_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
// Functions for processors with AVX-512 alone; not defined where there are no clones.
#define QUANTBENCH_WIDE __attribute__((target("arch=x86-64-v4")))
#else
#define QUANTBENCH_CLONES
#endif
#define QUANTBENCH_INLINE inline __attribute__((always_inline))
