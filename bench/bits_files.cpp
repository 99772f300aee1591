#include "bench/bits_files.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "methods/common/bit_allocation.h"
#include "methods/method.h"

namespace quantbench {
namespace {

std::string line_of(const std::string& file) {
  constexpr uint64_t kMostBytes = uint64_t{1} << 24;
  return bits_line(parse_site_bits(read_file(file, kMostBytes), file));
}

}  // namespace

void include_bits_files(RecipeText& text) {
  for (const std::string& method : methods().names())
    for (const Option& option : methods().get(method).card.options) {
      const auto found = text.find(method + "." + option.name);
      if (found == text.end()) continue;
      for (std::string& value : found->second)
        if (value.rfind('@', 0) == 0) value = line_of(value.substr(1));
    }
}

void give_allocation(RecipeText& text, const std::string& file) {
  const auto found = text.find("method");
  require(found != text.end(), "Option --allocation needs a recipe that names its method.");
  for (const std::string& method : found->second) {
    const auto& options = methods().get(method).card.options;
    require(std::any_of(options.begin(), options.end(),
                        [](const Option& option) { return option.name == "allocation"; }),
            "The method {} takes no allocation: it has no bits of its own for each site.", method);
    text[method + ".allocation"] = {line_of(file)};
  }
}

}  // namespace quantbench
