// Part of kernel_body.h: products of rows that are mostly zero.

QUANTBENCH_INLINE float quantized(const SparseProduct& p, float x) {
  float u = __builtin_fmaf(p.a, x, p.b);
  u = u == u ? u : 0.0f;
  u = u < p.low ? p.low : u > p.high ? p.high : u;
  return __builtin_nearbyintf(u);
}

// Numbers of a row, one chunk at a time.
struct Numbers {
  static constexpr int kMost = 256;
  int count = 0;
  int32_t n[kMost], at[kMost];
};

template <int B>
QUANTBENCH_INLINE void add_numbers(const SparseProduct& p, const Numbers& numbers, int64_t block,
                                   Ints* sums) {
  Ints sum[B];
  unroll<B>([&](auto b) QB_ALWAYS { sum[decltype(b)::value] = sums[decltype(b)::value]; });
  for (int i = 0; i < numbers.count; ++i) {
    const Ints n = broadcast_integer(numbers.n[i]);
    const int16_t* w = p.weights + numbers.at[i] * p.padded + block * kLanes;
    unroll<B>([&](auto at) QB_ALWAYS {
      constexpr int b = decltype(at)::value;
      sum[b] = add(sum[b], multiply(n, load_cells(w + b * kLanes)));
    });
  }
  unroll<B>([&](auto b) QB_ALWAYS { sums[decltype(b)::value] = sum[decltype(b)::value]; });
}

// `visit` takes the numbers of a row that are not zero, in chunks.
template <typename F>
QUANTBENCH_INLINE void visit_numbers(const SparseProduct& p, const float* row, Numbers& numbers,
                                     const F& visit) {
  numbers.count = 0;
  const auto put = [&](int64_t at) QB_ALWAYS {
    if (numbers.count == Numbers::kMost) {
      visit();
      numbers.count = 0;
    }
    numbers.n[numbers.count] = static_cast<int32_t>(quantized(p, row[at]));
    numbers.at[numbers.count++] = static_cast<int32_t>(at);
  };
  int64_t first = 0;
  for (; first + kLanes <= p.features; first += kLanes)
    for (uint32_t set = nonzeros(load(row + first)); set != 0; set &= set - 1)
      put(first + __builtin_ctz(set));
  for (; first < p.features; ++first)
    if (row[first] != 0) put(first);
  visit();
}

template <int B>
QUANTBENCH_INLINE void sparse_rows(const SparseProduct& p, const Epilogue& epilogue,
                                   const Output& output, const Part& part, int64_t block) {
  Numbers numbers;
  for (int64_t r = part.row_begin; r < part.row_end; ++r) {
    Ints sums[B] = {};
    visit_numbers(p, p.rows + r * p.features, numbers,
                  [&]() QB_ALWAYS { add_numbers<B>(p, numbers, block, sums); });
    finish_tile(epilogue, output, sums, 1, B, block, r, 0);
  }
}

void sparse_product(const SparseProduct& p, const Epilogue& epilogue, const Output& output,
                    const Part& part) {
  int64_t block = part.block_begin;
  for (; block + 4 <= part.block_end; block += 4) sparse_rows<4>(p, epilogue, output, part, block);
  for (; block + 2 <= part.block_end; block += 2) sparse_rows<2>(p, epilogue, output, part, block);
  for (; block < part.block_end; ++block) sparse_rows<1>(p, epilogue, output, part, block);
}
