// The commands that move whole stores about: export, merge, history.
#include "base/error.h"
#include "base/file.h"
#include "bench/commands/commands.h"
#include "results/export.h"
#include "results/history.h"
#include "results/merge.h"
#include "results/reference.h"

namespace quantbench {

int export_command(const Arguments& arguments) {
  require(arguments.operands.empty(), "'quantbench export' takes no operand, but --out=PATH.");
  const Store store = existing_store(arguments);
  check_filter(store, arguments.filter);
  if (arguments.format == "reference") {
    require(!arguments.out.empty(),
            "'quantbench export --format reference' needs --out=FOLDER for its files.");
    const size_t files = export_reference(store, arguments.filter, arguments.out);
    say("{}: {} file(s) written\n", arguments.out.string(), files);
    return 0;
  }
  if (arguments.format == "mlflow" || arguments.format == "tensorboard") {
    require(!arguments.out.empty(),
            "'quantbench export --format {}' needs --out=FOLDER for its files.", arguments.format);
    if (arguments.format == "mlflow")
      export_mlflow(store, arguments.filter, arguments.out, arguments.runner.store);
    else
      export_tensorboard(store, arguments.filter, arguments.out);
    return 0;
  }
  const std::string text = arguments.format == "csv" ? export_csv(store, arguments.filter)
                                                     : export_json(store, arguments.filter);
  if (arguments.out.empty())
    say("{}", text);
  else
    write_atomically(arguments.out, text);
  return 0;
}

int merge_command(const Arguments& arguments) {
  require(!arguments.operands.empty(),
          "'quantbench merge' takes the stores to bring into --store, one or more.");
  // All of them before anything is made or changed.
  for (const std::string& shard : arguments.operands) check_shard(shard);
  const auto folder = arguments.runner.store.parent_path();
  std::error_code code;
  if (!folder.empty()) std::filesystem::create_directories(folder, code);
  Store into(arguments.runner.store);
  for (const std::string& shard : arguments.operands) {
    const Merged m = merge(into, shard);
    say("{}: {} run(s) added, {} updated, {} known\n", shard, m.added, m.updated, m.known);
  }
  return 0;
}

int history_command(const Arguments& arguments) {
  require(arguments.operands.empty(), "'quantbench history' takes no operand, but --since=TIME.");
  const auto found = changes(read_board(existing_store(arguments)), arguments.since);
  say("{}", render_changes(found, arguments.format));
  return any_regressed(found) ? 3 : 0;  // 1 is an error's
}

}  // namespace quantbench
