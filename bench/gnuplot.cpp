#include "bench/gnuplot.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "base/error.h"
#include "base/file.h"

extern char** environ;

namespace quantbench {
namespace {

namespace fs = std::filesystem;

std::string terminal_for(const fs::path& out) {
  const std::string ending = out.extension().string();
  if (ending == ".svg")
    return "svg size 880,560 dynamic background rgb 'white' font 'sans-serif,12'";
  if (ending == ".pdf") return "pdfcairo size 22cm,14cm font 'sans,11'";
  if (ending == ".png") return "pngcairo size 1320,840 fontscale 1.4 font 'sans,11'";
  fail("{} does not end in .svg, .pdf or .png, one of which says what kind of picture it is.",
       out.string());
}

// A folder that is gone when this is.
class Workplace {
 public:
  Workplace() {
    std::string name = (fs::temp_directory_path() / "quantbench-plot-XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, "Cannot make a temporary folder for the picture.");
    folder_ = name;
  }
  ~Workplace() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  fs::path operator/(const char* name) const { return folder_ / name; }

 private:
  fs::path folder_;
};

// gnuplot's exit status; what it says goes to `said`.
int run_gnuplot(const fs::path& script, const fs::path& said) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, said.c_str(), O_CREAT | O_WRONLY, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  std::string words[] = {"gnuplot", "--default-settings", script.string()};
  char* argv[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t child = 0;
  const int code = ::posix_spawnp(&child, "gnuplot", &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  require(code != ENOENT,
          "Pictures are drawn by gnuplot, which is not installed (Debian: apt-get install "
          "gnuplot-nox).");
  require(code == 0, "Cannot start gnuplot.");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

std::string first_complaint(const fs::path& said) {
  std::istringstream in(read_file(said, 1 << 20));
  for (std::string line; std::getline(in, line);)
    if (line.find_first_not_of(" ^\t") != std::string::npos) return line;
  return "it says nothing";
}

}  // namespace

void draw_plot(const std::string& script, const fs::path& out) {
  const std::string terminal = terminal_for(out);
  const Workplace work;
  const fs::path picture = work / "picture", commands = work / "script", said = work / "said";
  write_atomically(commands, fmt::format("set terminal {} noenhanced\nset output '{}'\n"
                                         "set datafile separator \"\\t\"\n{}unset output\n",
                                         terminal, picture.string(), script));
  const int code = run_gnuplot(commands, said);
  std::error_code missing;
  require(code == 0 && fs::file_size(picture, missing) > 0 && !missing,
          "gnuplot could not draw {}: {}.", out.string(), first_complaint(said));
  write_atomically(out, read_file(picture));
}

}  // namespace quantbench
