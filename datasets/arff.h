// Attribute-Relation File Format, the text format of Weka and OpenML: a header that declares
// columns, then a line of comma-separated values for each sample.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quantbench {

struct ArffColumn {
  std::string name;
  std::vector<std::string> categories;  // of a nominal column; none: numeric
};

struct ArffTable {
  std::vector<ArffColumn> columns;
  std::vector<float> values;  // row by row; the position in `categories` where there are any

  int64_t rows() const {
    return columns.empty() ? 0 : static_cast<int64_t>(values.size() / columns.size());
  }
};

// Understands numeric, real, integer and nominal columns, dense rows, quotes and comments. Throws
// Error, naming `what` and the line, on anything else, missing values ('?') included. Nothing is
// allocated for more than the text holds.
ArffTable parse_arff(std::string_view text, const std::string& what);

}  // namespace quantbench
