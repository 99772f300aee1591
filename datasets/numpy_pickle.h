// Pickled numpy arrays and scipy CSR matrices as plain numbers. Every shape is checked against the
// bytes that are really there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/pickle.h"

namespace quantbench {

struct NumpyArray {
  std::vector<int64_t> shape;  // one or two dimensions
  std::vector<double> values;  // row-major
};

struct CsrMatrix {
  int64_t rows = 0, columns = 0;
  std::vector<int64_t> row_start;  // [rows + 1], from 0, not descending
  std::vector<int64_t> column;     // [row_start.back()], each below `columns`
  std::vector<float> value;
};

// The classes that such pickles name, and no others.
bool is_numpy_name(const std::string& module, const std::string& name);

// Element types: int32, int64, float32, float64 and the 8-bit ones, little-endian. `what` names the
// file. Throw Error on anything else, and when sizes do not agree.
NumpyArray read_array(const pickle::Value& value, const std::string& what);
CsrMatrix read_csr(const pickle::Value& value, const std::string& what);

}  // namespace quantbench
