#include "results/run_folder.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

bool is_uid(const std::string& text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// The folder "NUMBER-..." of an older program; a number alone is no proof, since every store counts
// from 1, but the recipe inside is. Empty when there is none.
fs::path numbered_folder(const fs::path& root, const RunRecord& run) {
  const std::string start = std::to_string(run.id) + "-";
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(root, code)) {
    const fs::path recipe = entry.path() / "recipe.ini";
    if (entry.path().filename().string().compare(0, start.size(), start) == 0 &&
        fs::is_regular_file(recipe, code) && read_file(recipe) == run.recipe)
      return entry.path();
  }
  return {};
}

}  // namespace

fs::path run_folder(const fs::path& store, const RunRecord& run) {
  require(is_uid(run.uid), "Run {} has no sound uid ('{}'), so its folder cannot be told.", run.id,
          run.uid);
  const fs::path root = store.has_parent_path() ? store.parent_path() : fs::path(".");
  const fs::path folder = root / run.uid;
  if (fs::exists(folder)) return folder;
  const fs::path older = numbered_folder(root, run);
  return older.empty() ? folder : older;
}

}  // namespace quantbench
