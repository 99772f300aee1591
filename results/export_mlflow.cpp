#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "results/contract.h"
#include "results/export.h"
#include "results/run_folder.h"
#include "results/run_json.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kExperiment = "quantbench";

// What MLflow allows in the name of a param, metric or tag, and no path.
std::string safe_name(const std::string& name) {
  std::string out;
  for (unsigned char c : name.substr(0, 200))
    out += std::isalnum(c) || c == '_' || c == '.' || c == '-' ? static_cast<char>(c) : '_';
  return out.find_first_not_of('.') == std::string::npos ? "_" + out : out;
}

// A scalar that YAML reads as this very text: JSON strings are.
std::string yaml(const std::string& text) {
  return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

int64_t milliseconds(const std::string& iso) {
  std::tm utc = {};
  if (strptime(iso.c_str(), "%Y-%m-%dT%H:%M:%SZ", &utc) == nullptr) return 0;
  return static_cast<int64_t>(timegm(&utc)) * 1000;
}

// The folder as a whole is what appears at once, so its files need no care of their own.
void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  require(out.good(), "Writing {} failed; is the disk full?", path.string());
}

// Where the parts of an MLflow store refer to.
std::string uri(const fs::path& path) { return "file://" + fs::absolute(path).string(); }

std::string run_yaml(const RunRecord& run, const std::string& id, const fs::path& experiment) {
  const bool over = !run.finished.empty();
  const bool good = run.status == RunStatus::Ok || run.status == RunStatus::Mistrusted;
  // MLflow's numbers: 1 running, 3 finished, 4 failed, 5 killed.
  const int status = run.status == RunStatus::Running       ? 1
                     : run.status == RunStatus::Interrupted ? 5
                     : good                                 ? 3
                                                            : 4;
  return fmt::format(
      "artifact_uri: {}\nend_time: {}\nentry_point_name: ''\nexperiment_id: '{}'\n"
      "lifecycle_stage: active\nrun_id: {}\nrun_name: {}\nrun_uuid: {}\nsource_name: ''\n"
      "source_type: 4\nsource_version: ''\nstart_time: {}\nstatus: {}\ntags: []\nuser_id: ''\n",
      yaml(uri(experiment / id / "artifacts")),
      over ? std::to_string(milliseconds(run.finished)) : "null", experiment.filename().string(),
      id, yaml(fmt::format("{} {}/{} seed {}", run.method, run.model, run.dataset, run.seed)), id,
      milliseconds(run.started), status);
}

void write_metrics(const Store& store, const RunRecord& run, const Json& summary,
                   const fs::path& folder) {
  const int64_t time = milliseconds(run.finished.empty() ? run.started : run.finished);
  for (const auto& [key, value] : summary.items()) {
    const bool fact = key == "id" || key == "repetition" || key == "seed";
    if (value.is_number() && !fact)
      write(folder / "metrics" / safe_name(key), fmt::format("{} {} 0\n", time, value.dump()));
  }
  for (const auto& [name, value] : summary.at("figures").items())
    if (value.is_number())
      write(folder / "metrics" / safe_name("figure." + name),
            fmt::format("{} {} 0\n", time, value.dump()));
  std::map<std::string, std::string> curves;
  int64_t step = 0;
  double seconds = 0;
  for (const EpochRow& row : store.epochs(run.id)) {
    const std::pair<const char*, double> values[] = {{"train_loss", row.train_loss},
                                                     {"train_top1", row.train_top1},
                                                     {"validation_loss", row.validation_loss},
                                                     {"epoch_validation_top1", row.validation_top1},
                                                     {"learning_rate", row.learning_rate}};
    seconds += std::isfinite(row.seconds) ? row.seconds : 0;
    const int64_t ended =
        std::min(time, milliseconds(run.started) + static_cast<int64_t>(1000 * seconds));
    for (const auto& [name, value] : values)
      curves[name] += fmt::format("{} {} {}\n", ended, value, step);
    ++step;
  }
  for (const auto& [name, lines] : curves) write(folder / "metrics" / name, lines);
}

// The run's own texts, and the files that lie in its folder.
void write_artefacts(const Store& store, const RunRecord& run, const fs::path& folder,
                     const fs::path& store_path) {
  fs::create_directories(folder);
  for (const auto& [name, text] : store.artefacts(run.id)) write(folder / safe_name(name), text);
  std::error_code missing;
  const fs::path from = run_folder(store_path, run);
  for (const char* name : {"package.safetensors", "recipe.ini"})
    if (fs::is_regular_file(from / name, missing))
      fs::copy_file(from / name, folder / name, fs::copy_options::overwrite_existing);
}

