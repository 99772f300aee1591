#include "results/leaderboard.h"

#include <fmt/chrono.h>

#include "base/error.h"
#include "base/file.h"
#include "bench/commands/commands.h"

namespace quantbench {

int leaderboard_command(const Arguments& arguments) {
  namespace fs = std::filesystem;
  require(arguments.operands.empty() && !arguments.out.empty(),
          "'quantbench leaderboard' takes --out=FOLDER for its page.");
  const Store store = existing_store(arguments);
  LeaderboardConfig config;
  config.details = arguments.details;
  config.made = fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::time(nullptr)));
  const std::string page = leaderboard_html(store, config);
  std::error_code code;
  fs::create_directories(arguments.out, code);
  require(!code && fs::is_directory(arguments.out), "Cannot make the folder {}: {}.",
          arguments.out.string(), code ? code.message() : "a file of that name is there");
  write_atomically(arguments.out / "index.html", page);
  say("{}: {} bytes\n", (arguments.out / "index.html").string(), page.size());
  return 0;
}

}  // namespace quantbench
