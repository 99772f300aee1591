// Part of kernel_body.h: one row of numbers by weights of four bits.

template <int B>
QUANTBENCH_INLINE void nibble_blocks(const NibbleProduct& p, const Input& input,
                                     const Epilogue& epilogue, const Output& output,
                                     int64_t block) {
  constexpr int64_t kVector = 4 * kLanes;
  const int64_t weight_block = p.vectors * kVector;
  const char* weights = p.weights + block * weight_block;
  const int32_t* offsets = p.offsets;
  Ints sums[B];
  unroll<B>([&](auto b) QB_ALWAYS { sums[decltype(b)::value] = broadcast_integer(0); });
  for (int64_t i = 0; i < p.vectors; ++i, weights += kVector, offsets += kNibbleDots) {
    Ints packed[B];
    unroll<B>([&](auto b) QB_ALWAYS {
      packed[decltype(b)::value] = load_weights(weights + decltype(b)::value * weight_block);
    });
    unroll<kNibbleDots>([&](auto at) QB_ALWAYS {
      constexpr int k = decltype(at)::value;
      const Ints x = broadcast_unit(input.data + offsets[k]);
      unroll<B>([&](auto b) QB_ALWAYS {
        constexpr int j = decltype(b)::value;
        const Ints w = nibbles<k>(packed[j]);
        if constexpr (kHasBytes)
          sums[j] = dot_bytes(sums[j], x, w);
        else
          sums[j] = dot_shorts(sums[j], x, w);
      });
    });
  }
  unroll<B>([&](auto b) QB_ALWAYS {
    constexpr int j = decltype(b)::value;
    sums[j] = add(shift_nibble_sum(sums[j]), load(p.start + (block + j) * kLanes));
  });
  finish_tile(epilogue, output, sums, 1, B, block, 0, 0);
}

void multiply_nibbles(const NibbleProduct& p, const Input& input, const Epilogue& epilogue,
                      const Output& output, const Part& part) {
  int64_t block = part.block_begin;
  for (; block + 4 <= part.block_end; block += 4)
    nibble_blocks<4>(p, input, epilogue, output, block);
  for (; block + 2 <= part.block_end; block += 2)
    nibble_blocks<2>(p, input, epilogue, output, block);
  for (; block < part.block_end; ++block) nibble_blocks<1>(p, input, epilogue, output, block);
}
