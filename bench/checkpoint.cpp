#include "bench/checkpoint.h"

#include "base/error.h"
#include "base/json.h"
#include "base/safe_name.h"
#include "base/sha256.h"
#include "models/safetensors.h"

namespace quantbench {
namespace {

// 2: a position knows whether its phase has begun; the best and the kept states have their
// method's. 3: a checksum.
constexpr int kVersion = 3;
constexpr char kKept[] = "kept ", kChecksum[] = "sha256";

}  // namespace

std::string checkpoint_checksum(const SafeTensors& file) {
  Sha256 sum;
  const auto add = [&](const std::string& text) {
    sum.update(fmt::format("{} {}", text.size(), text));
  };
  for (const auto& [key, text] : file.metadata) {
    if (key == kChecksum) continue;
    add(key);
    add(text);
  }
  for (const auto& [name, tensor] : file.tensors) {
    add(name);
    add(fmt::format("{} {}", c10::toString(tensor.scalar_type()), fmt::join(tensor.sizes(), " ")));
    sum.update(tensor.data_ptr(), tensor.nbytes());
  }
  return sum.hex();
}

namespace {

void pack(SafeTensors& file, const std::string& group, const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors)
    file.tensors.emplace_back(group + "|" + name, tensor.detach().to(torch::kCPU).contiguous());
}

// The values of the method go into the header, tensors beside each other.
nlohmann::json pack(SafeTensors& file, const std::string& group, const SavedState& state) {
  pack(file, group + " network", state.network);
  pack(file, group + " method", state.method.tensors);
  return state.method.values;
}

}  // namespace

void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  SafeTensors file;
  const Position& at = checkpoint.position;
  nlohmann::json header{{"version", kVersion},
                        {"stage", at.stage},
                        {"phase", at.phase},
                        {"epoch", at.epoch},
                        {"step", at.step},
                        {"begun", at.begun},
                        {"counters", checkpoint.counters}};
  nlohmann::json& methods = header["methods"];
  methods["now"] = pack(file, "now", checkpoint.state);
  if (checkpoint.best) methods["best"] = pack(file, "best", *checkpoint.best);
  for (const auto& [name, state] : checkpoint.kept)
    methods[kKept + name] = pack(file, kKept + name, state);
  pack(file, "optimizer", checkpoint.optimizer);
  pack(file, "average", checkpoint.average);
  file.metadata["checkpoint"] = header.dump();
  file.metadata["recipe"] = checkpoint.recipe;
  file.metadata[kChecksum] = checkpoint_checksum(file);
  write_safetensors(path, file);
}

Checkpoint unpack_checkpoint(const SafeTensors& file, const std::string& path,
                             const std::string& recipe) {
  Checkpoint out;
  std::map<std::string, NamedTensors*> groups{{"optimizer", &out.optimizer},
                                              {"average", &out.average}};
  try {
    const auto header = parse_json(file.metadata.at("checkpoint"), path);
    const int64_t version = whole_number(header.at("version"));
    require(
        version == kVersion,
        "{} is of version {} of the checkpoint format, and this quantbench goes on from version "
        "{} only: run the recipe again.",
        path, version, kVersion);
    out.recipe = file.metadata.at("recipe");
    const int64_t phase = whole_number(header.at("phase"));
    require(phase <= INT32_MAX, "{} is in phase {}.", path, phase);
    out.position = {header.at("stage"), static_cast<int>(phase), whole_number(header.at("epoch")),
                    whole_number(header.at("step")), header.at("begun")};
    require(out.position.phase >= 0 && out.position.epoch >= 0 && out.position.step >= 0,
            "{} stands before the start of its training.", path);
    require(file.metadata.at(kChecksum) == checkpoint_checksum(file),
            "{} is damaged: its content is not that of its checksum.", path);
    out.counters = header.at("counters");
    for (const auto& [name, values] : header.at("methods").items()) {
      const bool kept = name.rfind(kKept, 0) == 0;
      require(kept || name == "now" || name == "best", "{} holds an unknown state {}.", path, name);
      SavedState& state = kept ? out.kept[safe_name(name.substr(sizeof(kKept) - 1), "a kept state")]
                          : name == "now" ? out.state
                                          : out.best.emplace();
      state.method.values = values;
      groups[name + " network"] = &state.network;
      groups[name + " method"] = &state.method.tensors;
    }
  } catch (const nlohmann::json::exception& problem) {
    fail("{} is not a checkpoint: {}.", path, problem.what());
  } catch (const std::out_of_range&) {
    fail("{} is not a checkpoint.", path);
  }
  require(out.recipe == recipe, "{} belongs to another recipe.", path);
  for (const auto& [name, tensor] : file.tensors) {
    const auto bar = name.find('|');
    const auto found = groups.find(name.substr(0, bar));
    require(bar != std::string::npos && found != groups.end(), "{} holds an unknown tensor {}.",
            path, name);
    (*found->second)[name.substr(bar + 1)] = tensor;
  }
  return out;
}

Checkpoint read_checkpoint(const std::filesystem::path& path, const std::string& recipe) {
  return unpack_checkpoint(read_safetensors(path), path.string(), recipe);
}

Checkpoint parse_checkpoint(std::string_view bytes, const std::string& path,
                            const std::string& recipe) {
  return unpack_checkpoint(parse_safetensors(bytes, path), path, recipe);
}

}  // namespace quantbench
