#include "bench/checkpoint.h"

#include "base/error.h"
#include "base/json.h"
#include "base/safe_name.h"
#include "base/sha256.h"

namespace quantbench {
namespace {

constexpr int kVersion = 1;

using Tensors = std::map<std::string, Tensor>;

void pack(SafeTensors& file, const std::string& group, const Tensors& tensors) {
  for (const auto& [name, tensor] : tensors)
    file.tensors.emplace_back(group + "|" + name, tensor.detach().to(torch::kCPU).contiguous());
}

}  // namespace

void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  SafeTensors file;
  pack(file, "network", checkpoint.network);
  pack(file, "optimizer", checkpoint.optimizer);
  pack(file, "average", checkpoint.average);
  pack(file, "best", checkpoint.best);
  pack(file, "method", checkpoint.method.tensors);
  for (const auto& [name, state] : checkpoint.kept) pack(file, "kept:" + name, state);
  const Position& at = checkpoint.position;
  const nlohmann::json header{{"version", kVersion},
                              {"stage", at.stage},
                              {"phase", at.phase},
                              {"epoch", at.epoch},
                              {"step", at.step},
                              {"counters", checkpoint.counters},
                              {"method", checkpoint.method.values}};
  file.metadata["checkpoint"] = header.dump();
  file.metadata["recipe"] = checkpoint.recipe;
  write_safetensors(path, file);
}

Checkpoint read_checkpoint(const std::filesystem::path& path, const std::string& recipe) {
  SafeTensors file = read_safetensors(path);
  Checkpoint out;
  try {
    const auto header = parse_json(file.metadata.at("checkpoint"), path.string());
    require(header.at("version") == kVersion, "{} was written by another version of quantbench.",
            path.string());
    out.recipe = file.metadata.at("recipe");
    out.position = {header.at("stage"), header.at("phase"), header.at("epoch"), header.at("step")};
    out.counters = header.at("counters");
    out.method.values = header.at("method");
  } catch (const nlohmann::json::exception& problem) {
    fail("{} is not a checkpoint: {}.", path.string(), problem.what());
  } catch (const std::out_of_range&) {
    fail("{} is not a checkpoint.", path.string());
  }
  require(out.recipe == recipe, "{} belongs to another recipe.", path.string());
  const std::map<std::string, Tensors*> groups{{"network", &out.network},
                                               {"optimizer", &out.optimizer},
                                               {"average", &out.average},
                                               {"best", &out.best},
                                               {"method", &out.method.tensors}};
  for (auto& [name, tensor] : file.tensors) {
    const auto bar = name.find('|');
    require(bar != std::string::npos, "{} holds an unknown tensor {}.", path.string(), name);
    const std::string group = name.substr(0, bar), key = name.substr(bar + 1);
    if (group.rfind("kept:", 0) == 0) {
      out.kept[safe_name(group.substr(5), "a kept state")][key] = tensor;
      continue;
    }
    auto found = groups.find(group);
    require(found != groups.end(), "{} holds an unknown tensor {}.", path.string(), name);
    (*found->second)[key] = tensor;
  }
  return out;
}

Tensors snapshot(const torch::nn::Module& module) {
  Tensors out;
  auto add = [&](const auto& items) {
    for (const auto& item : items)
      if (item.value().defined())
        out[item.key()] =
            item.value().detach().to(torch::kCPU, item.value().scalar_type(), false, true);
  };
  add(module.named_parameters());
  add(module.named_buffers());
  return out;
}

void restore(torch::nn::Module& module, const Tensors& state) {
  const torch::NoGradGuard no_grad;
  size_t used = 0;
  auto copy = [&](const auto& items) {
    for (const auto& item : items) {
      if (!item.value().defined()) continue;
      auto found = state.find(item.key());
      require(found != state.end() && found->second.sizes() == item.value().sizes(),
              "The saved state does not fit the network at {}.", item.key());
      Tensor target = item.value();
      target.copy_(found->second);
      ++used;
    }
  };
  copy(module.named_parameters());
  copy(module.named_buffers());
  require(used == state.size(), "The saved state has {} tensors that the network lacks.",
          state.size() - used);
}

std::string hash_of(const Tensors& state) {
  Sha256 digest;
  for (const auto& [name, tensor] : state) {
    const Tensor bytes = tensor.detach().to(torch::kCPU).contiguous();
    digest.update(fmt::format("{}:{}:{}\n", name, bytes.dim(), bytes.numel()));
    digest.update(bytes.data_ptr(), static_cast<size_t>(bytes.nbytes()));
  }
  return digest.hex();
}

}  // namespace quantbench
