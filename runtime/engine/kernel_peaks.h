// Part of kernel_body.h: what the machine's multipliers do at best.

int64_t peak_integer(int64_t rounds, int32_t* sink) {
  constexpr int kChains = 12;
  Ints sums[kChains] = {}, total = {};
  Ints x = broadcast_integer(3), w = broadcast_integer(2);
  for (int64_t k = 0; k < rounds; ++k) {
    unroll<kChains>([&](auto i) QB_ALWAYS {
      constexpr int j = decltype(i)::value;
      keep(x);
      sums[j] = kHasBytes ? dot_bytes(sums[j], x, w) : dot_shorts(sums[j], x, w);
      keep(sums[j]);
    });
  }
  unroll<kChains>([&](auto i) QB_ALWAYS { total = add(total, sums[decltype(i)::value]); });
  store(sink, total);
  return rounds * kChains * kLanes * (kHasBytes ? 4 : 2);
}

int64_t peak_float(int64_t rounds, float* sink) {
  constexpr int kChains = 12;
  Floats sums[kChains] = {}, total = {};
  Floats x = broadcast(0.5f), w = broadcast(0.25f);
  for (int64_t k = 0; k < rounds; ++k) {
    unroll<kChains>([&](auto i) QB_ALWAYS {
      constexpr int j = decltype(i)::value;
      keep(x);
      sums[j] = multiply_add(x, w, sums[j]);
      keep(sums[j]);
    });
  }
  unroll<kChains>([&](auto i) QB_ALWAYS { total = add(total, sums[decltype(i)::value]); });
  store(sink, total);
  return rounds * kChains * kLanes;
}
