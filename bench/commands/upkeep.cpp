// Small commands that keep a store in order, and the pages for shells.
#include "base/error.h"
#include "bench/commands/commands.h"
#include "bench/help.h"

namespace quantbench {

int tag_command(const Arguments& arguments) {
  require(
      !arguments.operands.empty(),
      "'quantbench tag' takes the number of a run and its tags; without tags it takes them away.");
  const int64_t run = run_number(arguments, arguments.operands[0]);
  existing_store(arguments);
  Store store(arguments.runner.store);
  store.tag(run, {arguments.operands.begin() + 1, arguments.operands.end()});
  return 0;
}

int remove_command(const Arguments& arguments) {
  require(!arguments.operands.empty(),
          "'quantbench rm' takes numbers of runs; 'quantbench runs' lists them.");
  std::vector<int64_t> runs;
  for (const std::string& word : arguments.operands) runs.push_back(run_number(arguments, word));
  existing_store(arguments);
  Runner runner(arguments.runner);
  for (int64_t run : runs) runner.store().run(run);  // all are there before one goes
  for (int64_t run : runs) runner.remove(run);
  return 0;
}

int completion_command(const Arguments& arguments) {
  require(arguments.operands.size() == 1, "'quantbench completion' takes bash, zsh, fish or man.");
  const std::string& what = arguments.operands[0];
  say("{}", what == "man" ? manual_page() : completion(what));
  return 0;
}

}  // namespace quantbench
