// Every way in which a store cannot be had ends in one sentence, and nothing is lost.
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include "base/file.h"
#include "results/sqlite.h"
#include "tests/results/support.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Permissions do not bind root: in a child, become somebody else, then act.
template <typename Act>
bool as_nobody(Act act) {
  const int status = wait_for(start_child([&] {
    if (::geteuid() == 0 && ::setuid(65534) != 0) return false;
    return act();
  }));
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return true;
  fmt::print(stderr, "'{}' lacks '{}'\n", text, part);
  return false;
}

TEST_F(StoreTest, FileThatIsNotSqliteIsRefusedUntouched) {
  const std::string content = "a shopping list\n" + std::string(2000, '.');
  std::ofstream(path()) << content;

  const std::string sentence = sentence_of([&] { Store store(path()); });

  EXPECT_THAT(sentence, AllOf(HasSubstr(path().string()), HasSubstr("not a SQLite database")));
  EXPECT_EQ(read_file(path()), content);
}

TEST_F(StoreTest, ShortFileThatIsNotSqliteIsRefused) {
  std::ofstream(path()) << "hello";

  EXPECT_THAT(sentence_of([&] { Store store(path()); }), HasSubstr("not a SQLite database"));
}

TEST_F(StoreTest, DatabaseOfAnotherProgramIsRefusedUntouched) {
  Connection(path(), Connection::Access::Write).execute("CREATE TABLE songs (title TEXT)");
  const std::string before = read_file(path());

  const std::string sentence = sentence_of([&] { Store store(path()); });

  EXPECT_THAT(sentence, HasSubstr("of another program"));
  EXPECT_EQ(read_file(path()), before);
}

TEST_F(StoreTest, ForeignApplicationIdIsRefused) {
  Connection(path(), Connection::Access::Write).execute("PRAGMA application_id = 4711");

  EXPECT_THAT(sentence_of([&] { Store store(path()); }), HasSubstr("of another program"));
}

TEST_F(StoreTest, FolderInPlaceOfTheFileIsRefused) {
  EXPECT_THAT(sentence_of([&] { Store store(path("").parent_path()); }), HasSubstr("is a folder"));
}

TEST_F(StoreTest, MissingFolderIsNamed) {
  EXPECT_THAT(sentence_of([&] { Store store(path("nowhere") / "runs.db"); }),
              HasSubstr("There is no folder"));
}

TEST_F(StoreTest, MissingDatabaseIsNotMadeByReading) {
  const std::string sentence = sentence_of([&] { Store store(path(), Store::Access::Read); });

  EXPECT_THAT(sentence, HasSubstr("There is no database"));
  EXPECT_FALSE(fs::exists(path()));
}

TEST_F(StoreTest, UnwritableFolderIsRefusedForWriting) {
  fs::permissions(path("").parent_path(), fs::perms(0555));

  EXPECT_TRUE(as_nobody(
      [&] { return contains(sentence_of([&] { Store store(path()); }), "is not writable"); }));
}

TEST_F(StoreTest, ReadOnlyFileIsRefusedForWriting) {
  { Store store(path()); }
  fs::permissions(path(), fs::perms(0444));
  fs::permissions(path("").parent_path(), fs::perms(0777));

  EXPECT_TRUE(as_nobody(
      [&] { return contains(sentence_of([&] { Store store(path()); }), "is read-only"); }));
}

TEST_F(StoreTest, ReadOnlyFileInAReadOnlyFolderCanBeRead) {
  const int64_t id = Store(path()).begin(some_run()).id;
  fs::permissions(path(), fs::perms(0444));
  fs::permissions(path("").parent_path(), fs::perms(0555));

  EXPECT_TRUE(as_nobody([&] {
    Store store(path(), Store::Access::Read);
    return store.run(id).method == "uniform" &&
           contains(sentence_of([&] { store.begin(some_run()); }), "is read-only");
  }));
}

TEST_F(StoreTest, ReadOnlyFileIsReadWhileAnotherProcessWrites) {
  Store writer(path());
  const int64_t id = writer.begin(some_run()).id;
  fs::permissions(path(), fs::perms(0644));
  fs::permissions(path("").parent_path(), fs::perms(0755));

  EXPECT_TRUE(
      as_nobody([&] { return Store(path(), Store::Access::Read).run(id).method == "uniform"; }));
}

