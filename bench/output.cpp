#include "bench/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/text.h"
#include "base/torch.h"

namespace quantbench {

void say_text(std::string_view text) {
  const std::string out = printable(text);
  std::fwrite(out.data(), 1, out.size(), stdout);  // ferror() remembers
}

void note_text(std::string_view text) { draw(printable(text)); }

void draw(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

bool could_say_everything() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

std::string sentence_of(const std::exception& problem) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&problem);
  const std::string all = torch_error ? torch_error->what_without_backtrace() : problem.what();
  return printable_line(torch_error ? "LibTorch: " + all.substr(0, all.find("\nException raised"))
                                    : all);
}

void prepare_streams() {
  const std::pair<int, const char*> streams[] = {
      {STDIN_FILENO, "/dev/null"}, {STDOUT_FILENO, "/dev/full"}, {STDERR_FILENO, "/dev/null"}};
  // In this order each gets its own number, the lowest that is free.
  for (const auto& [number, path] : streams)
    if (::fcntl(number, F_GETFD) < 0 && ::open(path, O_RDWR) < 0) ::open("/dev/null", O_RDWR);
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace quantbench
