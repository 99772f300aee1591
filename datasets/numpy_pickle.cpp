#include "datasets/numpy_pickle.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace quantbench {
namespace {

using pickle::Bytes;
using pickle::Object;
using pickle::Tuple;
using pickle::Value;

// The alternative T of `value`, or an Error that says what was expected.
template <typename T>
const T& as(const Value& value, const char* expected, const std::string& what) {
  const T* found = std::get_if<T>(&value.data);
  require(found, "{} does not hold {} where it should.", what, expected);
  return *found;
}

// Python 2 pickles names as byte strings, Python 3 as text.
std::string text_of(const Value& value, const std::string& what) {
  if (const auto* text = std::get_if<std::string>(&value.data)) return *text;
  return as<Bytes>(value, "a name", what).data;
}

const Object& object_of(const Value& value, const char* type, const std::string& what) {
  const Object& object = as<Object>(value, type, what);
  require(object.type.name == type && object.state, "{} does not hold a {} where it should.", what,
          type);
  return object;
}

const pickle::List& tuple_of(const Value& value, size_t at_least, const std::string& what) {
  const Tuple& tuple = as<Tuple>(value, "a tuple", what);
  require(tuple.items.size() >= at_least, "{} holds a tuple that is too short.", what);
  return tuple.items;
}

// "<i4" without the byte order, which must be little-endian or of no importance.
std::string element_type(const Value& value, const std::string& what) {
  const Object& dtype = object_of(value, "dtype", what);
  require(!dtype.arguments.empty(), "{} holds a dtype without a type.", what);
  const std::string order = text_of(*tuple_of(*dtype.state, 2, what)[1], what);
  require(order == "<" || order == "|" || order == "=", "{} is not in little-endian order.", what);
  return text_of(*dtype.arguments[0], what);
}

template <typename T>
std::vector<double> convert(const std::string& bytes, uint64_t count, const std::string& what) {
  // Division, because the product of two fields from a file could overflow.
  require(bytes.size() % sizeof(T) == 0 && bytes.size() / sizeof(T) == count,
          "{} holds an array whose shape and length do not agree.", what);
  std::vector<double> out(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i) {
    T element;
    std::memcpy(&element, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = static_cast<double>(element);
  }
  return out;
}

std::vector<double> convert(const std::string& type, const std::string& bytes, uint64_t count,
                            const std::string& what) {
  if (type == "i4") return convert<int32_t>(bytes, count, what);
  if (type == "i8") return convert<int64_t>(bytes, count, what);
  if (type == "f4") return convert<float>(bytes, count, what);
  if (type == "f8") return convert<double>(bytes, count, what);
  if (type == "u1" || type == "b1") return convert<uint8_t>(bytes, count, what);
  if (type == "i1") return convert<int8_t>(bytes, count, what);
  fail("{} holds an array of type '{}', which is not supported.", what, type);
}

std::vector<int64_t> shape_of(const Value& value, const std::string& what) {
  std::vector<int64_t> shape;
  for (const pickle::Ref& extent : tuple_of(value, 1, what)) {
    shape.push_back(as<int64_t>(*extent, "a dimension", what));
    require(shape.back() >= 0 && shape.back() < (int64_t{1} << 31),
            "{} holds an array with a dimension of {}.", what, shape.back());
  }
  require(shape.size() <= 2, "{} holds an array of {} dimensions; at most 2 are read.", what,
          shape.size());
  return shape;
}

std::vector<double> from_fortran_order(const NumpyArray& array) {
  const size_t rows = static_cast<size_t>(array.shape[0]);
  const size_t columns = static_cast<size_t>(array.shape[1]);
  std::vector<double> out(array.values.size());
  for (size_t row = 0; row < rows; ++row)
    for (size_t column = 0; column < columns; ++column)
      out[row * columns + column] = array.values[column * rows + row];
  return out;
}

// The entry `key` of an object's state, which must be a dict.
const Value* entry(const Object& object, const std::string& key, const std::string& what) {
  for (const auto& [name, value] : as<pickle::Dict>(*object.state, "a dict", what))
    if (text_of(*name, what) == key) return value.get();
  return nullptr;
}

const Value& field(const Object& object, const std::string& key, const std::string& what) {
  const Value* value = entry(object, key, what);
  require(value, "{} holds a matrix without '{}'.", what, key);
  return *value;
}

std::vector<int64_t> indices(const Value& value, const std::string& what) {
  const NumpyArray array = read_array(value, what);
  std::vector<int64_t> out;
  for (double number : array.values) {
    require(number >= 0 && number < 0x1p53 && number == std::floor(number),
            "{} holds {} where an index should be.", what, number);
    out.push_back(static_cast<int64_t>(number));
  }
  return out;
}

}  // namespace

bool is_numpy_name(const std::string& module, const std::string& name) {
  if (name == "_reconstruct")
    return module == "numpy.core.multiarray" || module == "numpy._core.multiarray";
  if (name == "ndarray" || name == "dtype") return module == "numpy";
  if (name == "csr_matrix") return module == "scipy.sparse.csr" || module == "scipy.sparse._csr";
  return false;
}

NumpyArray read_array(const Value& value, const std::string& what) {
  const Object& object = object_of(value, "_reconstruct", what);
  const pickle::List& state = tuple_of(*object.state, 5, what);
  NumpyArray out;
  out.shape = shape_of(*state[1], what);
  uint64_t count = 1;
  for (int64_t extent : out.shape) count *= static_cast<uint64_t>(extent);
  out.values =
      convert(element_type(*state[2], what), as<Bytes>(*state[4], "bytes", what).data, count, what);
  if (as<bool>(*state[3], "a flag", what) && out.shape.size() == 2)
    out.values = from_fortran_order(out);
  return out;
}

CsrMatrix read_csr(const Value& value, const std::string& what) {
  const Object& object = object_of(value, "csr_matrix", what);
  const Value* named_shape = entry(object, "_shape", what);
  const std::vector<int64_t> shape =
      shape_of(named_shape ? *named_shape : field(object, "shape", what), what);
  require(shape.size() == 2, "{} holds a matrix of {} dimensions.", what, shape.size());
  CsrMatrix out{shape[0],
                shape[1],
                indices(field(object, "indptr", what), what),
                indices(field(object, "indices", what), what),
                {}};
  for (double number : read_array(field(object, "data", what), what).values) {
    const auto narrow = static_cast<float>(number);
    require(std::isfinite(narrow), "{} holds a number that is not finite.", what);
    out.value.push_back(narrow);
  }
  require(static_cast<int64_t>(out.row_start.size()) == out.rows + 1 && out.row_start[0] == 0 &&
              std::is_sorted(out.row_start.begin(), out.row_start.end()) &&
              out.row_start.back() == static_cast<int64_t>(out.column.size()) &&
              out.column.size() == out.value.size(),
          "{} holds a sparse matrix whose parts do not fit together.", what);
  for (int64_t column : out.column)
    require(column < out.columns, "{} holds column {} of a matrix with {} columns.", what, column,
            out.columns);
  return out;
}

}  // namespace quantbench
