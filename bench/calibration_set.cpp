#include "bench/calibration_set.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "bench/kept_files.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

constexpr char kKey[] = "calibration.list";
constexpr uint64_t kMostBytes = uint64_t{1} << 28;

// The rows of lists that came from files in this process.
KeptFiles& lists() {
  static KeptFiles all("calibration", ".txt");
  return all;
}

std::string text_of(const std::vector<std::string>& rows) {
  std::string out;
  for (const std::string& row : rows) out += row + "\n";
  return out;
}

std::vector<std::string> rows_of(const std::string& text, const std::string& what) {
  std::vector<std::string> out;
  std::set<std::string> seen;
  std::istringstream in(text);
  for (std::string row; std::getline(in, row);) {
    while (!row.empty() && (row.back() == '\r' || row.back() == ' ')) row.pop_back();
    if (row.empty()) continue;
    require(seen.insert(row).second, "{} names the sample '{}' twice.", what, row);
    out.push_back(std::move(row));
  }
  require(!out.empty(), "{} names no sample.", what);
  return out;
}

}  // namespace

void name_calibration_list(RecipeText& text) {
  const auto found = text.find(kKey);
  if (found == text.end()) return;
  for (std::string& value : found->second) {
    std::error_code code;
    if (value.empty() || (!fs::exists(value, code) && !digest_digits(value).empty())) continue;
    require(fs::is_regular_file(value, code), "{}: there is no file {}.", kKey, value);
    const std::string rows = text_of(rows_of(read_file(value, kMostBytes), value));
    value = name_with_digest(fs::path(value).filename().string(), rows);
    lists().add(value, rows);
  }
}

void keep_calibration_list(const Recipe& recipe, const fs::path& store) {
  lists().keep(recipe.values.text(kKey), store);
}

std::vector<std::string> calibration_list(const Recipe& recipe, const fs::path& store) {
  const std::string& name = recipe.values.text(kKey);
  if (name.empty()) return {};
  if (const std::string* known = lists().find(name)) return rows_of(*known, name);
  const std::string digits = digest_digits(name);
  const fs::path kept = lists().place(name, store);
  require(!digits.empty() && fs::exists(kept),
          "The calibration list {} is not here; give its file with --{}=FILE, or put it at {}.",
          name, kKey, kept.string());
  const std::vector<std::string> rows = rows_of(read_file(kept, kMostBytes), kept.string());
  require(digest_digits(name_with_digest("", text_of(rows))) == digits,
          "{} is not the calibration list {}.", kept.string(), name);
  return rows;
}

std::vector<int64_t> calibration_positions(const Recipe& recipe, const Dataset& dataset,
                                           const std::vector<std::string>& list) {
  const int64_t size = dataset.size(Split::Train);
  if (list.empty()) {
    const int64_t wanted = std::min(recipe.values.integer("calibration.samples"), size);
    std::vector<int64_t> order = permutation(size, RandomStream(recipe.seed, "calibration"));
    order.resize(static_cast<size_t>(wanted));
    return order;
  }
  std::map<std::string, size_t> row_of;
  for (size_t row = 0; row < list.size(); ++row) row_of[list[row]] = row;
  std::vector<int64_t> out(list.size(), -1);
  for (int64_t i = 0; i < size; ++i)
    if (const auto found = row_of.find(dataset.sample_name(Split::Train, i)); found != row_of.end())
      out[found->second] = i;
  for (size_t row = 0; row < list.size(); ++row)
    require(out[row] >= 0, "The calibration list {} names '{}', which is no training sample of {}.",
            recipe.values.text(kKey), list[row], recipe.dataset);
  return out;
}

std::string calibration_rows(const Dataset& dataset, const std::vector<int64_t>& positions) {
  std::vector<std::string> rows;
  for (int64_t position : positions) rows.push_back(dataset.sample_name(Split::Train, position));
  return text_of(rows);
}

}  // namespace quantbench
