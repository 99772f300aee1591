#include "results/reference.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "results/compare/candidate.h"
#include "results/contract_rows.h"
#include "results/reference_file.h"
#include "results/run_rows.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostFiles = 10000;
constexpr uint64_t kLongestFile = 8 << 20;

std::vector<fs::path> files_of(const fs::path& folder) {
  std::error_code code;
  std::vector<fs::path> out;
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end;
       entry.increment(code))
    if (entry->path().extension() == ".json") {
      out.push_back(entry->path());
      require(out.size() <= kMostFiles, "The folder {} has more than {} reference files.",
              folder.string(), kMostFiles);
    }
  require(!code, "The folder {} of reference files cannot be read: {}.", folder.string(),
          code.message());
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<ReferenceRun> read_file_of_runs(const fs::path& path) {
  return parse_reference(read_file(path, kLongestFile), path.string());
}

// A new database whose file is gone with the process, however that ends.
Store temporary_store() {
  std::string name = (fs::temp_directory_path() / "quantbench-reference-XXXXXX").string();
  require(::mkdtemp(name.data()) != nullptr, "There is no room for a temporary database in {}.",
          fs::temp_directory_path().string());
  struct Remove {
    fs::path folder;
    ~Remove() {
      std::error_code ignored;
      fs::remove_all(folder, ignored);
    }
  } remove{name};
  return Store(fs::path(name) / "reference.db");
}

void insert(const Connection& connection, const ReferenceRun& run) {
  const int64_t number = insert_run(connection, run.record);
  insert_result(connection, number, run.result, {});
  set_contract(connection, number, run.contract);
  insert_latencies(connection, number, run.latencies);
}

ReferenceRun run_of(const Store& store, const RunRecord& record) {
  Statement query = store.connection().prepare("SELECT contract FROM results WHERE run = ?");
  query.bind(record.id);
  const auto contract = query.step() ? query.maybe_integer() : std::nullopt;
  require(contract.has_value(), "Run {} has no contract; quantbench replay {} makes one that has.",
          record.id, record.id);
  return {record, store.result(record.id), contract_row(store, *contract),
          store.latencies(record.id)};
}

// The runs of one configuration by seed; of each the newest, of the newest version only.
using Seeds = std::map<uint64_t, ReferenceRun>;

int version_of(const Seeds& seeds) { return seeds.begin()->second.record.method_version; }

// `run` where its seed is new or older there; a newer version takes the place of all others.
void add(Seeds& seeds, ReferenceRun run) {
  const int version = run.record.method_version;
  if (!seeds.empty() && version_of(seeds) > version) return;
  if (!seeds.empty() && version_of(seeds) < version) seeds.clear();
  const auto [known, fresh] = seeds.try_emplace(run.record.seed, run);
  if (!fresh && known->second.record.started < run.record.started) known->second = std::move(run);
}

}  // namespace

Store read_reference(const fs::path& folder) {
  const std::vector<fs::path> files = files_of(folder);
  require(!files.empty(), "The folder {} has no reference file (*.json).", folder.string());
  Store out = temporary_store();
  const Connection& connection = out.connection();
  Transaction transaction(connection);
  std::set<std::string> uids;
  for (const fs::path& path : files)
    for (const ReferenceRun& run : read_file_of_runs(path)) {
      require(uids.insert(run.record.uid).second, "{}: another file has the run {}, too.",
              path.string(), run.record.uid);
      insert(connection, run);
    }
  transaction.commit();
  return out;
}

size_t export_reference(const Store& store, const RunFilter& filter, const fs::path& folder) {
  std::map<std::string, Seeds> files;  // by name
  for (const RunRecord& record : store.runs(filter))
    if (record.status == RunStatus::Ok) add(files[reference_name(record)], run_of(store, record));
  require(!files.empty(), "There is no run with status ok to write to {}.", folder.string());
  std::error_code code;
  fs::create_directories(folder, code);
  for (auto& [name, seeds] : files) {
    const fs::path path = folder / name;
    if (fs::exists(path, code))
      for (ReferenceRun& run : read_file_of_runs(path)) {
        require(run.record.method_version <= version_of(seeds),
                "{} is of version {} of its method, the store's runs of version {}.", path.string(),
                run.record.method_version, version_of(seeds));
        add(seeds, std::move(run));
      }
    std::vector<ReferenceRun> runs;
    for (const auto& [seed, run] : seeds) runs.push_back(run);
    const std::string text = reference_text(std::move(runs));
    parse_reference(text, "Run " + seeds.begin()->second.record.uid);  // what is written is read
    write_atomically(path, text);
  }
  return files.size();
}

}  // namespace quantbench
