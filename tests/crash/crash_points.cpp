// Preloaded into the program: counts the calls that change files and ends the process, as SIGKILL
// does, at the one whose number $QUANTBENCH_CRASH_AT says. Without that number the count goes to
// the file $QUANTBENCH_CRASH_COUNT at the end.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

int calls = 0;

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

void count() {
  static const char* at = getenv("QUANTBENCH_CRASH_AT");
  const int number = __sync_add_and_fetch(&calls, 1);
  if (at != nullptr && number == atoi(at)) kill(getpid(), SIGKILL);
}

void count_write(int descriptor) {
  if (descriptor > STDERR_FILENO) count();
}

__attribute__((destructor)) void report() {
  const char* path = getenv("QUANTBENCH_CRASH_COUNT");
  FILE* out = path == nullptr ? nullptr : fopen(path, "w");
  if (out == nullptr) return;
  const int total = calls;
  fprintf(out, "%d\n", total);
  fclose(out);
}

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* bytes, size_t size) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  count_write(descriptor);
  return real(descriptor, bytes, size);
}

ssize_t writev(int descriptor, const iovec* pieces, int number) {
  static const auto real = next<ssize_t (*)(int, const iovec*, int)>("writev");
  count_write(descriptor);
  return real(descriptor, pieces, number);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  count_write(descriptor);
  return real(descriptor, bytes, size, at);
}

ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  count_write(descriptor);
  return real(descriptor, bytes, size, at);
}

int fsync(int descriptor) {
  static const auto real = next<int (*)(int)>("fsync");
  count_write(descriptor);
  return real(descriptor);
}

int fdatasync(int descriptor) {
  static const auto real = next<int (*)(int)>("fdatasync");
  count_write(descriptor);
  return real(descriptor);
}

int ftruncate64(int descriptor, off64_t size) {
  static const auto real = next<int (*)(int, off64_t)>("ftruncate64");
  count_write(descriptor);
  return real(descriptor, size);
}

int rename(const char* from, const char* to) {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  count();
  return real(from, to);
}

int unlink(const char* path) {
  static const auto real = next<int (*)(const char*)>("unlink");
  count();
  return real(path);
}

}  // extern "C"
