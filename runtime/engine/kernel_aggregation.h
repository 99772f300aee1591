// Part of kernel_body.h: sums over the edges of a graph.

enum class Message { Plain, Weighted, Factored };

template <typename Value, Message kMessage, bool kRequantized>
struct Messages {
  const Aggregation& g;
  const Input& input;
  Floats a, b, low, high;

  QUANTBENCH_INLINE Messages(const Aggregation& edges, const Input& from)
      : g(edges),
        input(from),
        a(broadcast(edges.message_a)),
        b(broadcast(edges.message_b)),
        low(broadcast(edges.message_low)),
        high(broadcast(edges.message_high)) {}

  QUANTBENCH_INLINE auto at(const char* from, int64_t e) const {
    Value value;
    // A plain sum of bytes takes their shift off at its end.
    load_value(from, input.cell, shift(), value);
    if constexpr (kMessage == Message::Weighted) value = scale_by(value, g.weight[e]);
    if constexpr (kMessage == Message::Factored) value = scale_by_real(value, g.factor[e]);
    if constexpr (kRequantized) {
      const Floats u = number_or_zero(multiply_add(a, to_float(value), b));
      return round(hold(u, low, high));
    } else {
      return value;
    }
  }

  static constexpr bool kShiftsAtTheEnd = kMessage == Message::Plain && !kRequantized;
  QUANTBENCH_INLINE int32_t shift() const { return kShiftsAtTheEnd ? 0 : input.shift; }
};

template <int B, typename Source>
QUANTBENCH_INLINE void aggregate_row(const Source& messages, const Epilogue& epilogue,
                                     const Output& output, int64_t block, int64_t row) {
  const Aggregation& g = messages.g;
  const int64_t lanes = bytes_of_lanes(messages.input.cell);
  const char* rows = messages.input.data + block * lanes;
  using Sum = decltype(messages.at(rows, 0));
  Sum sums[B] = {};
  const int64_t begin = g.offsets[row], end = g.offsets[row + 1];
  for (int64_t e = begin; e < end; ++e) {
    const char* from = rows + g.source[e] * messages.input.pixel;
    unroll<B>([&](auto i) QB_ALWAYS {
      constexpr int b = decltype(i)::value;
      sums[b] = add(sums[b], messages.at(from + b * lanes, e));
    });
  }
  if (Source::kShiftsAtTheEnd && messages.input.shift != 0)
    take_off(sums, B, static_cast<int32_t>(end - begin) * messages.input.shift);
  if (!g.divisor) return finish_tile(epilogue, output, sums, 1, B, block, row, 0);
  Floats means[B];
  for (int b = 0; b < B; ++b) means[b] = divide(to_float(sums[b]), broadcast(g.divisor[row]));
  finish_tile(epilogue, output, means, 1, B, block, row, 0);
}

template <typename Value, Message kMessage, bool kRequantized>
void aggregate_cells(const Aggregation& g, const Input& input, const Epilogue& epilogue,
                     const Output& output, const Part& part) {
  const Messages<Value, kMessage, kRequantized> messages(g, input);
  for (int64_t row = part.row_begin; row < part.row_end; ++row) {
    int64_t block = part.block_begin;
    for (; block + 4 <= part.block_end; block += 4)
      aggregate_row<4>(messages, epilogue, output, block, row);
    for (; block + 2 <= part.block_end; block += 2)
      aggregate_row<2>(messages, epilogue, output, block, row);
    for (; block < part.block_end; ++block)
      aggregate_row<1>(messages, epilogue, output, block, row);
  }
}

void aggregate(const Aggregation& g, const Input& input, const Epilogue& epilogue,
               const Output& output, const Part& part) {
  const auto run = [&](const auto& cells) QB_ALWAYS { cells(g, input, epilogue, output, part); };
  if (input.cell == Cell::F32) {
    if (g.factor)
      return g.requantized ? run(aggregate_cells<Floats, Message::Factored, true>)
                           : run(aggregate_cells<Floats, Message::Factored, false>);
    return run(aggregate_cells<Floats, Message::Plain, false>);
  }
  if (g.weight)
    return g.requantized ? run(aggregate_cells<Ints, Message::Weighted, true>)
                         : run(aggregate_cells<Ints, Message::Weighted, false>);
  run(aggregate_cells<Ints, Message::Plain, false>);
}
