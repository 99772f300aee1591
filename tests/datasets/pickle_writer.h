// Writes pickles as Python 2 did for the Planetoid files: numpy arrays, CSR matrices, dicts of
// lists.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace quantbench::pickled {

using namespace std::string_literals;

template <typename T>
std::string raw(const std::vector<T>& values) {
  std::string out(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(out.data(), values.data(), out.size());
  return out;
}

inline std::string integer(int32_t value) { return "J" + raw<int32_t>({value}); }
inline std::string name(const std::string& text) {
  return "U" + std::string(1, static_cast<char>(text.size())) + text;
}

inline std::string tuple(const std::vector<int64_t>& values) {
  std::string out = "(";
  for (int64_t value : values) out += integer(static_cast<int32_t>(value));
  return out + "t";
}

// `type` is numpy's: "i4", "f4", ...
inline std::string array(const std::vector<int64_t>& shape, const std::string& type,
                         const std::string& bytes, const std::string& order = "<") {
  return "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01"
         "b\x87R(K\x01"s +
         tuple(shape) + "cnumpy\ndtype\n" + name(type) + "K\x00K\x01\x87R(K\x03"s + name(order) +
         "NNN" + integer(-1) + integer(-1) + "K\x00tb\x89T"s +
         raw<int32_t>({static_cast<int32_t>(bytes.size())}) + bytes + "tb";
}

struct Csr {
  int64_t rows = 0, columns = 0;
  std::vector<int32_t> row_start{0}, column;
  std::vector<float> value;
};

inline std::string csr(const Csr& m) {
  const int64_t count = static_cast<int64_t>(m.column.size());
  return "cscipy.sparse.csr\ncsr_matrix\n)\x81}("s + name("_shape") + tuple({m.rows, m.columns}) +
         name("indptr") +
         array({static_cast<int64_t>(m.row_start.size())}, "i4", raw(m.row_start)) +
         name("indices") + array({count}, "i4", raw(m.column)) + name("data") +
         array({static_cast<int64_t>(m.value.size())}, "f4", raw(m.value)) + name("format") +
         name("csr") + "ub";
}

inline std::string neighbours(const std::map<int32_t, std::vector<int32_t>>& lists) {
  std::string out = "ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R("s;
  for (const auto& [node, list] : lists) {
    out += integer(node) + "](";
    for (int32_t other : list) out += integer(other);
    out += "e";
  }
  return out + "u";
}

// A whole file.
inline std::string file(const std::string& value) { return "\x80\x02" + value + "."; }

}  // namespace quantbench::pickled
