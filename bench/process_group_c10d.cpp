// Processes that meet by a TCPStore and talk by Gloo, or by NCCL where they train on CUDA and
// LibTorch has it.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/error.h"
#include "bench/c10d.h"
#include "bench/output.h"
#include "bench/process_group.h"
#include "bench/watchdog.h"

namespace quantbench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Beyond c10d's own timeout, which not every one of its calls heeds.
constexpr seconds kGrace(5);

// The network interface that Gloo uses: the one that $GLOO_SOCKET_IFNAME names, as elsewhere with
// c10d; loopback where all processes are on this machine; else the one of this host's name.
std::shared_ptr<::gloo::transport::Device> gloo_device(const std::string& address) {
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME"))
    return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
  if (address == "localhost" || address == "::1" || address.rfind("127.", 0) == 0)
    return c10d::ProcessGroupGloo::createDeviceForHostname(address);
  return c10d::ProcessGroupGloo::createDefaultDevice();
}

// c10d would tell it in three lines of its own.
void require_free(uint16_t port) {
  const int probe = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return;
  const int on = 1;
  ::setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  const bool used = ::bind(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) &&
                    errno == EADDRINUSE;
  ::close(probe);
  require(!used, "the port is in use; give another MASTER_PORT.");
}

class C10dGroup : public ProcessGroup {
 public:
  C10dGroup(const Launch& launch, const std::string& device, seconds timeout)
      : rank_(launch.rank), size_(launch.size) {
    const Watchdog watchdog(timeout + kGrace,
                            fmt::format("Process {} of {} does not meet the others at {}, port {}.",
                                        rank_, size_, launch.address, launch.port));
    c10d::TCPStoreOptions options;
    options.port = launch.port;
    options.isServer = rank_ == 0 && !launch.is_served;
    options.numWorkers = static_cast<size_t>(size_);
    options.timeout = milliseconds(timeout);
    if (options.isServer) require_free(launch.port);
    // A launcher's store has counted its own workers already.
    options.waitWorkers = !launch.is_served;
    store_ = c10::make_intrusive<c10d::PrefixStore>(
        "quantbench/" + launch.attempt,
        c10::make_intrusive<c10d::TCPStore>(launch.address, options));
#ifdef USE_C10D_NCCL
    if (torch::Device(device).is_cuda()) {
      let_nccl_time_out();
      device_ = torch::Device(device);
      auto nccl = c10d::ProcessGroupNCCL::Options::create();
      nccl->timeout = milliseconds(timeout);
      group_ = c10::make_intrusive<c10d::ProcessGroupNCCL>(store_, rank_, size_, nccl);
      return;
    }
#else
    static_cast<void>(device);
#endif
    auto gloo = c10d::ProcessGroupGloo::Options::create(milliseconds(timeout));
    gloo->devices.push_back(gloo_device(launch.address));
    gloo->threads = 2;
    group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, rank_, size_, gloo);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void broadcast(Tensor& tensor) override {
    std::vector<Tensor> all{tensor.to(device_)};
    group().broadcast(all)->wait();
    if (!device_.is_cpu()) tensor.copy_(all[0]);
  }

  Tensor exchange(const Tensor& rows) override {
    Tensor in = rows.to(device_), out = torch::empty_like(in);
    std::vector<int64_t> equal;
    group().alltoall_base(out, in, equal, equal)->wait();
    return out.to(torch::kCPU);
  }

  std::vector<Tensor> gather(const Tensor& x) override {
    std::vector<Tensor> in{x.to(device_)};
    std::vector<std::vector<Tensor>> out(1);
    for (int i = 0; i < size_; ++i) out[0].push_back(torch::empty_like(in[0]));
    group().allgather(out, in)->wait();
    for (Tensor& one : out[0]) one = one.to(torch::kCPU);
    return out[0];
  }

  void put(const std::string& key, const std::string& text) override {
    store_->set(key, std::vector<uint8_t>(text.begin(), text.end()));
  }

  std::optional<std::string> look(const std::string& key) override {
    if (!store_->check({key})) return std::nullopt;
    const std::vector<uint8_t> text = store_->get(key);
    return std::string(text.begin(), text.end());
  }

  void close() override { group_.reset(); }

 private:
  C10dBackend& group() {
    require(group_.defined(), "The connection to the other processes is closed.");
    return *group_;
  }

  int rank_, size_;
  torch::Device device_ = torch::kCPU;  // whose tensors the group takes
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<C10dBackend> group_;
};

}  // namespace

std::unique_ptr<ProcessGroup> join_processes(const Launch& launch, const std::string& device,
                                             seconds timeout) {
  try {
    return std::make_unique<C10dGroup>(launch, device, timeout);
  } catch (const std::exception& problem) {
    fail("Process {} of {} cannot meet the others at {}, port {}: {}", launch.rank, launch.size,
         launch.address, launch.port, sentence_of(problem));
  }
}

}  // namespace quantbench
