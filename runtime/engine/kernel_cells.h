// Part of kernel_body.h: numbers between memory and vectors.

QUANTBENCH_INLINE Ints load_integers(const char* from, Cell cell, int32_t shift) {
  if (cell == Cell::I16) return load_cells(reinterpret_cast<const int16_t*>(from));
  if (cell == Cell::I32) return load(reinterpret_cast<const int32_t*>(from));
  return add(load_cells(reinterpret_cast<const uint8_t*>(from)), broadcast_integer(-shift));
}

QUANTBENCH_INLINE Floats load_floats(const char* from, Cell cell, int32_t shift) {
  if (cell == Cell::F32) return load(reinterpret_cast<const float*>(from));
  return to_float(load_integers(from, cell, shift));
}

QUANTBENCH_INLINE void load_value(const char* from, Cell cell, int32_t shift, Ints& value) {
  value = load_integers(from, cell, shift);
}
QUANTBENCH_INLINE void load_value(const char* from, Cell cell, int32_t shift, Floats& value) {
  value = load_floats(from, cell, shift);
}
QUANTBENCH_INLINE Ints scale_by(Ints x, int16_t factor) {
  return multiply(x, broadcast_integer(factor));
}
QUANTBENCH_INLINE Floats scale_by(Floats x, int16_t factor) {
  return multiply(x, broadcast(factor));
}
QUANTBENCH_INLINE Floats scale_by_real(Floats x, float factor) {
  return multiply(x, broadcast(factor));
}
QUANTBENCH_INLINE void take_off(Ints* sums, int count, int32_t x) {
  for (int i = 0; i < count; ++i) sums[i] = add(sums[i], broadcast_integer(-x));
}
QUANTBENCH_INLINE void take_off(Floats*, int, int32_t) {}

// Bytes of one vector of cells.
QUANTBENCH_INLINE int64_t bytes_of_lanes(Cell cell) {
  return cell == Cell::U8 ? kLanes : cell == Cell::I16 ? 2 * kLanes : 4 * kLanes;
}

template <bool kBytes>
struct NativeOf {
  using type = uint8_t;
};
template <>
struct NativeOf<false> {
  using type = int16_t;
};
