// The conformance suite on methods of plug-ins, or on any method that is named.
#include "bench/conformance.h"

#include <stdlib.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "bench/commands/commands.h"
#include "bench/plugin.h"
#include "methods/method.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "quantbench-conformance-XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, "Cannot make a temporary folder.");
    path = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  fs::path path;
};

}  // namespace

int conformance_command(const Arguments& arguments) {
  const std::vector<std::string> names =
      arguments.operands.empty() ? methods_of_plugins() : arguments.operands;
  require(!names.empty(),
          "'quantbench conformance' takes --plugin=FILE with a method of your own, or the names of "
          "methods.");
  for (const std::string& name : names) methods().get(name);
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  size_t failures = 0;
  for (const std::string& name : names)
    for (const ConformanceCase& subject : conformance_cases(name)) {
      const TemporaryFolder folder;
      if (!arguments.json) say("{}\n", subject.name());
      check_conformance(subject, folder.path, [&](const ConformanceCheck& check) {
        failures += !check.problem.empty();
        if (arguments.json)
          all.push_back({{"case", subject.name()},
                         {"check", check.name},
                         {"holds", check.problem.empty()},
                         {"problem", check.problem}});
        else
          say("  {}  {}{}\n", check.problem.empty() ? "ok    " : "FAILED", check.name,
              check.problem.empty() ? "" : ": " + check.problem);
        std::fflush(stdout);
      });
    }
  if (arguments.json)
    say("{}\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  else if (failures == 0)
    say("All checks hold.\n");
  else
    say("{} check(s) do not hold.\n", failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace quantbench
