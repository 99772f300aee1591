#include "datasets/arff.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "base/error.h"

namespace quantbench {
namespace {

constexpr size_t kMostColumns = 100000;
constexpr size_t kLongestWord = 60;  // of what an error shows

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& what) : text_(text), what_(what) {}

  ArffTable parse() {
    bool named = false;
    for (;;) {
      check(next_line(), "it ends before @data");
      const std::string keyword = lower(word());
      if (keyword == "@relation") {
        named = true;
      } else if (keyword == "@attribute") {
        check(named, "@attribute comes before @relation");
        check(out_.columns.size() < kMostColumns, "it has too many columns");
        out_.columns.push_back(column());
      } else {
        check(keyword == "@data", "'{}' is no declaration", shown(keyword));
        break;
      }
    }
    check(!out_.columns.empty(), "it declares no columns");
    positions_.resize(out_.columns.size());
    for (size_t i = 0; i < positions_.size(); ++i)
      for (const std::string& category : out_.columns[i].categories)
        positions_[i].emplace(category, static_cast<float>(positions_[i].size()));
    while (next_line()) row();
    return std::move(out_);
  }

 private:
  template <typename... Args>
  void check(bool condition, fmt::format_string<Args...> problem, Args&&... args) const {
    if (!condition)
      fail("{}, line {}: {}.", what_, line_number_,
           fmt::format(problem, std::forward<Args>(args)...));
  }

  static std::string shown(std::string_view word) {
    return std::string(word.substr(0, kLongestWord));
  }

  // The next line that says something.
  bool next_line() {
    while (at_ < text_.size()) {
      const size_t end = std::min(text_.find('\n', at_), text_.size());
      line_ = trimmed(text_.substr(at_, end - at_));
      at_ = end + 1;
      ++line_number_;
      if (!line_.empty() && line_.front() != '%') return true;
    }
    return false;
  }

  // Takes a word off the line: up to a blank, or what stands in quotes.
  std::string word() {
    line_ = trimmed(line_);
    if (!line_.empty() && (line_.front() == '\'' || line_.front() == '"')) return quoted();
    const size_t end = std::min(line_.find_first_of(" \t{"), line_.size());
    std::string out(line_.substr(0, std::max<size_t>(end, line_.empty() ? 0 : 1)));
    line_.remove_prefix(out.size());
    return out;
  }

  std::string quoted() {
    const size_t end = line_.find(line_.front(), 1);
    check(end != std::string_view::npos, "a quote is not closed");
    std::string out(line_.substr(1, end - 1));
    line_.remove_prefix(end + 1);
    return out;
  }

  // Takes a value off the line, and the comma behind it.
  std::string_view value(std::string_view& rest) {
    rest = trimmed(rest);
    std::string_view out;
    if (!rest.empty() && (rest.front() == '\'' || rest.front() == '"')) {
      const size_t end = rest.find(rest.front(), 1);
      check(end != std::string_view::npos, "a quote is not closed");
      out = rest.substr(1, end - 1);
      rest = trimmed(rest.substr(end + 1));
      check(rest.empty() || rest.front() == ',', "there is no comma after a quoted value");
    } else {
      const size_t end = std::min(rest.find(','), rest.size());
      out = trimmed(rest.substr(0, end));
      rest.remove_prefix(end);
    }
    return out;
  }

  ArffColumn column() {
    ArffColumn out;
    out.name = word();
    check(!out.name.empty(), "an @attribute has no name");
    line_ = trimmed(line_);
    if (!line_.empty() && line_.front() == '{') {
      check(line_.size() > 1 && line_.back() == '}', "the categories of '{}' do not end",
            shown(out.name));
      std::string_view list = line_.substr(1, line_.size() - 2);
      for (;;) {
        out.categories.emplace_back(value(list));
        if (list.empty()) break;
        list.remove_prefix(1);
      }
      return out;
    }
    const std::string type = lower(line_);
    check(type == "numeric" || type == "real" || type == "integer",
          "column '{}' is of type '{}', neither numeric nor nominal", shown(out.name), shown(type));
    return out;
  }

  void row() {
    check(line_.front() != '{', "sparse rows are not supported");
    std::string_view rest = line_;
    for (size_t i = 0; i < out_.columns.size(); ++i) {
      const ArffColumn& column = out_.columns[i];
      const std::string_view text = value(rest);
      check(text != "?" && !text.empty(), "column '{}' has no value", shown(column.name));
      out_.values.push_back(column.categories.empty() ? number(column, text) : category(i, text));
      const bool last = i + 1 == out_.columns.size();
      check(last == rest.empty(), "a sample does not have {} values", out_.columns.size());
      if (!last) rest.remove_prefix(1);
    }
  }

  float number(const ArffColumn& column, std::string_view text) const {
    double out = 0;
    const char* begin = text.front() == '+' ? text.data() + 1 : text.data();
    const auto [end, code] = std::from_chars(begin, text.data() + text.size(), out);
    const auto narrow = static_cast<float>(out);
    check(code == std::errc() && end == text.data() + text.size() && std::isfinite(narrow),
          "'{}' in column '{}' is no finite number", shown(text), shown(column.name));
    return narrow;
  }

  float category(size_t column, std::string_view text) const {
    const auto found = positions_[column].find(text);
    check(found != positions_[column].end(), "'{}' is no category of column '{}'", shown(text),
          shown(out_.columns[column].name));
    return found->second;
  }

  std::string_view text_, line_;
  const std::string& what_;
  size_t at_ = 0, line_number_ = 0;
  ArffTable out_;
  std::vector<std::unordered_map<std::string_view, float>> positions_;  // of categories
};

}  // namespace

ArffTable parse_arff(std::string_view text, const std::string& what) {
  return Parser(text, what).parse();
}

}  // namespace quantbench