TEST_F(StoreTest, NamesThatSqliteTreatsSpeciallyAreFiles) {
  fs::current_path(path("").parent_path());

  { Store store(":memory:"); }

  EXPECT_TRUE(fs::exists(path(":memory:")));
  EXPECT_THAT(sentence_of([&] { Store store(""); }), HasSubstr("no name"));
  fs::current_path("/");
}

TEST_F(StoreTest, FullDiskIsSaidSo) {
  Connection database(path(), Connection::Access::Write);
  database.execute("CREATE TABLE t (x); PRAGMA max_page_count = 3");

  const std::string sentence =
      sentence_of([&] { database.insert("t", "x", std::string(100000, 'x')); });

  EXPECT_THAT(sentence, HasSubstr("is full; free some space"));
}

TEST_F(StoreTest, WriteThatTheDiskRefusesLosesNothing) {
  const int64_t id = Store(path()).begin(some_run()).id;
  const auto size = static_cast<rlim_t>(fs::file_size(path()));

  const int status = wait_for(start_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{size, size};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Store store(path());
    const std::map<std::string, std::string> artefacts{{"big", std::string(3000000, 'x')}};
    return contains(
        sentence_of([&] { store.finish(id, RunStatus::Ok, "", {}, {}, {}, {}, artefacts); }),
        "the database");
  }));

  EXPECT_EQ(status, 0);
  EXPECT_EQ(Store(path()).run(id).status, RunStatus::Running);
  EXPECT_TRUE(Store(path()).artefacts(id).empty());
}

TEST_F(StoreTest, LockThatIsNeverReleasedIsReported) {
  Connection holder(path(), Connection::Access::Write);
  Connection other(path(), Connection::Access::Write, std::chrono::milliseconds(20));
  Transaction transaction(holder);

  const std::string sentence = sentence_of([&] { Transaction blocked(other); });

  EXPECT_THAT(sentence, HasSubstr("has been locked by another process for 0.02 seconds"));
}

class CorruptPredictions : public StoreTest {
 protected:
  CorruptPredictions() : id_(store_.begin(some_run()).id) {
    store_.finish(id_, RunStatus::Ok, "", {}, {}, {}, {{"simulated", {0, 1}, {1, 1}, {1, 0}}}, {});
  }

  std::string sentence_after(const std::string& change) {
    Connection(path(), Connection::Access::Write).execute("UPDATE predictions SET " + change);
    return sentence_of([&] { store_.predictions(id_); });
  }

  Store store_{path()};
  int64_t id_;
};

TEST_F(CorruptPredictions, GarbledStreamIsRefused) {
  EXPECT_THAT(sentence_after("data = x'0102030405'"),
              AllOf(HasSubstr("'simulated' predictions of run 1"), HasSubstr("are damaged")));
}

TEST_F(CorruptPredictions, EmptyStreamIsRefused) {
  EXPECT_THAT(sentence_after("data = x''"), HasSubstr("are damaged"));
}

TEST_F(CorruptPredictions, CountThatDoesNotFitTheStreamIsRefused) {
  EXPECT_THAT(sentence_after("count = 3"), HasSubstr("are damaged"));
  EXPECT_THAT(sentence_after("count = 1"), HasSubstr("are damaged"));
}

TEST_F(CorruptPredictions, AbsurdCountsAreRefusedBeforeAnythingIsAllocated) {
  EXPECT_THAT(sentence_after("count = -1"), HasSubstr("-1 of them cannot be"));
  EXPECT_THAT(sentence_after("count = 9223372036854775807"), HasSubstr("of them cannot be"));
  EXPECT_THAT(sentence_after("count = 100000000"), HasSubstr("are damaged"));
}

TEST_F(StoreTest, DamagedPagesAreReported) {
  const int64_t id = Store(path()).begin(some_run()).id;
  {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(fs::file_size(path()) - 4096, '\x5a');
  }

  const std::string sentence = sentence_of([&] { Store(path()).run(id); });

  EXPECT_THAT(sentence, AllOf(HasSubstr(path().string()), HasSubstr("is damaged")));
}

}  // namespace
}  // namespace quantbench
