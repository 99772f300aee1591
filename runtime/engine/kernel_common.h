// Part of kernel_body.h: loops that the compiler unrolls.

#define QB_ALWAYS __attribute__((always_inline))

template <int N>
struct Index {
  static constexpr int value = N;
};

// f(Index<0>{}) ... f(Index<N - 1>{}), unrolled.
template <int N, typename F>
QUANTBENCH_INLINE void unroll(const F& f) {
  if constexpr (N > 0) {
    unroll<N - 1>(f);
    f(Index<N - 1>{});
  }
}

// Keeps the compiler from rebuilding x from what it was made of.
QUANTBENCH_INLINE void hide(int64_t& x) { __asm__("" : "+r"(x)); }

QUANTBENCH_INLINE int64_t least_of(int64_t a, int64_t b) { return a < b ? a : b; }
