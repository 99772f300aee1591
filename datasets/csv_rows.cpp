#include "datasets/csv_rows.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace quantbench {
namespace {

constexpr size_t kMostColumns = 1 << 16;

using Fields = std::vector<std::string>;

class Lines {
 public:
  Lines(std::string_view text, const std::string& what) : text_(text), what_(what) {
    if (text_.substr(0, 3) == "\xEF\xBB\xBF") text_.remove_prefix(3);
    const std::string_view first = text_.substr(0, text_.find('\n'));
    for (const char sign : {',', ';', '\t'})
      if (first.find(sign) != std::string_view::npos) {
        separator_ = sign;
        break;
      }
  }

  size_t number() const { return number_; }

  // The fields of the next line that is not empty.
  bool next(Fields& out) {
    while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) {
      number_ += text_[at_] == '\n';
      ++at_;
    }
    if (at_ >= text_.size()) return false;
    ++number_;
    out.clear();
    for (bool more = true; more;) {
      out.push_back(field());
      require(out.size() <= kMostColumns, "{}, line {}: more than {} columns.", what_, number_,
              kMostColumns);
      more = at_ < text_.size() && text_[at_] == separator_;
      if (more) ++at_;
    }
    if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    require(at_ >= text_.size() || text_[at_] == '\n', "{}, line {}: a quote ends in mid-field.",
            what_, number_);
    if (at_ < text_.size()) ++at_;
    return true;
  }

 private:
  std::string field() {
    std::string out;
    if (at_ < text_.size() && text_[at_] == '"') {
      for (++at_;; ++at_) {
        require(at_ < text_.size(), "{}, line {}: a quote is not closed.", what_, number_);
        if (text_[at_] == '"') {
          if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
          ++at_;
        }
        out += text_[at_];
      }
      ++at_;
      return out;
    }
    while (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n' &&
           text_[at_] != '\r')
      out += text_[at_++];
    const size_t first = out.find_first_not_of(' ');
    if (first == std::string::npos) return "";
    return out.substr(first, out.find_last_not_of(' ') - first + 1);
  }

  std::string_view text_;
  const std::string& what_;
  char separator_ = ',';
  size_t at_ = 0, number_ = 0;
};

bool parse_number(const std::string& text, double& out) {
  const char* begin = text.c_str() + (!text.empty() && text[0] == '+');
  const auto [end, code] = std::from_chars(begin, text.c_str() + text.size(), out);
  return code == std::errc() && end == text.c_str() + text.size();
}

size_t label_column(const Fields& first, bool header, const std::string& label,
                    const std::string& what) {
  if (label.empty()) return first.size() - 1;
  const auto named = std::find(first.begin(), first.end(), label);
  if (header && named != first.end()) return static_cast<size_t>(named - first.begin());
  double number = 0;
  require(parse_number(label, number) && number >= 1 && number == std::floor(number) &&
              number <= static_cast<double>(first.size()),
          "{} has no column '{}' for the label.", what, label);
  return static_cast<size_t>(number) - 1;
}

// No field is a number, but for the label's perhaps.
bool is_header(const Fields& first) {
  double ignored = 0;
  return std::none_of(first.begin(), first.end() - (first.size() > 1),
                      [&](const std::string& field) { return parse_number(field, ignored); });
}

}  // namespace

CsvRows parse_csv_rows(std::string_view text, const std::string& label, const std::string& what) {
  Lines lines(text, what);
  Fields fields;
  require(lines.next(fields) && fields.size() >= 2, "{} has no lines of two columns or more.",
          what);
  const bool header = is_header(fields);
  const size_t width = fields.size(), at = label_column(fields, header, label, what);
  CsvRows out;
  std::vector<float> values;
  const auto take = [&] {
    require(fields.size() == width, "{}, line {}: {} columns, and the first line has {}.", what,
            lines.number(), fields.size(), width);
    for (size_t i = 0; i < width; ++i) {
      if (i == at) continue;
      double value = 0;
      require(parse_number(fields[i], value) && std::isfinite(static_cast<float>(value)),
              "{}, line {}: column {} has '{}', which is no finite number.", what, lines.number(),
              i + 1, fields[i].substr(0, 40));
      values.push_back(static_cast<float>(value));
    }
    require(!fields[at].empty(), "{}, line {}: there is no label.", what, lines.number());
    out.labels.push_back(fields[at]);
  };
  if (!header) take();
  while (lines.next(fields)) take();
  out.features = torch::tensor(values).view(
      {static_cast<int64_t>(out.labels.size()), static_cast<int64_t>(width) - 1});
  return out;
}

}  // namespace quantbench
