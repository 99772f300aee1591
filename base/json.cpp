#include "base/json.h"

#include <unordered_set>

#include "base/error.h"
#include "base/text.h"

namespace quantbench {
namespace {

using Json = nlohmann::json;

constexpr size_t kLongestProblem = 200;  // of the library's words, which quote the text

// Looks at the structure alone; what it is called with follows from the library.
class Structure : public Json::json_sax_t {
 public:
  Structure(const std::string& what, int deepest, bool with_names)
      : what_(what), deepest_(deepest), with_names_(with_names) {}

  std::vector<std::string> names;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(true); }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return enter(false); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    if (!with_names_ || depth_ != 1 || !outermost_is_object_) return true;
    require(known_.insert(name).second, "{} names '{}' twice.", what_, printable_line(name));
    names.push_back(name);
    return true;
  }

  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& problem) override {
    fail("{} is no valid JSON ({}).", what_,
         printable_line(std::string_view(problem.what()).substr(0, kLongestProblem)));
  }

 private:
  bool enter(bool object) {
    if (depth_ == 0) outermost_is_object_ = object;
    require(++depth_ <= deepest_, "{} is nested too deeply: more than {} levels.", what_, deepest_);
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }

  const std::string& what_;
  int deepest_, depth_ = 0;
  bool with_names_, outermost_is_object_ = false;
  std::unordered_set<std::string> known_;
};

}  // namespace

Json parse_json(std::string_view text, const std::string& what, int depth) {
  Structure structure(what, depth, /*with_names=*/false);
  Json::sax_parse(text, &structure);
  return Json::parse(text);
}

int64_t whole_number(const Json& json) {
  const bool fits =
      json.is_number_unsigned() ? json.get<uint64_t>() <= INT64_MAX : json.is_number_integer();
  require(fits, "'{}' is no whole number of 64 bits.",
          printable_line(json.dump().substr(0, kLongestProblem)));
  return json.get<int64_t>();
}

std::vector<std::string> outermost_names(std::string_view text, const std::string& what,
                                         int depth) {
  Structure structure(what, depth, /*with_names=*/true);
  Json::sax_parse(text, &structure);
  return std::move(structure.names);
}

}  // namespace quantbench
