#include "bench/follower.h"

#include <sstream>

#include "base/error.h"
#include "base/interrupt.h"
#include "bench/data_parallel.h"
#include "bench/data_source.h"
#include "bench/output.h"
#include "bench/session.h"

namespace quantbench {
namespace {

using Json = nlohmann::json;

// What this process has to take part with.
struct Part {
  Recipe recipe;
  std::unique_ptr<Dataset> dataset;
};

Part prepared(const Json& work, const RunnerConfig& config) {
  RunRecord run;
  run.recipe = work.at("recipe");
  run.model = work.at("model");
  find_parts(run, config.store);
  std::istringstream in(run.recipe);
  Part out;
  out.recipe = expand(read_recipe(in, "The recipe of process 0")).at(0);
  out.dataset = open_dataset(out.recipe, data_root(config.data));
  require(out.dataset->fingerprint() == work.at("fingerprint"),
          "Its files of dataset {} are not those of process 0.", out.recipe.dataset);
  return out;
}

void help(const Json& work, const RunnerConfig& config) {
  Part part;
  std::string problem;
  try {
    part = prepared(work, config);
  } catch (const std::exception& why) {
    problem = sentence_of(why);
  }
  config.parallel->answer(problem);
  SessionConfig session;
  session.data_root = data_root(config.data);
  session.device = config.device;
  session.epoch = [](const EpochRow&) {};
  session.calibration = work.at("calibration").get<std::vector<std::string>>();
  session.parallel = config.parallel;
  ProgressDisplay nothing(/*quiet=*/true);
  Session(part.recipe, *part.dataset, session, nothing).run(work.at("resume"));
}

}  // namespace

void require_processes(const Recipe& recipe, const DataParallel* parallel) {
  const int64_t wanted = recipe.values.integer("batch.processes"),
                here = parallel ? parallel->size() : 1,
                parts = recipe.values.integer("batch.parts");
  require(wanted == here,
          "The recipe is for {} process(es) that train together, and WORLD_SIZE starts {}: "
          "torchrun --nproc_per_node={} --no-python quantbench ...",
          wanted, here, wanted);
  if (here == 1) return;
  require(parts == 1 || parts % here == 0,
          "batch.parts is {}, which {} processes cannot share evenly: give a multiple of {}.",
          parts, here, here);
  require(!datasets().get(recipe.dataset).graphs,
          "The dataset {} holds graphs, whose batches several processes cannot share.",
          recipe.dataset);
}

void call_followers(DataParallel& parallel, const RunRecord& run,
                    const std::vector<std::string>& calibration, bool resume) {
  parallel.start(Json{
      {"recipe", run.recipe},
      {"model", run.model},
      {"fingerprint", run.dataset_fingerprint},
      {"calibration", calibration},
      {"resume",
       resume}}.dump());
}

int follow(const RunnerConfig& config) {
  DataParallel& parallel = *config.parallel;
  while (const auto work = parallel.next()) {
    try {
      help(Json::parse(*work), config);
    } catch (const Interrupted& stop) {
      parallel.leave(stop);  // rank 0 saves, and says when that is done
    } catch (const std::exception& problem) {
      parallel.leave(problem);
      throw;
    }
  }
  return parallel.exit_code();
}

}  // namespace quantbench
