#include "bench/provenance.h"

#include <dlfcn.h>
#include <fmt/core.h>
#include <openssl/crypto.h>
#include <sched.h>
#include <sys/utsname.h>
#include <zlib.h>

#include <boost/version.hpp>
#include <fstream>
#include <sstream>

#include "base/torch.h"
#include "bench/build_info.h"

namespace quantbench {
namespace {

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::string blas_name() {
  // OpenBLAS tells its version and kernel; the reference library has no such function.
  if (auto* config = reinterpret_cast<char* (*)()>(dlsym(RTLD_DEFAULT, "openblas_get_config")))
    return config();
  return dlsym(RTLD_DEFAULT, "mkl_get_version") ? "MKL" : "unknown (not OpenBLAS)";
}

std::string os_name() {
  std::ifstream in("/etc/os-release");
  for (std::string line; std::getline(in, line);)
    if (line.rfind("PRETTY_NAME=", 0) == 0) {
      std::string name = line.substr(12);
      if (name.size() >= 2 && name.front() == '"') name = name.substr(1, name.size() - 2);
      utsname kernel{};
      uname(&kernel);
      return name + ", Linux " + kernel.release;
    }
  return "unknown";
}

}  // namespace

int usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  std::ifstream quota("/sys/fs/cgroup/cpu.max");
  double limit = 0, period = 0;
  if (quota >> limit >> period && period > 0)
    cpus = std::min(cpus, std::max(1, static_cast<int>(limit / period + 0.5)));
  return std::max(cpus, 1);
}

std::string isa_name() {
  if (__builtin_cpu_supports("avx512f")) return "AVX-512";
  if (__builtin_cpu_supports("avx2")) return "AVX2";
  return "SSE2";
}

Provenance collect_provenance(const std::string& device) {
  Provenance p;
  p.source_revision = kSourceRevision;
  p.source_dirty = kSourceDirty;
  p.compiler = kCompiler;
  p.compiler_flags = kCompilerFlags;
  p.build_type = kBuildType;
  p.libraries = {{"LibTorch", TORCH_VERSION},
                 {"SQLite", Store::sqlite_version()},
                 {"fmt", std::to_string(FMT_VERSION)},
                 {"Boost", BOOST_LIB_VERSION},
                 {"zlib", zlibVersion()},
                 {"OpenSSL", OpenSSL_version(OPENSSL_VERSION)}};
  p.cpu = cpu_name();
  p.isa = isa_name();
  p.blas = blas_name();
  p.os = os_name();
  p.threads = torch::get_num_threads();
  p.device = device;
  p.gpu = torch::cuda::is_available() ? "CUDA device" : "";
  return p;
}

}  // namespace quantbench
