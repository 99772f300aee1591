// How a reproduced table is written: for a terminal, Markdown, CSV, JSON, LaTeX.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "results/tables/csv.h"
#include "results/tables/reproduction.h"

namespace quantbench {
namespace {

using Line = std::vector<std::string>;

const Line kHeader{"table",     "dataset", "model", "method",     "W/A",     "figure",
                   "published", "ours",    "n",     "difference", "verdict", "source"};

std::string number(const std::optional<double>& value, bool sign = false) {
  if (!value || std::isnan(*value)) return "-";
  if (std::abs(*value) >= 1e5) return fmt::format(sign ? "{:+.4g}" : "{:.4g}", *value);
  std::string out = fmt::format(sign ? "{:+.3f}" : "{:.3f}", *value);
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out;
}

std::string ours(const Summary& s, const char* plus_minus) {
  if (s.n == 0) return "-";
  std::string out = number(s.mean);
  if (!std::isnan(s.std)) out += plus_minus + number(s.std);
  return out;
}

std::string bits_of(const PaperRow& row) {
  return row.activation_bits.empty() ? row.weight_bits
                                     : row.weight_bits + "/" + row.activation_bits;
}

// The distinct sources in order of appearance; a line refers to them by number.
std::vector<std::string> sources_of(const std::vector<TableRow>& rows) {
  std::vector<std::string> out;
  for (const TableRow& row : rows)
    if (std::find(out.begin(), out.end(), row.row.source) == out.end())
      out.push_back(row.row.source);
  return out;
}

std::vector<Line> lines_of(const std::vector<TableRow>& rows, const char* plus_minus) {
  const std::vector<std::string> sources = sources_of(rows);
  std::vector<Line> out;
  for (const TableRow& row : rows) {
    const PaperRow& r = row.row;
    const auto source = std::find(sources.begin(), sources.end(), r.source) - sources.begin() + 1;
    for (const Cell& cell : row.cells)
      out.push_back(
          {r.table.empty() ? r.paper : r.table, r.dataset, r.model, r.method, bits_of(r),
           cell.metric, number(cell.published) + (cell.second_hand ? "*" : ""),
           ours(cell.ours, plus_minus), cell.ours.n ? fmt::format("{}", cell.ours.n) : "-",
           number(cell.difference, true), name_of(cell.verdict), fmt::format("[{}]", source)});
  }
  return out;
}

constexpr const char* kSecondHand = "* second-hand: not read in the paper itself.";

// Cuts at a character's beginning, so that UTF-8 stays whole.
std::string shortened(const std::string& text, size_t most) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80 && ++count > most)
      return text.substr(0, i) + "~";
  return text;
}

std::string text_table(const std::vector<TableRow>& rows) {
  std::vector<Line> lines = lines_of(rows, " +- ");
  lines.insert(lines.begin(), kHeader);
  for (Line& line : lines)
    for (std::string& field : line) field = shortened(field, 28);
  std::vector<size_t> width(kHeader.size());
  for (const Line& line : lines)
    for (size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], line[i].size());
  std::string out;
  for (const Line& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) out += fmt::format("{:<{}}  ", line[i], width[i]);
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  out += fmt::format("\n{}\n{}\n", count_verdicts(rows), kSecondHand);
  const auto sources = sources_of(rows);
  for (size_t i = 0; i < sources.size(); ++i) out += fmt::format("[{}] {}\n", i + 1, sources[i]);
  return printable(out);
}

std::string escaped(const std::string& text, const std::string& special, const char* before) {
  std::string out;
  for (char c : text) {
    if (special.find(c) != std::string::npos) out += before;
    out += c;
  }
  return out;
}

std::string markdown(const std::string& text) {
  return escaped(printable_line(text), "\\|<>*_[]`", "\\");
}

std::string markdown_table(const std::vector<TableRow>& rows) {
  const auto line = [](const Line& fields) {
    std::string out = "|";
    for (const std::string& field : fields) out += " " + field + " |";
    return out + "\n";
  };
  std::string out = line(kHeader) + line(Line(kHeader.size(), "---"));
  for (Line fields : lines_of(rows, " ± ")) {
    for (std::string& field : fields) field = markdown(field);
    out += line(fields);
  }
  out += fmt::format("\n{}. {}\n\n", count_verdicts(rows), markdown(kSecondHand));
  const auto sources = sources_of(rows);
  for (size_t i = 0; i < sources.size(); ++i)
    out += fmt::format("{}. {}\n", i + 1, markdown(sources[i]));
  return printable(out);
}

