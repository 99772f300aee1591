// A CSV file as samples: numbers, and one column of class labels, which may be words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/torch.h"

namespace quantbench {

struct CsvRows {
  Tensor features;                  // float32 [rows, columns but for the label]
  std::vector<std::string> labels;  // one a row, as they stand
};

// Commas or semicolons (or tabs) apart, whichever the first line has; quotes as in RFC 4180. The
// first line is a header when none of its fields but the label is a number. `label` is a column's
// name, or its number from 1; "" the last. Throws Error, naming `what` and the line, on a value
// that is missing or no finite number and on lines of different lengths.
CsvRows parse_csv_rows(std::string_view text, const std::string& label, const std::string& what);

}  // namespace quantbench
