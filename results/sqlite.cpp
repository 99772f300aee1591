#include "results/sqlite.h"

#include <sqlite3.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <thread>

namespace quantbench {
namespace fs = std::filesystem;
namespace {

std::string immutable_uri(const std::string& path) {
  std::string uri = "file:";
  for (char c : path) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '/' || c == '.';
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri + "?immutable=1";
}

}  // namespace

bool is_local_file_system(uint32_t magic) {
  constexpr std::array<uint32_t, 6> local = {
      0xEF53,      // ext2, ext3, ext4
      0x58465342,  // XFS
      0x9123683E,  // Btrfs
      0x01021994,  // tmpfs
      0x794C7630,  // overlayfs
      0x2FC12FC1,  // ZFS
  };
  return std::find(local.begin(), local.end(), magic) != local.end();
}

Statement::Statement(const Connection& connection, std::string_view sql, const char** rest)
    : connection_(&connection), statement_(nullptr, sqlite3_finalize) {
  sqlite3_stmt* made = nullptr;
  const int code = sqlite3_prepare_v2(connection.handle_.get(), sql.data(),
                                      static_cast<int>(sql.size()), &made, rest);
  statement_.reset(made);
  if (code != SQLITE_OK) connection.refuse(code);
}

bool Statement::step() {
  const auto deadline = std::chrono::steady_clock::now() + connection_->patience_;
  for (;;) {
    const int code = sqlite3_step(statement_.get());
    column_ = 0;
    has_row_ = has_row_ || code == SQLITE_ROW;
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    // SQLite does not wait by itself where it fears a deadlock (a change of the journal mode, the
    // recovery of a log); without a transaction there is none, and trying again is safe.
    const bool locked = (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_PROTOCOL;
    const bool idle = sqlite3_get_autocommit(connection_->handle_.get()) != 0;
    if (!locked || !idle || has_row_ || std::chrono::steady_clock::now() >= deadline) {
      connection_->refuse(code);
    }
    sqlite3_reset(statement_.get());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void Statement::run() {
  while (step()) continue;
}

Statement& Statement::again() {
  sqlite3_reset(statement_.get());
  parameter_ = column_ = 0;
  has_row_ = false;
  return *this;
}

int Statement::next_column() {
  if (column_ >= sqlite3_data_count(statement_.get()))
    fail("A query gives no column {}: {}", column_, sqlite3_sql(statement_.get()));
  return column_++;
}

int64_t Statement::integer() { return sqlite3_column_int64(statement_.get(), next_column()); }

double Statement::real() { return maybe_real().value_or(std::numeric_limits<double>::quiet_NaN()); }

std::string Statement::text() { return std::string(text_view()); }

std::string_view Statement::text_view() {
  const int column = next_column();
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column));
  return bytes == nullptr ? std::string_view()
                          : std::string_view(static_cast<const char*>(bytes), size);
}

std::optional<int64_t> Statement::maybe_integer() {
  const int column = next_column();
  if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL) return std::nullopt;
  return sqlite3_column_int64(statement_.get(), column);
}

std::optional<double> Statement::maybe_real() {
  const int column = next_column();
  if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL) return std::nullopt;
  return sqlite3_column_double(statement_.get(), column);
}

void Statement::bind_next(int64_t value) {
  const int code = sqlite3_bind_int64(statement_.get(), ++parameter_, value);
  if (code != SQLITE_OK) connection_->refuse(code);
}

void Statement::bind_next(double value) {
  if (std::isnan(value)) return bind_null();
  const int code = sqlite3_bind_double(statement_.get(), ++parameter_, value);
  if (code != SQLITE_OK) connection_->refuse(code);
}

void Statement::bind_next(std::string_view text) {
  const int code = sqlite3_bind_text64(statement_.get(), ++parameter_, text.data(), text.size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) connection_->refuse(code);
}

void Statement::bind_next(Blob blob) {
  const int code = sqlite3_bind_blob64(statement_.get(), ++parameter_, blob.bytes.data(),
                                       blob.bytes.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) connection_->refuse(code);
}

void Statement::bind_null() {
  const int code = sqlite3_bind_null(statement_.get(), ++parameter_);
  if (code != SQLITE_OK) connection_->refuse(code);
}

