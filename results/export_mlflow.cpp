#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "results/contract.h"
#include "results/export.h"
#include "results/run_json.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kExperiment = "1";

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

std::string run_yaml(const RunRecord& run, const std::string& id) {
  const bool over = !run.finished.empty();
  const bool good = run.status == RunStatus::Ok || run.status == RunStatus::Mistrusted;
  // MLflow's numbers: 1 running, 3 finished, 4 failed, 5 killed.
  const int status = run.status == RunStatus::Running       ? 1
                     : run.status == RunStatus::Interrupted ? 5
                     : good                                 ? 3
                                                            : 4;
  return fmt::format(
      "artifact_uri: ''\nend_time: {}\nentry_point_name: ''\nexperiment_id: '{}'\n"
      "lifecycle_stage: active\nrun_id: {}\nrun_name: {}\nrun_uuid: {}\nsource_name: ''\n"
      "source_type: 4\nsource_version: ''\nstart_time: {}\nstatus: {}\ntags: []\nuser_id: ''\n",
      over ? std::to_string(milliseconds(run.finished)) : "null", kExperiment, id,
      yaml(fmt::format("{} {}/{} seed {}", run.method, run.model, run.dataset, run.seed)), id,
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
  for (const EpochRow& row : store.epochs(run.id)) {
    const std::pair<const char*, double> values[] = {{"train_loss", row.train_loss},
                                                     {"train_top1", row.train_top1},
                                                     {"validation_loss", row.validation_loss},
                                                     {"epoch_validation_top1", row.validation_top1},
                                                     {"learning_rate", row.learning_rate}};
    for (const auto& [name, value] : values)
      curves[name] += fmt::format("{} {} {}\n", time, value, step);
    ++step;
  }
  for (const auto& [name, lines] : curves) write(folder / "metrics" / name, lines);
}

void write_run(const Store& store, const RunRecord& run, const fs::path& experiment) {
  const std::string id = safe_name(run.uid);
  const fs::path folder = experiment / id;
  fs::create_directories(folder / "artifacts");
  write(folder / "meta.yaml", run_yaml(run, id));
  for (const auto& [key, value] : recipe_lines(run.recipe))
    write(folder / "params" / safe_name(key), value);
  const Json summary = summary_json(run, store.result(run.id));
  write_metrics(store, run, summary, folder);
  for (const auto& [key, value] : summary.items())
    if (value.is_string()) write(folder / "tags" / safe_name(key), value.get<std::string>());
}

// A folder of this export alone; another's, and anything that is there, is left in peace.
fs::path new_folder_beside(const fs::path& folder) {
  const fs::path plain = folder.filename().empty() ? folder.parent_path() : folder;
  std::string name = plain.string() + ".part-XXXXXX";
  require(::mkdtemp(name.data()) != nullptr, "Cannot make a folder beside {}: {}.", plain.string(),
          std::strerror(errno));
  fs::permissions(name, fs::perms(0755));
  return name;
}

// False, with errno, when there is something in this place. A plain rename would replace an empty
// folder.
bool put_in_place(const fs::path& part, const fs::path& folder) {
  if (::renameat2(AT_FDCWD, part.c_str(), AT_FDCWD, folder.c_str(), RENAME_NOREPLACE) == 0)
    return true;
  const bool unknown = errno == EINVAL || errno == ENOSYS;  // to this file system
  return unknown && ::rename(part.c_str(), folder.c_str()) == 0;
}

}  // namespace

void export_mlflow(const Store& store, const RunFilter& filter, const fs::path& folder) {
  require(!fs::exists(folder), "{} is there already; name a new folder for the MLflow store.",
          folder.string());
  const fs::path part = new_folder_beside(folder);
  try {
    const fs::path experiment = part / kExperiment;
    write(experiment / "meta.yaml",
          fmt::format("artifact_location: ''\ncreation_time: 0\nexperiment_id: '{}'\n"
                      "last_update_time: 0\nlifecycle_stage: active\nname: quantbench\n",
                      kExperiment));
    for (const RunRecord& run : store.runs(filter)) write_run(store, run, experiment);
    const bool placed = put_in_place(part, folder);
    require(placed, "Cannot put the MLflow store at {}: {}.", folder.string(),
            errno == EEXIST ? "another export made it meanwhile" : std::strerror(errno));
  } catch (const fs::filesystem_error& problem) {
    fs::remove_all(part);
    fail("Writing the MLflow store {} failed: {}.", folder.string(), problem.code().message());
  } catch (...) {
    fs::remove_all(part);
    throw;
  }
}

}  // namespace quantbench
