// The quantbench program: finds the command, and turns every Error into one sentence and an exit
// code.
#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/torch.h"
#include "bench/commands/commands.h"
#include "bench/data_parallel.h"
#include "bench/follower.h"
#include "bench/help.h"
#include "bench/interrupt.h"
#include "bench/output.h"
#include "bench/process.h"
#include "bench/provenance.h"

namespace quantbench {
namespace {

// Several processes train together; what else there is to do, each would do for itself.
std::optional<Launch> launch_of(const Arguments& arguments) {
  static const std::set<std::string> sharing{"run", "resume", "replay"};
  if (sharing.count(arguments.command) && !arguments.dry_run) return read_launch();
  require(!arguments.run_missing || !read_launch(),
          "'quantbench table --run' trains in one process; give its recipes to 'quantbench run'.");
  return std::nullopt;
}

std::unique_ptr<DataParallel> join(Arguments& arguments, const std::optional<Launch>& launch) {
  if (!launch) return nullptr;
  RunnerConfig& runner = arguments.runner;
  if (runner.device == "cuda") runner.device = fmt::format("cuda:{}", launch->local_rank);
  const std::chrono::seconds patience(arguments.peer_timeout);
  auto parallel =
      std::make_unique<DataParallel>(join_processes(*launch, runner.device, patience), patience);
  runner.parallel = parallel.get();
  return parallel;
}

// The exit code of an answer, unless it was lost on its way.
int once_said(int code) {
  if (could_say_everything()) return code;
  note("quantbench: not all of the answer could be written to stdout.\n");
  return std::max(code, 1);
}

int run_program(const std::vector<std::string>& words) {
  static const std::map<std::string, int (*)(const Arguments&)> commands{
      {"list", list_command},
      {"run", run_command},
      {"resume", resume_command},
      {"runs", runs_command},
      {"replay", replay_command},
      {"show", show_command},
      {"doctor", doctor_command},
      {"compare", compare_command},
      {"table", table_command},
      {"leaderboard", leaderboard_command},
      {"export", export_command},
      {"merge", merge_command},
      {"history", history_command},
      {"tag", tag_command},
      {"rm", remove_command},
      {"eval", eval_command},
      {"latency", latency_command},
      {"completion", completion_command},
      {"plot", plot_command},
      {"confusion", confusion_command},
      {"conformance", conformance_command},
      {"convert", convert_command},
      {"import", import_command}};
  Arguments arguments = parse_arguments(words);
  if (arguments.version) {
    say("{}", version_text());
    return once_said(0);
  }
  if (arguments.help || arguments.command.empty()) {
    say("{}", arguments.command.empty() ? usage() : usage(command_named(arguments.command)));
    return once_said(arguments.help ? 0 : 2);
  }
  require(arguments.runner.device != "cuda" || torch::cuda::is_available(),
          "Option --device cuda: LibTorch finds no CUDA device here.");
  const std::optional<Launch> launch = launch_of(arguments);
  const int share = std::max(1, usable_cpus() / (launch ? launch->local_size : 1));
  prepare_process(arguments.threads > 0 ? arguments.threads : share);
  const auto parallel = join(arguments, launch);
  static const std::set<std::string> saving{"run", "resume", "replay", "table"};
  if (saving.count(arguments.command)) catch_interrupts();
  const bool follows = parallel && !parallel->leads();
  const int code = follows ? follow(arguments.runner) : commands.at(arguments.command)(arguments);
  if (parallel) parallel->finish(code);
  // What was computed is in the store, where 'quantbench show' finds it.
  const bool computed = saving.count(arguments.command) > 0 && arguments.command != "table";
  const int said = once_said(code);
  return computed ? code : said;
}

}  // namespace
}  // namespace quantbench

int main(int argc, char** argv) {
  quantbench::prepare_streams();
  try {
    return quantbench::run_program({argv + 1, argv + argc});
  } catch (const std::exception& problem) {
    quantbench::note("quantbench: {}\n", quantbench::sentence_of(problem));
    return 1;
  }
}
