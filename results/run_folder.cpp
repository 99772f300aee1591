#include "results/run_folder.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/hexadecimal.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

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

fs::path store_folder(const fs::path& store) {
  return store.has_parent_path() ? store.parent_path() : fs::path(".");
}

fs::path run_folder(const fs::path& store, const RunRecord& run) {
  require(is_hexadecimal(run.uid, 32),
          "Run {} has no sound uid ('{}'), so its folder cannot be told.", run.id, run.uid);
  const fs::path root = store_folder(store), folder = root / run.uid;
  if (fs::exists(folder)) return folder;
  const fs::path older = numbered_folder(root, run);
  return older.empty() ? folder : older;
}

}  // namespace quantbench
