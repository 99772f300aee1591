// The rows that runs of one recipe or one contract share, and the uid that tells runs of different
// stores apart. Used by the store and by the migration that brought them.
#pragma once

#include <optional>
#include <string>

#include "results/contract.h"
#include "results/sqlite.h"

namespace quantbench {

// The id of the row of `table` with this digest, if there is one.
std::optional<int64_t> row_with(const Connection& connection, const std::string& table,
                                const std::string& digest);

// 32 random hexadecimal digits.
std::string new_uid();

int64_t configuration_id(const Connection& connection, const std::string& recipe,
                         const std::string& method);

// The digest by which a configuration is found.
std::string configuration_digest(const std::string& recipe);

// SHA-256 of canonical recipe, data, seed and version of the method: what repetitions share.
std::string run_identity(const RunRecord& run);

// Gives a run that has a result this contract.
void set_contract(const Connection& connection, int64_t run, const Contract& contract);

// Derives the contract of a run whose result, sites and epochs are in the store.
void add_contract(const Connection& connection, int64_t run);

// The columns of version 2 for the runs of version 1. Their uids follow from what they are, so that
// two copies of one store agree.
void fill_version2(Connection& database);

// The contracts of all runs, derived anew: version 2 took FP32 epochs for the method's.
void fill_version3(Connection& database);

}  // namespace quantbench