std::string latex(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '\\':
        out += "\\textbackslash{}";
        break;
      case '~':
        out += "\\textasciitilde{}";
        break;
      case '^':
        out += "\\textasciicircum{}";
        break;
      case '<':
        out += "\\textless{}";
        break;
      case '>':
        out += "\\textgreater{}";
        break;
      default:
        if (std::string("&%$#_{}").find(c) != std::string::npos) out += '\\';
        out += c;
    }
  }
  return out;
}

std::string latex_table(const std::vector<TableRow>& rows) {
  const auto line = [](const Line& fields) {
    return fmt::format("{} \\\\\n", fmt::join(fields, " & "));
  };
  std::string out = "% needs \\usepackage{booktabs}\n\\begin{tabular}{lllllllrrrll}\n\\toprule\n";
  out += line(kHeader) + "\\midrule\n";
  for (Line fields : lines_of(rows, "@pm@")) {
    for (std::string& field : fields) {
      field = latex(field);
      const size_t at = field.find("@pm@");
      if (at != std::string::npos) field.replace(at, 4, " $\\pm$ ");
    }
    out += line(fields);
  }
  out += "\\bottomrule\n\\end{tabular}\n\n" + latex(kSecondHand) + "\n\\begin{enumerate}\n";
  for (const std::string& source : sources_of(rows)) out += "\\item " + latex(source) + "\n";
  return printable(out + "\\end{enumerate}\n");
}

// Every figure in full, for programs: the columns of the CSV and the keys of the JSON.
nlohmann::ordered_json cell_json(const PaperRow& r, const Cell& cell) {
  const auto finite = [](double v) {
    return std::isfinite(v) ? nlohmann::ordered_json(v) : nlohmann::ordered_json(nullptr);
  };
  const auto maybe = [&](const std::optional<double>& v) { return finite(v.value_or(NAN)); };
  return {{"paper", r.paper},
          {"table", r.table},
          {"dataset", r.dataset},
          {"model", r.model},
          {"method", r.method},
          {"w_bits", r.weight_bits},
          {"a_bits", r.activation_bits},
          {"metric", cell.metric},
          {"published", maybe(cell.published)},
          {"second_hand", cell.second_hand},
          {"ours_mean", finite(cell.ours.n ? cell.ours.mean : NAN)},
          {"ours_std", finite(cell.ours.n ? cell.ours.std : NAN)},
          {"n", cell.ours.n},
          {"difference", maybe(cell.difference)},
          {"verdict", name_of(cell.verdict)},
          {"recipe", r.recipe},
          {"source", r.source}};
}

std::string csv_table(const std::vector<TableRow>& rows) {
  std::string out;
  for (const TableRow& row : rows)
    for (const Cell& cell : row.cells) {
      const auto json = cell_json(row.row, cell);
      Line names, fields;
      for (const auto& [key, value] : json.items()) {
        names.push_back(key);
        fields.push_back(csv_field(value.is_string() ? value.get<std::string>()
                                   : value.is_null() ? ""
                                                     : value.dump()));
      }
      if (out.empty()) out = fmt::format("{}\n", fmt::join(names, ","));
      out += fmt::format("{}\n", fmt::join(fields, ","));
    }
  return out;
}

std::string json_table(const std::vector<TableRow>& rows) {
  auto out = nlohmann::ordered_json::array();
  for (const TableRow& row : rows)
    for (const Cell& cell : row.cells) out.push_back(cell_json(row.row, cell));
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string render_table(const std::vector<TableRow>& rows, const std::string& format) {
  if (format == "text") return text_table(rows);
  if (format == "markdown") return markdown_table(rows);
  if (format == "csv") return csv_table(rows);
  if (format == "json") return json_table(rows);
  require(format == "latex", "A table is written as text, markdown, csv, json or latex, not '{}'.",
          format);
  return latex_table(rows);
}

}  // namespace quantbench
