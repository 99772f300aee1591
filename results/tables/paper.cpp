#include "results/tables/paper.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "results/tables/csv.h"

namespace quantbench {
namespace {

using Record = std::map<std::string, std::string>;

std::vector<Record> records_of(const std::string& text, const std::string& what) {
  const auto rows = parse_csv(text, what);
  require(!rows.empty(), "{} has no header.", what);
  std::vector<Record> out;
  for (size_t i = 1; i < rows.size(); ++i) {
    require(rows[i].size() == rows[0].size(), "{}: record {} has {} fields and the header {}.",
            what, i, rows[i].size(), rows[0].size());
    Record record;
    for (size_t k = 0; k < rows[0].size(); ++k) record[rows[0][k]] = rows[i][k];
    out.push_back(std::move(record));
  }
  return out;
}

std::optional<double> figure(const std::string& text, const std::string& what) {
  if (text.empty()) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  require(*end == '\0', "{}: '{}' is not a number.", what, text);
  return value;
}

std::map<std::string, std::string> keys_of(const std::string& text, const std::string& what) {
  std::map<std::string, std::string> out;
  std::istringstream in(text);
  for (std::string item; std::getline(in, item, ';');) {
    const size_t equals = item.find('=');
    require(equals != std::string::npos, "{}: '{}' is not key=value.", what, item);
    out[item.substr(0, equals)] = item.substr(equals + 1);
  }
  return out;
}

bool fits(const Record& mapping, const Record& row, const std::string& name) {
  if (mapping.at("file") != name) return false;
  for (const char* key : {"dataset", "model", "method", "w_bits", "a_bits"})
    if (!mapping.at(key).empty() && mapping.at(key) != row.at(key)) return false;
  return true;
}

bool is_of_table(const PaperRow& row, const std::string& table) {
  return table.empty() || row.table == table || row.table == "Table " + table ||
         row.table.rfind("Table " + table + " ", 0) == 0 ||
         (table.size() > 3 && row.table.find(table) != std::string::npos);
}

PaperRow row_of(const Record& r, const std::vector<Record>& mappings, const std::string& name,
                const std::string& what) {
  PaperRow row{r.at("paper"),
               r.at("table"),
               r.at("dataset"),
               r.at("model"),
               r.at("method"),
               r.at("w_bits"),
               r.at("a_bits"),
               {},
               1e6,
               r.at("second_hand"),
               r.at("source"),
               "",
               {}};
  const auto main = figure(r.at("value"), what);
  if (main) row.figures.emplace_back(r.at("metric"), main);
  for (const char* metric : {"size_mb", "w_comp", "a_comp"}) {
    const auto value = figure(r.at(metric), what);
    if (value && metric != r.at("metric")) row.figures.emplace_back(metric, value);
  }
  if (row.figures.empty()) row.figures.emplace_back(r.at("metric"), std::nullopt);
  for (const Record& mapping : mappings) {
    if (!fits(mapping, r, name)) continue;
    row.recipe = mapping.at("recipe");
    row.keys = keys_of(mapping.at("keys"), "results/papers/recipes.csv");
    break;
  }
  return row;
}

// Some papers' MB are 2^20 bytes; the others are taken at 10^6.
double megabyte_of(const std::map<std::string, std::string>& papers, const std::string& name) {
  const auto units = papers.find("units");
  if (units == papers.end()) return 1e6;
  const std::string what = "results/papers/units.csv";
  for (const Record& record : records_of(units->second, what))
    if (record.at("file") == name) return figure(record.at("megabyte"), what).value_or(1e6);
  return 1e6;
}

}  // namespace

std::vector<std::string> paper_names(const std::map<std::string, std::string>& papers) {
  std::vector<std::string> out;
  for (const auto& [name, text] : papers)
    if (name != "recipes" && name != "units") out.push_back(name);
  return out;
}

std::vector<PaperRow> paper_rows(const std::map<std::string, std::string>& papers,
                                 const std::string& name, const std::string& table) {
  const auto found = papers.find(name);
  require(found != papers.end() && name != "recipes" && name != "units",
          "There is no paper '{}'; known are: {}.", name, fmt::join(paper_names(papers), ", "));
  const std::string what = "results/papers/" + name + ".csv";
  const auto mappings = records_of(papers.at("recipes"), "results/papers/recipes.csv");
  const double megabyte = megabyte_of(papers, name);
  std::vector<PaperRow> out;
  std::vector<std::string> tables;
  for (const Record& record : records_of(found->second, what)) {
    PaperRow row = row_of(record, mappings, name, what);
    row.megabyte = megabyte;
    if (std::find(tables.begin(), tables.end(), row.table) == tables.end() && !row.table.empty())
      tables.push_back(row.table);
    if (is_of_table(row, table)) out.push_back(std::move(row));
  }
  require(!out.empty(), "{} has no table '{}'; it has: {}.", name, table, fmt::join(tables, ", "));
  return out;
}

}  // namespace quantbench
