// A checkpoint: everything a run needs to go on as if it had never stopped, in one file that is
// either whole or not there. Random numbers are functions of (seed, purpose, position), so the
// position is all the generator and loader state there is.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "bench/saved_state.h"
#include "models/safetensors.h"

namespace quantbench {

// Where training stands: the next step to take.
struct Position {
  std::string stage;  // "fp32" or "train"
  int phase = 0;
  int64_t epoch = 0, step = 0;
  bool begun = false;  // the method's begin_phase() of this phase is behind us
};

struct Checkpoint {
  std::string recipe;  // canonical; a checkpoint of another recipe is refused
  Position position;
  nlohmann::json counters = nlohmann::json::object();  // sums of the running epoch, best epoch ...
  SavedState state;
  NamedTensors optimizer;          // of this phase, or, before it has begun, of the one before
  NamedTensors average;            // EMA of the weights, if on
  std::optional<SavedState> best;  // the best epoch so far, if selected by validation
  std::map<std::string, SavedState> kept;  // Pareto states by name
};

void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);
// Throws Error when the file is damaged, of another format, or was written for another recipe.
Checkpoint read_checkpoint(const std::filesystem::path& path, const std::string& recipe);
// The same of a file's content; `path` is for sentences.
Checkpoint parse_checkpoint(std::string_view bytes, const std::string& path,
                            const std::string& recipe);
Checkpoint unpack_checkpoint(const SafeTensors& file, const std::string& path,
                             const std::string& recipe);
// Over all of a checkpoint but the checksum itself: texts and names with their lengths, shapes,
// types, bytes.
std::string checkpoint_checksum(const SafeTensors& file);

}  // namespace quantbench
