#include "models/weight_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>

#include "base/file.h"
#include "models/pytorch_file.h"
#include "models/safetensors.h"

namespace quantbench {
namespace {

using Weights = std::map<std::string, Tensor>;

std::string head_of(const std::filesystem::path& path) {
  std::error_code code;
  require(std::filesystem::is_regular_file(path, code), "There is no weight file {}.",
          path.string());
  std::ifstream in(path, std::ios::binary);
  require(in.good(), "Cannot open {}.", path.string());
  std::string head(16, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(in.gcount()));
  return head;
}

Weights read_any(const std::filesystem::path& path) {
  const std::string head = head_of(path);
  if (is_pytorch_zip(head)) return read_pytorch_zip(path);
  if (is_pytorch_legacy(head)) return parse_pytorch_legacy(read_file(path), path.string());
  require(head.size() > 8 && head[8] == '{',
          "{} is no weight file: neither safetensors nor written by torch.save (or it is damaged).",
          path.string());
  Weights weights;
  for (auto& [name, tensor] : read_safetensors(path).tensors) weights[name] = tensor;
  return weights;
}

Weights without_prefix(const Weights& weights, const std::string& prefix) {
  Weights out;
  for (const auto& [name, tensor] : weights) {
    if (name.compare(0, prefix.size(), prefix) != 0) return weights;
    out[name.substr(prefix.size())] = tensor;
  }
  return out;
}

// A counter of training steps that plays no part in what a network computes.
bool is_counter(const std::string& name) {
  constexpr std::string_view suffix = "num_batches_tracked";
  return name.size() >= suffix.size() &&
         name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
}

}  // namespace

Weights read_weight_file(const std::filesystem::path& path) {
  return without_prefix(read_any(path), "module.");
}

void load_weights(Network& network, const Weights& weights, const std::string& what) {
  const auto state = network.state();
  std::map<std::string, Tensor> wanted(state.begin(), state.end());
  std::vector<std::string> missing, unexpected, misfits;
  for (const auto& [name, tensor] : state) {
    const auto found = weights.find(name);
    if (found == weights.end()) {
      if (!is_counter(name)) missing.push_back(name);
    } else if (found->second.sizes() != tensor.sizes()) {
      misfits.push_back(fmt::format("{} is [{}] instead of [{}]", name,
                                    fmt::join(found->second.sizes(), ", "),
                                    fmt::join(tensor.sizes(), ", ")));
    } else if (found->second.is_floating_point() != tensor.is_floating_point()) {
      misfits.push_back(fmt::format("{} has the wrong number type", name));
    }
  }
  for (const auto& [name, tensor] : weights)
    if (wanted.count(name) == 0 && !is_counter(name)) unexpected.push_back(name);

  std::vector<std::string> complaints;
  const auto complain = [&](const char* kind, const std::vector<std::string>& names) {
    if (!names.empty()) complaints.push_back(fmt::format("{}: {}", kind, fmt::join(names, ", ")));
  };
  complain("missing", missing);
  complain("unexpected", unexpected);
  complain("mis-shaped", misfits);
  require(complaints.empty(), "The weights of {} do not fit the network {} ({}).", what,
          network.graph().name, fmt::join(complaints, "; "));

  torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : state)
    if (const auto found = weights.find(name); found != weights.end())
      Tensor(tensor).copy_(found->second);
}

}  // namespace quantbench
