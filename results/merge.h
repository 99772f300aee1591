// Brings the runs of another store (a shard: a night's, another machine's) into this one.
#pragma once

#include <cstdint>
#include <filesystem>

#include "results/store.h"

namespace quantbench {

struct Merged {
  int64_t added = 0;
  int64_t updated = 0;  // were here unfinished, and have gone on in the shard
  int64_t known = 0;    // were here already
};

// Throws Error unless `shard` is a store whose runs can be merged; an older one is brought to the
// newest schema.
void check_shard(const std::filesystem::path& shard);

// One transaction: either all of the shard's runs are here afterwards or none. A run is known by
// its uid, so merging a shard again changes nothing; it is numbered anew here, and counted as a
// further repetition where its identity is here already. An older shard is brought to the newest
// schema first. Throws Error, leaving this store as it was, when the shard is no store, is of a
// newer schema, or is this store itself.
Merged merge(Store& into, const std::filesystem::path& shard);

}  // namespace quantbench
