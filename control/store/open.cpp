// Opening a store: the file, its schema, its structure. Everything that can be wrong with it is found here or in
// load().
#include <sys/stat.h>

#include <cstring>

#include "control/store/statement.h"
#include "control/store/store.h"

namespace penstock::store {
namespace {

constexpr uint64_t kApplicationId = 0x50535443;  // "PSTC"; SQLite's header field 68
constexpr uint64_t kSchemaVersion = 1;           // SQLite's user_version
constexpr uint64_t kPageBytes = 4096;

// until: the revision from which the row no longer holds. The index serves the removal of history.
constexpr const char* kSchema = R"(
  BEGIN IMMEDIATE;
  CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE revisions(
    number INTEGER PRIMARY KEY, time INTEGER NOT NULL, message TEXT NOT NULL,
    created INTEGER NOT NULL, changed INTEGER NOT NULL, removed INTEGER NOT NULL,
    digest INTEGER NOT NULL, sum INTEGER NOT NULL);
  CREATE TABLE objects(
    kind TEXT NOT NULL, space TEXT NOT NULL, name TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,
    bytes BLOB NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY(kind, space, name, since)) WITHOUT ROWID;
  CREATE INDEX objects_until ON objects(until) WHERE until < 9223372036854775807;
  PRAGMA application_id = 1347638339;
  PRAGMA user_version = 1;
  COMMIT;
)";
static_assert(kApplicationId == 1347638339 && kSchemaVersion == 1, "kSchema writes both as numbers");

uint64_t pragma(sqlite3* db, const char* sql) {
  Statement statement(db, sql);
  return statement.step() == SQLITE_ROW ? statement.number(0) : 0;
}

}  // namespace

Store::Store(std::string path, const Codec& codec, Options options)
    : path_(std::move(path)), codec_(codec), options_(options) {}

Store::~Store() {
  if (db_ != nullptr) sqlite3_close_v2(db_);
}

base::Error Store::failure(const std::string& doing) const {
  std::string advice;
  switch (sqlite3_errcode(db_) & 0xff) {
    case SQLITE_FULL:
      advice = "the disk or the store's own bound is full: free space; nothing was changed";
      break;
    case SQLITE_READONLY:
      advice = "it is not writable: give the gateway's user write permission to the file and its directory";
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      advice = "another process has it open: stop the other gateway, or give this one its own --store";
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      advice = std::string("it is damaged or not a Penstock store: ") + kRecovery;
      break;
    case SQLITE_CANTOPEN:
      advice = "it cannot be opened: create its directory and give the gateway's user write permission to it";
      break;
    case SQLITE_IOERR:
      advice = std::string("the disk reports an error (") + std::strerror(sqlite3_system_errno(db_)) +
               "): check it; nothing was changed";
      break;
    default:
      advice = "nothing was changed";
      break;
  }
  return base::Error{"store " + path_ + ": " + doing + " failed (" + sqlite3_errmsg(db_) + "): " + advice};
}

base::Result<void> Store::execute(const char* sql, const std::string& doing) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure(doing);
  return {};
}

base::Result<std::unique_ptr<Store>> Store::open(const std::string& path, const Codec& codec, Options options) {
  std::unique_ptr<Store> store(new Store(path, codec, options));
  if (auto ready = store->prepare_file(); !ready) return base::Error{ready.error()};
  const bool fresh =
      pragma(store->db_, "PRAGMA application_id") == 0 && pragma(store->db_, "SELECT count(*) FROM sqlite_master") == 0;
  if (fresh) {
    if (auto made = store->make_schema(); !made) return base::Error{made.error()};
  }
  if (auto checked = store->check_schema(); !checked) return base::Error{checked.error()};
  if (auto head = store->read_head(); !head) return base::Error{head.error()};
  return store;
}

