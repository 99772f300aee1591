// Writing files that are either whole or not there. Each writer has a temporary name of its own, so
// that any number of them may write one target at once: the last to finish wins, whole. What a
// killed writer left behind is removed by the next one to write the same target. A symbolic link is
// followed and stays one; what is no file (a terminal, a pipe, /dev/null) is written to as it is.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <random>

#include "base/file.h"

namespace quantbench {
namespace fs = std::filesystem;
namespace {

constexpr size_t kLongestStem = 200;  // of a temporary name; file systems allow 255 bytes in all

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

std::string stem_of(const fs::path& path) {
  return path.filename().string().substr(0, kLongestStem) + ".";
}

fs::path temporary_name(const fs::path& path) {
  std::random_device entropy;
  return path.parent_path() /
         fmt::format("{}{:08x}{:08x}.part", stem_of(path), entropy(), entropy());
}

// A writer holds a lock on its temporary file; one that can be locked belongs to nobody.
void remove_leftovers(const fs::path& path) {
  const std::string stem = stem_of(path);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path.parent_path(), ignored)) {
    const std::string name = entry.path().filename().string();
    const std::string end = ".part";
    if (name.size() != stem.size() + 16 + end.size() || name.compare(0, stem.size(), stem) != 0 ||
        name.compare(name.size() - end.size(), end.size(), end) != 0 ||
        name.find_first_not_of("0123456789abcdef", stem.size()) != stem.size() + 16)
      continue;
    const Descriptor file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file.number() >= 0 && ::flock(file.number(), LOCK_EX | LOCK_NB) == 0)
      ::unlink(entry.path().c_str());
  }
}

// The file that a write to `path` is meant for.
fs::path target_of(const fs::path& path) {
  std::error_code code;
  fs::path target = path;
  for (int links = 0; fs::is_symlink(target, code); ++links) {
    require(links < 40, "Cannot write {}: its links go round in a circle.", path.string());
    const fs::path next = fs::read_symlink(target, code);
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  return fs::absolute(target);
}

bool is_written_in_place(const fs::path& path, const fs::path& target) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) return false;
  require(!S_ISDIR(info.st_mode), "Cannot write {}: it is a folder; name a file.", path.string());
  // /dev/stdout may stand for a file, which is then not ours to replace.
  const std::string text = fs::absolute(path).lexically_normal().string();
  const bool descriptor = text.rfind("/dev/", 0) == 0 || text.rfind("/proc/", 0) == 0;
  return !S_ISREG(info.st_mode) || descriptor || target.empty();
}

void write_in_place(const fs::path& path, const std::function<void(std::ostream&)>& write) {
  std::ofstream out(path, std::ios::binary | std::ios::app);
  require(out.good(), "Cannot write {}: may it be written?", path.string());
  write(out);
  out.close();
  require(!out.fail(), "Writing {} failed: is it full or closed?", path.string());
}

// Makes and locks a temporary file that no other writer has taken for a leftover meanwhile.
int locked_temporary(const fs::path& target, fs::path& part, mode_t mode) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    part = temporary_name(target);
    const int number = ::open(part.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode);
    require(number >= 0, "Cannot write {}: is the folder there and writable?", target.string());
    struct stat info = {};
    if (::flock(number, LOCK_EX) == 0 && ::fstat(number, &info) == 0 && info.st_nlink > 0)
      return number;
    ::close(number);
  }
  fail("Cannot write {}: its temporary files are taken away.", target.string());
}

void sync_folder(const fs::path& folder) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.number() >= 0) ::fsync(opened.number());  // not every file system can
}

}  // namespace

void write_atomically(const fs::path& path, const std::function<void(std::ostream&)>& write) {
  const fs::path target = target_of(path);
  if (is_written_in_place(path, target)) return write_in_place(path, write);
  struct stat before = {};
  const bool replaces = ::stat(target.c_str(), &before) == 0;
  remove_leftovers(target);
  fs::path part;
  const Descriptor locked(locked_temporary(target, part, 0666));
  try {
    if (replaces) ::fchmod(locked.number(), before.st_mode & 07777);
    std::ofstream out(part, std::ios::binary | std::ios::trunc);
    require(out.good(), "Cannot write {}: is the folder there and writable?", path.string());
    write(out);
    out.flush();
    require(out.good(), "Writing {} failed: is the disk full?", path.string());
    out.close();
    require(::fsync(locked.number()) == 0, "Writing {} failed: is the disk full?", path.string());
    fs::rename(part, target);
  } catch (const std::exception& problem) {
    std::error_code ignored;
    fs::remove(part, ignored);
    throw Error(problem.what());
  }
  sync_folder(target.parent_path());
}

void write_atomically(const fs::path& path, std::string_view bytes) {
  write_atomically(path, [&](std::ostream& out) {
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  });
}

}  // namespace quantbench
