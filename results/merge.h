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

// What a shard may have at most.
struct MergeLimits {
  int64_t bytes = int64_t{8} << 30;  // of its file
  int64_t rows = 20'000'000;         // of all its tables together
};

// Throws Error unless `shard` is a whole store whose runs can be merged.
void check_shard(const std::filesystem::path& shard, const MergeLimits& limits = {});

// One transaction: either all of the shard's runs are here afterwards or none. A run is known by
// its uid, so merging a shard again changes nothing; it is numbered anew here, and counted as a
// further repetition where its identity is here already. A run that is here already is replaced
// only by its result, or by a longer history of the same run that has stopped: a copy from before
// never takes anything back.
//
// The shard is not believed and not changed: it is opened for reading (one of an older schema is
// read through a migrated copy), the digests of recipes, provenances, configurations and contracts
// are computed here, and a uid or a name that could be taken for a path is refused. Throws Error,
// leaving this store as it was, when the shard is no store, damaged, of a newer schema, beyond the
// limits, or this store itself.
Merged merge(Store& into, const std::filesystem::path& shard, const MergeLimits& limits = {});

}  // namespace quantbench
