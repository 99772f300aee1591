// A thin C++ face for SQLite: connections, statements and transactions whose every failure is one
// sentence for a person. It knows nothing of runs. Used by one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace quantbench {

// Bytes, where a bare string would be stored as text.
struct Blob {
  std::string_view bytes;
};

class Connection;

// One prepared statement. Parameters are bound and columns are read in order, each call taking the
// next one; reading a column after the last is a programming error and throws.
class Statement {
 public:
  template <typename... Values>
  Statement& bind(const Values&... values) {
    (bind_next(values), ...);
    return *this;
  }

  // The next row; false when there is none. Outside of a transaction it waits for other processes.
  bool step();
  // step() for a statement that gives no rows.
  void run();
  // The statement from its beginning, to be bound anew.
  Statement& again();

  // The next column. NULL reads as NaN, 0 or the empty string where the type cannot be absent.
  int64_t integer();
  double real();
  std::string text();
  std::string_view text_view();  // until the next step
  std::string blob() { return text(); }
  std::optional<int64_t> maybe_integer();
  std::optional<double> maybe_real();

 private:
  friend class Connection;
  // `rest`, where given, is set to what follows the first statement in `sql`.
  Statement(const Connection& connection, std::string_view sql, const char** rest = nullptr);

  void bind_next(int64_t value);
  void bind_next(int value) { bind_next(static_cast<int64_t>(value)); }
  void bind_next(bool value) { bind_next(static_cast<int64_t>(value)); }
  void bind_next(double value);  // NaN becomes NULL
  void bind_next(std::string_view text);
  void bind_next(const std::string& text) { bind_next(std::string_view(text)); }
  void bind_next(const char* text) { bind_next(std::string_view(text)); }
  void bind_next(Blob blob);
  void bind_null();
  template <typename T>
  void bind_next(const std::optional<T>& value) {
    value ? bind_next(*value) : bind_null();
  }
  int next_column();

  const Connection* connection_;
  std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement_;
  int parameter_ = 0, column_ = 0;
  bool has_row_ = false;
};

// Whether one may rely on locks and shared memory of the file system with this statfs() magic
// number, as SQLite's write-ahead log does: ext2/3/4, XFS, Btrfs, tmpfs, overlayfs and ZFS.
bool is_local_file_system(uint32_t magic);

// A database may come from anybody: no trigger of it fires, no view of it is read, no function runs
// because its schema says so, and no value of it is longer than kLongestValue bytes.
class Connection {
 public:
  enum class Access {
    Write,  // created when missing; must be writable, and its folder too
    Read,   // must be there; may be read-only, and no statement can change it
  };
  static constexpr int kLongestValue = 64 << 20;

  // Opens the file without changing a byte of it (but that a transaction which a killed process
  // left half-way is undone, as SQLite always does). `patience` is how long to wait for other
  // processes. Throws Error when it cannot be opened or is not a SQLite database.
  Connection(const std::filesystem::path& path, Access access,
             std::chrono::milliseconds patience = std::chrono::minutes(5));
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Writers and readers do not wait for each other with a write-ahead log, but only on a local
  // disk. Either way a commit is on the disk when it returns, so neither SIGKILL nor a power cut
  // takes it back or leaves half of it.
  enum class Journal { WriteAhead, Rollback };
  void use_journal(Journal journal);
  bool is_on_local_disk() const;

  // Goes on with a copy of the database that can be written, is seen by nobody else and goes with
  // this connection; the file is let go of.
  void continue_on_a_copy();
  bool is_a_copy() const { return is_a_copy_; }

  Statement prepare(std::string_view sql) const { return Statement(*this, sql); }
  // One or more statements without parameters and rows.
  void execute(const std::string& sql) const;
  // The first column of the first row.
  int64_t integer(std::string_view sql) const;
  template <typename... Values>
  void insert(const std::string& table, const std::string& columns, const Values&... values) const {
    std::string marks = "?";
    for (size_t i = 1; i < sizeof...(values); ++i) marks += ",?";
    prepare("INSERT INTO " + table + " (" + columns + ") VALUES (" + marks + ")")
        .bind(values...)
        .run();
  }
  int64_t last_id() const;
  int64_t changed_rows() const;  // by the last statement
  bool read_only() const;
  const std::string& path() const { return path_; }
  static std::string sqlite_version();

 private:
  friend class Statement;
  void open(const std::string& name, int flags);
  void harden(sqlite3* handle) const;
  [[noreturn]] void refuse(int code) const;

  std::string path_;
  std::chrono::milliseconds patience_;
  bool is_a_copy_ = false;
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> handle_;
};

// Holds the write lock from the beginning (so that it cannot fail for it half-way); rolled back
// unless committed.
class Transaction {
 public:
  explicit Transaction(const Connection& connection);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Connection* connection_;
};

}  // namespace quantbench