// A hidden folder of this export alone, for what is not whole yet; gone when this is.
class Workplace {
 public:
  explicit Workplace(const fs::path& folder) {
    std::string name = (folder / ".quantbench-XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, "Cannot write in the folder {}: {}.",
            folder.string(), std::strerror(errno));
    fs::permissions(name, fs::perms(0755));
    path = name;
  }
  ~Workplace() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  fs::path path;
};

// False when there is something in this place already. A plain rename would replace an empty
// folder.
bool put_in_place(const fs::path& part, const fs::path& folder) {
  if (::renameat2(AT_FDCWD, part.c_str(), AT_FDCWD, folder.c_str(), RENAME_NOREPLACE) == 0)
    return true;
  const bool unknown = errno == EINVAL || errno == ENOSYS;  // to this file system
  if (unknown && fs::exists(folder)) return false;
  if (unknown && ::rename(part.c_str(), folder.c_str()) == 0) return true;
  require(errno == EEXIST || errno == ENOTEMPTY, "Cannot put {} in its place: {}.", folder.string(),
          std::strerror(errno));
  return false;
}

void write_run(const Store& store, const RunRecord& run, const fs::path& experiment,
               const fs::path& store_path, const fs::path& workplace) {
  const std::string id = safe_name(run.uid);
  if (fs::exists(experiment / id)) return;
  const fs::path folder = workplace / id;
  write(folder / "meta.yaml", run_yaml(run, id, experiment));
  write_artefacts(store, run, folder / "artifacts", store_path);
  for (const auto& [key, value] : recipe_lines(run.recipe))
    write(folder / "params" / safe_name(key), value);
  const Json summary = summary_json(run, store.result(run.id));
  write_metrics(store, run, summary, folder);
  for (const auto& [key, value] : summary.items())
    if (value.is_string()) write(folder / "tags" / safe_name(key), value.get<std::string>());
  put_in_place(folder, experiment / id);
}

bool is_experiment_of_ours(const fs::path& folder) {
  std::ifstream in(folder / "meta.yaml");
  for (std::string line; std::getline(in, line);)
    if (line == std::string("name: ") + kExperiment) return true;
  return false;
}

// The experiment's folder in an MLflow store; "" when it has none. Throws Error when the folder
// holds something, and no experiment.
fs::path find_experiment(const fs::path& folder) {
  bool empty = true, mlflow = false;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string()[0] == '.') continue;
    empty = false;
    mlflow = mlflow || fs::exists(entry.path() / "meta.yaml");
    if (is_experiment_of_ours(entry.path())) return entry.path();
  }
  require(empty || mlflow, "{} is there already and is no MLflow store; name another folder.",
          folder.string());
  return {};
}

fs::path made_experiment(const fs::path& folder, const fs::path& workplace) {
  for (int64_t number = 1; number < 1000000; ++number) {
    const fs::path found = find_experiment(folder);
    if (!found.empty()) return found;
    const fs::path place = folder / std::to_string(number), part = workplace / "experiment";
    if (fs::exists(place)) continue;
    write(part / "meta.yaml",
          fmt::format("artifact_location: {}\ncreation_time: 0\nexperiment_id: '{}'\n"
                      "last_update_time: 0\nlifecycle_stage: active\nname: {}\n",
                      yaml(uri(place)), number, kExperiment));
    put_in_place(part, place);  // or another export has: then it is found
  }
  fail("{} has no number left for an experiment.", folder.string());
}

}  // namespace

void export_mlflow(const Store& store, const RunFilter& filter, const fs::path& folder,
                   const fs::path& store_path) {
  try {
    require(!fs::exists(folder) || fs::is_directory(folder),
            "{} is there already and is no folder; name another for the MLflow store.",
            folder.string());
    std::error_code code;
    fs::create_directories(folder, code);
    require(!code, "Cannot make the folder {}: {}.", folder.string(), code.message());
    find_experiment(folder);  // refuses what is no MLflow store before it writes there
    const Workplace workplace(folder);
    const fs::path experiment = made_experiment(folder, workplace.path);
    for (const RunRecord& run : store.runs(filter))
      write_run(store, run, experiment, store_path, workplace.path);
  } catch (const fs::filesystem_error& problem) {
    fail("Writing the MLflow store {} failed: {}.", folder.string(), problem.code().message());
  }
}

}  // namespace quantbench
