// The schema of the store and the ordered steps that lead to it. Described in results/SCHEMA.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "results/sqlite.h"

namespace quantbench {

// PRAGMA application_id of every store: "QBnc".
constexpr int64_t kApplicationId = 0x51426E63;

// A step from one version to the next: statements, then what takes more than SQL.
struct Migration {
  std::string sql;
  void (*fill)(Connection&) = nullptr;
};

// The i-th migration leads from version i to version i + 1; version 0 is an empty file. A migration
// that has been released is never changed: a new one is appended.
const std::vector<Migration>& migrations();

// Throws Error when the database is another program's or of a newer version, or when its schema
// holds what would act by itself: views, triggers, virtual tables, computed columns. Returns its
// version, 0 for an empty file.
int64_t check_schema(const Connection& database, int64_t newest);

// Puts the database into the right journal mode, and its schema to version steps.size() in one
// transaction; nothing is written when all that is so already. Throws Error, leaving the file as it
// was, as check_schema() does, and when it is older and read-only.
void upgrade(Connection& database, const std::vector<Migration>& steps = migrations());

}  // namespace quantbench
