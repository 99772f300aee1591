#include "datasets/image_labels.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/file.h"

namespace quantbench {
namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 28;
constexpr std::string_view kBetween = " \t,\r";

// The next word of `row`, which it leaves.
std::string_view next_word(std::string_view& row) {
  row.remove_prefix(std::min(row.find_first_not_of(kBetween), row.size()));
  const size_t end = std::min(row.find_first_of(kBetween), row.size());
  const std::string_view word = row.substr(0, end);
  row.remove_prefix(end);
  return word;
}

}  // namespace

std::map<std::string, int64_t> read_label_file(const std::filesystem::path& path,
                                               const std::vector<std::string>& classes,
                                               const std::string& what) {
  std::error_code code;
  require(std::filesystem::is_regular_file(path, code), "{} is not there.", what);
  const std::string text = read_file(path, kMostBytes);
  std::map<std::string, int64_t> number_of;
  for (size_t i = 0; i < classes.size(); ++i) number_of[classes[i]] = static_cast<int64_t>(i);
  const auto class_of = [&](std::string_view word, size_t row) {
    if (const auto found = number_of.find(std::string(word)); found != number_of.end())
      return found->second;
    int64_t label = -1;
    const auto [stop, problem] = std::from_chars(word.data(), word.data() + word.size(), label);
    require(problem == std::errc() && stop == word.data() + word.size() && label >= 0 &&
                label < static_cast<int64_t>(classes.size()),
            "{}: row {} names the class '{}', which is neither one of the {} classes nor a number "
            "below that.",
            what, row, word, classes.size());
    return label;
  };
  std::map<std::string, int64_t> out;
  std::string_view rest = text;
  for (size_t row = 1; !rest.empty(); ++row) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::string_view name = next_word(line);
    if (name.empty() || (row == 1 && name == "ImageId")) continue;
    const std::string_view label = next_word(line);
    require(!label.empty(), "{}: row {} gives '{}' no class.", what, row, name);
    require(out.emplace(name, class_of(label, row)).second, "{} has two rows for '{}'.", what,
            name);
  }
  return out;
}

}  // namespace quantbench
