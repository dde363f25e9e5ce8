// One prepared SQLite statement: bind, step, read. Prepared when made, finalized when it goes.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::store {

class Statement {
 public:
  Statement(sqlite3* db, std::string_view sql) {
    if (sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr) != SQLITE_OK) {
      statement_ = nullptr;
    }
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Parameters count from 1. Text and blobs must live until the statement was stepped.
  Statement& bind(int at, uint64_t value) {
    if (statement_) sqlite3_bind_int64(statement_, at, static_cast<sqlite3_int64>(value));
    return *this;
  }
  Statement& bind(int at, std::string_view text) {
    if (statement_) sqlite3_bind_text(statement_, at, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
    return *this;
  }
  Statement& bind_blob(int at, std::string_view bytes) {
    if (statement_) sqlite3_bind_blob(statement_, at, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
    return *this;
  }

  // SQLITE_ROW, SQLITE_DONE, or an error (also when it could not be prepared).
  int step() { return statement_ ? sqlite3_step(statement_) : SQLITE_ERROR; }
  void reset() {
    if (statement_) sqlite3_reset(statement_);
  }

  uint64_t number(int column) { return static_cast<uint64_t>(sqlite3_column_int64(statement_, column)); }
  std::string_view bytes(int column) {  // valid until the next step
    const void* data = sqlite3_column_blob(statement_, column);
    return {static_cast<const char*>(data), data ? static_cast<size_t>(sqlite3_column_bytes(statement_, column)) : 0};
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace penstock::store
