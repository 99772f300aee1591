#include "bench/baseline_cache.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/sha256.h"
#include "bench/provenance.h"
#include "models/safetensors.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kFormat = "1";
constexpr const char* kKeys[] = {"batch",     "batch.parts", "batch.processes", "augment",
                                 "precision", "seed",        "evaluation.batch"};

// The program and the library that holds quantbench, to the byte: another build may round
// otherwise.
std::string build_digest() {
  static const std::string digest = [] {
    Sha256 out;
    out.update(sha256_file("/proc/self/exe"));
    Dl_info info{};
    if (::dladdr(reinterpret_cast<const void*>(&graph_to_json), &info) != 0 && info.dli_fname)
      out.update(sha256_file(info.dli_fname));
    return out.hex();
  }();
  return digest;
}

double real(const Json& value) { return value.is_null() ? NAN : value.get<double>(); }

}  // namespace

Json epoch_json(const EpochRow& row) {
  return {row.stage,           row.epoch,           row.train_loss,    row.train_top1,
          row.validation_loss, row.validation_top1, row.learning_rate, row.seconds};
}

EpochRow epoch_of(const Json& json) {
  EpochRow row;
  row.stage = json.at(0).get<std::string>();
  row.epoch = json.at(1).get<int64_t>();
  row.train_loss = real(json.at(2));
  row.train_top1 = real(json.at(3));
  row.validation_loss = real(json.at(4));
  row.validation_top1 = real(json.at(5));
  row.learning_rate = real(json.at(6));
  row.seconds = real(json.at(7));
  return row;
}

std::string baseline_key(const Recipe& recipe, const Dataset& dataset, const Graph& graph,
                         const std::string& pretrained, const std::string& device) {
  std::string out = fmt::format("baseline {}\n", kFormat);
  out += "graph " + graph_to_json(graph).dump() + "\n";
  out += fmt::format("data {} {}\n", dataset.fingerprint(), dataset.preprocessing());
  for (const auto& [key, value] : recipe.values.canonical()) {
    const bool of_stage = key.rfind("fp32.", 0) == 0 && key != "fp32.weights";
    if (of_stage || std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys))
      out += key + " = " + value + "\n";
  }
  const Provenance p = collect_provenance(device);
  out += fmt::format(
      "weights {}\nbuild {}\nLibTorch {}\nBLAS {}\nmachine {}, {}, {}, {} threads, {}\n",
      pretrained, build_digest(), p.libraries.at("LibTorch"), p.blas, p.cpu, p.gpu, p.isa,
      p.threads, p.device);
  return out;
}

BaselineCache::BaselineCache(fs::path folder, std::string key,
                             const std::function<void(const std::string& line)>& wait)
    : key_(std::move(key)) {
  const std::string name = sha256(key_);
  std::error_code code;
  fs::create_directories(folder, code);
  path_ = folder / (name + ".safetensors");
  lock_ = ::open((folder / (name + ".lock")).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  require(lock_ >= 0, "Cannot write in the folder {} of FP32 baselines.", folder.string());
  bool told = false;
  while (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    if (interrupt_requested()) {
      ::close(lock_);
      throw Interrupted("Stopped on request, while another process trained its FP32 network.");
    }
    if (!told) wait("Another process trains this FP32 network; waiting for it.");
    told = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

BaselineCache::~BaselineCache() { ::close(lock_); }

std::optional<Baseline> BaselineCache::find() const {
  std::error_code code;
  if (!fs::exists(path_, code)) return std::nullopt;
  try {
    const SafeTensors file = read_safetensors(path_);
    if (file.metadata.at("baseline") != key_) return std::nullopt;
    Baseline out;
    for (const auto& [name, tensor] : file.tensors) out.network[name] = tensor;
    if (hash_of(out.network) != file.metadata.at("weights")) return std::nullopt;
    out.run = file.metadata.at("run");
    out.facts = parse_json(file.metadata.at("facts"), path_.string());
    for (const Json& row : parse_json(file.metadata.at("epochs"), path_.string()))
      out.epochs.push_back(epoch_of(row));
    return out;
  } catch (const std::exception&) {
    return std::nullopt;  // damaged: it is trained again, and replaced
  }
}

void BaselineCache::publish(const Baseline& baseline) const {
  SafeTensors file;
  for (const auto& [name, tensor] : baseline.network)
    file.tensors.emplace_back(name, tensor.detach().to(torch::kCPU).contiguous());
  Json epochs = Json::array();
  for (const EpochRow& row : baseline.epochs) epochs.push_back(epoch_json(row));
  file.metadata = {{"baseline", key_},
                   {"weights", hash_of(baseline.network)},
                   {"run", baseline.run},
                   {"facts", baseline.facts.dump()},
                   {"epochs", epochs.dump()}};
  write_safetensors(path_, file);
}

}  // namespace quantbench