base::Result<void> Store::prepare_file() {
  // The store holds what was applied, keys of later kinds among it: nobody else reads it.
  const mode_t old_mask = umask(0077);
  const int opened =
      sqlite3_open_v2(path_.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  umask(old_mask);
  if (db_ == nullptr) return base::Error{"store " + path_ + ": out of memory"};
  if (opened != SQLITE_OK) return failure("opening");
  if (sqlite3_db_readonly(db_, "main") == 1) {
    return base::Error{"store " + path_ +
                       " is not writable: give the gateway's user write permission to the file and its directory"};
  }
  // EXCLUSIVE: a second gateway on the same file is refused instead of writing between our revisions; the lock goes
  // with the process, however it ends. WAL and synchronous=NORMAL: a commit is one append to the log without an fsync.
  // The death of the process loses nothing, since the log is already in the kernel; the loss of power may lose the last
  // revisions but never half of one, since frames of the log carry checksums and are synced before they move into the
  // file. FULL would put an fsync (1 to 50 ms) into every change for the sake of the second case, after which a
  // controller applies again anyway. Checkpoints run in tidy(), not in the middle of a change.
  if (auto done =
          execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                  "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384;"
                  "BEGIN IMMEDIATE; COMMIT;",
                  "opening");
      !done) {
    return done;
  }
  const std::string bound = "PRAGMA max_page_count = " + std::to_string(options_.max_bytes / kPageBytes);
  if (auto done = execute(bound.c_str(), "opening"); !done) return done;
  const auto committed = [](void* self, sqlite3*, const char*, int pages) {
    static_cast<Store*>(self)->log_pages_ = pages;
    return SQLITE_OK;
  };
  sqlite3_wal_hook(db_, committed, this);
  return {};
}

base::Result<void> Store::make_schema() {
  if (auto made = execute(kSchema, "making the tables"); !made) return made;
  Statement codec(db_, "INSERT INTO settings(name, value) VALUES('codec', ?)");
  if (codec.bind(1, codec_.name()).step() != SQLITE_DONE) return failure("making the tables");
  return {};
}

base::Result<void> Store::check_schema() {
  if (pragma(db_, "PRAGMA application_id") != kApplicationId) {
    return base::Error{"store " + path_ + " is a database of another program: give the gateway its own --store"};
  }
  if (const uint64_t version = pragma(db_, "PRAGMA user_version"); version != kSchemaVersion) {
    return base::Error{"store " + path_ + " has schema version " + std::to_string(version) +
                       ", this program knows version " + std::to_string(kSchemaVersion) +
                       ": run the program that wrote it, or move the file away and apply again"};
  }
  {
    Statement check(db_, "PRAGMA integrity_check(1)");
    if (check.step() != SQLITE_ROW) return failure("checking");
    if (std::string_view fault = check.bytes(0); fault != "ok") {
      fault.remove_prefix(fault.rfind('\n') + 1);  // "*** in database main ***" comes first, on its own line
      return base::Error{"store " + path_ + " is damaged (" + std::string(fault) + "): " + kRecovery};
    }
  }
  Statement codec(db_, "SELECT value FROM settings WHERE name = 'codec'");
  const bool has_codec = codec.step() == SQLITE_ROW;
  if (!has_codec || codec.bytes(0) != codec_.name()) {
    return base::Error{"store " + path_ + " was written in the encoding \"" +
                       std::string(has_codec ? codec.bytes(0) : "") + "\", this program reads \"" + codec_.name() +
                       "\": move the file away and apply again"};
  }
  return {};
}

base::Result<void> Store::read_head() {
  uint64_t number = 0;
  {
    Statement last(db_, "SELECT coalesce(max(number), 0), (SELECT count(*) FROM objects) FROM revisions");
    if (last.step() != SQLITE_ROW) return failure("reading the latest revision");
    number = last.number(0);
    if (number == 0 && last.number(1) != 0) {
      return base::Error{"store " + path_ + " is damaged (it has objects but no revision): " + kRecovery};
    }
  }
  if (number == 0) return {};
  Revision ignored;
  auto head = head_of(number, ignored);
  if (!head) return base::Error{head.error()};
  latest_ = *head;
  return {};
}

}  // namespace penstock::store
