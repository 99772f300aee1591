#include "results/schema.h"

#include <gmock/gmock.h>
#include <linux/magic.h>

#include "tests/results/support.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;

const std::vector<Migration> kOneStep = {{"CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (7)"}};
const std::vector<Migration> kTwoSteps = {kOneStep[0], {"ALTER TABLE a ADD COLUMN y TEXT"}};

TEST_F(StoreTest, EmptyFileBecomesAStore) {
  Connection database(path(), Connection::Access::Write);

  upgrade(database);

  EXPECT_EQ(database.integer("PRAGMA application_id"), kApplicationId);
  EXPECT_EQ(database.integer("PRAGMA user_version"), Store::schema_version());
  EXPECT_EQ(database.integer("PRAGMA foreign_keys"), 1);
}

TEST_F(StoreTest, OlderSchemaIsMigratedWithItsRows) {
  Connection database(path(), Connection::Access::Write);
  upgrade(database, kOneStep);

  upgrade(database, kTwoSteps);

  EXPECT_EQ(database.integer("PRAGMA user_version"), 2);
  EXPECT_EQ(database.integer("SELECT x FROM a WHERE y IS NULL"), 7);
}

TEST_F(StoreTest, MigrationIsAppliedOnce) {
  Connection database(path(), Connection::Access::Write);
  upgrade(database, kOneStep);

  upgrade(database, kOneStep);

  EXPECT_EQ(database.integer("SELECT count(*) FROM a"), 1);
}

TEST_F(StoreTest, FailedMigrationLeavesTheOldSchema) {
  Connection database(path(), Connection::Access::Write);
  upgrade(database, kOneStep);

  EXPECT_THROW(
      upgrade(database, {kOneStep[0], {"CREATE TABLE b (x); INSERT INTO nowhere VALUES (1)"}}),
      Error);

  EXPECT_EQ(database.integer("PRAGMA user_version"), 1);
  EXPECT_EQ(database.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'b'"), 0);
}

TEST_F(StoreTest, NewerSchemaIsRefusedUntouched) {
  Store(path()).begin(some_run());
  Connection(path(), Connection::Access::Write).execute("PRAGMA user_version = 99");

  const std::string sentence = sentence_of([&] { Store store(path()); });

  EXPECT_THAT(sentence, HasSubstr("has schema version 99"));
  EXPECT_EQ(Connection(path(), Connection::Access::Read).integer("PRAGMA user_version"), 99);
}

TEST_F(StoreTest, LocalFileSystemUsesAWriteAheadLog) {
  EXPECT_TRUE(is_local_file_system(EXT4_SUPER_MAGIC));
  EXPECT_TRUE(is_local_file_system(BTRFS_SUPER_MAGIC));
  EXPECT_TRUE(is_local_file_system(TMPFS_MAGIC));
  EXPECT_TRUE(is_local_file_system(OVERLAYFS_SUPER_MAGIC));
}

TEST_F(StoreTest, NetworkFileSystemDoesNot) {
  EXPECT_FALSE(is_local_file_system(NFS_SUPER_MAGIC));
  EXPECT_FALSE(is_local_file_system(SMB_SUPER_MAGIC));
  EXPECT_FALSE(is_local_file_system(V9FS_MAGIC));
  EXPECT_FALSE(is_local_file_system(FUSE_SUPER_MAGIC));
}

}  // namespace
}  // namespace quantbench