Connection::Connection(const fs::path& path, Access access, std::chrono::milliseconds patience)
    : patience_(patience), handle_(nullptr, sqlite3_close_v2) {
  require(!path.empty(), "The database has no name; give one.");
  // An absolute path is never taken for one of SQLite's special names (":memory:", "file:...").
  path_ = fs::absolute(path).string();
  std::error_code ignored;
  require(!fs::is_directory(path_, ignored), "{} is a folder, not a database.", path_);
  if (access == Access::Read) {
    require(fs::exists(path_, ignored), "There is no database {}; a run makes one.", path_);
    open(path_, SQLITE_OPEN_READWRITE);
    // A write-ahead log wants its helper files even from a reader. Where they can be neither found
    // nor made, nobody is writing and the file may be read as it is.
    const int code = sqlite3_exec(handle_.get(), "SELECT count(*) FROM sqlite_schema", nullptr,
                                  nullptr, nullptr);
    const bool no_helpers = (code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_READONLY;
    if (no_helpers && read_only() && !fs::exists(path_ + "-wal", ignored)) {
      open(immutable_uri(path_), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    }
  } else {
    const std::string folder = fs::path(path_).parent_path().string();
    require(fs::is_directory(folder, ignored),
            "There is no folder {} to hold the database; make it or name another.", folder);
    require(::access(folder.c_str(), W_OK) == 0,
            "The folder {} of the database is not writable; name another place.", folder);
    open(path_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    require(!read_only(), "The database {} is read-only; allow writing or name another.", path_);
  }
  execute("PRAGMA foreign_keys = ON");
  integer("SELECT count(*) FROM sqlite_schema");
  if (access == Access::Read) execute("PRAGMA query_only = ON");
}

void Connection::open(const std::string& name, int flags) {
  sqlite3* made = nullptr;
  // One thread uses a connection; locks around every column would cost a tenth of a long scan.
  const int code = sqlite3_open_v2(name.c_str(), &made, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  handle_.reset(made);
  require(made != nullptr, "There is no memory to open the database {}.", path_);
  sqlite3_extended_result_codes(made, 1);
  sqlite3_busy_timeout(made, static_cast<int>(patience_.count()));
  if (code != SQLITE_OK) refuse(code);
  harden(made);
}

void Connection::harden(sqlite3* handle) const {
  const std::pair<int, int> switches[] = {{SQLITE_DBCONFIG_DEFENSIVE, 1},
                                          {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                                          {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
                                          {SQLITE_DBCONFIG_ENABLE_VIEW, 0}};
  for (const auto& [option, on] : switches) {
    const int code = sqlite3_db_config(handle, option, on, nullptr);
    require(code == SQLITE_OK, "This SQLite ({}) is too old to open foreign databases safely.",
            sqlite_version());
  }
  sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, kLongestValue);
  sqlite3_exec(handle, "PRAGMA cell_size_check = ON", nullptr, nullptr, nullptr);
}

void Connection::continue_on_a_copy() {
  sqlite3* made = nullptr;
  // A file without a name is SQLite's own temporary one.
  int code = sqlite3_open_v2("", &made, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> copy(made, sqlite3_close_v2);
  require(code == SQLITE_OK, "There is no room for a copy of the database {}.", path_);
  sqlite3_extended_result_codes(made, 1);
  sqlite3_backup* backup = sqlite3_backup_init(made, "main", handle_.get(), "main");
  require(backup != nullptr, "There is no room for a copy of the database {}.", path_);
  sqlite3_backup_step(backup, -1);
  code = sqlite3_backup_finish(backup);
  std::swap(handle_, copy);  // refuse() speaks of the connection's handle
  if (code != SQLITE_OK) refuse(code);
  is_a_copy_ = true;
  harden(made);
  execute("PRAGMA foreign_keys = ON");
}

bool Connection::is_on_local_disk() const {
  struct statfs info = {};
  return ::statfs(path_.c_str(), &info) == 0 &&
         is_local_file_system(static_cast<uint32_t>(info.f_type));
}

void Connection::use_journal(Journal journal) {
  const std::string wanted = journal == Journal::WriteAhead ? "wal" : "delete";
  const std::string in_force = [&] {
    Statement mode = prepare("PRAGMA journal_mode = " + wanted);
    return mode.step() ? mode.text() : std::string();
  }();
  require(in_force == wanted,
          "The database {} cannot use the journal mode '{}' that its file system needs; close the "
          "programs that use it and try again.",
          path_, wanted);
  execute("PRAGMA synchronous = EXTRA");
}

void Connection::execute(const std::string& sql) const {
  const char* rest = sql.c_str();
  while (*rest != '\0') {
    Statement statement(*this, rest, &rest);
    if (statement.statement_) statement.run();  // else white space or a comment
  }
}

int64_t Connection::integer(std::string_view sql) const {
  Statement query = prepare(sql);
  require(query.step(), "The database {} gives no answer to: {}", path_, sql);
  return query.integer();
}

int64_t Connection::last_id() const { return sqlite3_last_insert_rowid(handle_.get()); }

int64_t Connection::changed_rows() const { return sqlite3_changes64(handle_.get()); }

bool Connection::read_only() const { return sqlite3_db_readonly(handle_.get(), "main") == 1; }

std::string Connection::sqlite_version() { return sqlite3_libversion(); }

void Connection::refuse(int code) const {
  const std::string message = sqlite3_errmsg(handle_.get());
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      fail(
          "The database {} has been locked by another process for {} seconds; try again when that "
          "has ended.",
          path_, std::chrono::duration<double>(patience_).count());
    case SQLITE_NOTADB:
      fail("{} is not a SQLite database; name another file.", path_);
    case SQLITE_CORRUPT:
      fail(
          "The database {} is damaged ({}); restore a copy, or save what is left with sqlite3's "
          ".recover.",
          path_, message);
    case SQLITE_TOOBIG:
      fail("The database {} holds a text or blob that is longer than the {} bytes allowed.", path_,
           kLongestValue);
    case SQLITE_FULL:
      fail("The disk that holds the database {} is full; free some space and resume.", path_);
    case SQLITE_READONLY:
      fail("The database {} is read-only; allow writing or name another.", path_);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      fail("The database {} cannot be opened: is its folder there, and may it be written?", path_);
    case SQLITE_IOERR:
      fail("Reading or writing the database {} failed ({}); check the disk and its quota.", path_,
           message);
    default:
      fail("The database {} refused a statement: {}.", path_, message);
  }
}

Transaction::Transaction(const Connection& connection) : connection_(&connection) {
  connection.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (connection_ == nullptr) return;
  try {
    connection_->execute("ROLLBACK");
  } catch (const Error&) {
    // After some failures SQLite has rolled back by itself.
  }
}

void Transaction::commit() {
  connection_->execute("COMMIT");
  connection_ = nullptr;
}

}  // namespace quantbench
