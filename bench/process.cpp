#include "bench/process.h"

#include <dlfcn.h>
#include <malloc.h>

#include <limits>

#include "base/torch.h"

namespace quantbench {

void prepare_process(int threads) {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  ::mallopt(M_TOP_PAD, 64 << 20);
#endif
  torch::set_num_threads(threads);
  // Another BLAS has no such function, and needs none.
  using SetThreads = void (*)(int);
  if (auto set = reinterpret_cast<SetThreads>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads")))
    set(1);
}

}  // namespace quantbench
