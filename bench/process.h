// How the process uses its machine: threads and memory.
#pragma once

namespace quantbench {

// To be called once, before the first tensor.
// - LibTorch works with `threads` threads, and its BLAS with one: LibTorch calls it from its own
//   threads, and OpenBLAS's pool would spin beside them.
// - Freed memory is kept for the next tensor. By default glibc gives every large block back to the
//   kernel, and training spends a third of its time on getting the pages again.
void prepare_process(int threads);

}  // namespace quantbench
