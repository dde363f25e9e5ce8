// Applied revisions of the desired state, in one SQLite file, so that a gateway comes back as it was.
//
// An object is one row for as long as it does not change, (kind, namespace, name, since revision) -> bytes, valid until
// a later revision replaces or removes it: a change of one object among 20,000 writes two rows. The state at a revision
// is every row with since <= revision < until. Rows carry checksums, and a revision carries the sum of the checksums of
// its rows, so that a lost, doubled or damaged row is found when it is read and never becomes half a configuration.
//
// Thread: one at a time (the control thread). One process at a time: the file is locked while it is open.
// Failure: one line that names the file and what to do; a put() that fails changed nothing.
// Bounds: kKeptRevisions revisions of history, kMaxStoreBytes of file.
// What it does not do: look into the bytes (store/codec.h), decide what is valid (model::validate).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "control/model/state.h"
#include "control/store/codec.h"

struct sqlite3;

namespace penstock::store {

// A day of a change every minute and a half; a history of 20,000 objects all replaced each time would be 10 GB.
constexpr uint64_t kKeptRevisions = 1000;
// Far above 1000 ordinary revisions of 20,000 objects; a runaway client must not fill the disk.
constexpr uint64_t kMaxStoreBytes = 4ull << 30;

// What to do about a damaged file; ends every line that reports one.
constexpr const char* kRecovery = "put a copy in its place, or move it away and apply the configuration again";

struct Revision {
  uint64_t number = 0;   // 1, 2, 3 ...; 0: nothing was ever applied
  base::Nanos time = 0;  // CLOCK_REALTIME
  std::string message;
  uint32_t created = 0, changed = 0, removed = 0;
};

struct Edit {
  model::ObjectKey key;
  const model::Object* object = nullptr;  // null: removed
};

struct Loaded {
  Revision revision;
  std::vector<model::Object> objects;  // by kind, namespace, name
};

struct Options {
  uint64_t kept_revisions = kKeptRevisions;
  uint64_t max_bytes = kMaxStoreBytes;
};

class Store {
 public:
  // Opens or makes the file (mode 0600) and checks its structure. ":memory:" keeps everything in memory.
  static base::Result<std::unique_ptr<Store>> open(const std::string& path, const Codec& codec, Options options = {});
  ~Store();
  Store(const Store&) = delete;

  // The latest revision, every byte of it checked. Number 0 in a new store.
  base::Result<Loaded> load();
  base::Result<Loaded> load(uint64_t revision);  // an older one
  // Commits `revision` (its number must be the latest plus one). Durable against the death of the process when it
  // returns.
  base::Result<void> put(const Revision& revision, const std::vector<Edit>& edits);
  base::Result<std::vector<Revision>> history(size_t limit);  // newest first
  uint64_t latest() const { return latest_.number; }

  // A word that the gateway keeps for itself, beside the revisions. Empty: it was never kept.
  base::Result<std::string> kept(std::string_view name);
  // In place of the one before. Durable when it returns, also against the loss of power.
  base::Result<void> keep(std::string_view name, std::string_view value);

  // Housekeeping, when nobody waits: drops a bounded part of what is older than the history, and moves the write-ahead
  // log into the file when it has grown. Its failures are not lost: the next put() meets them.
  void tidy();

 private:
  struct Head {
    uint64_t number = 0;
    uint64_t digest = 0;  // sum of the checksums of the live rows
  };

  Store(std::string path, const Codec& codec, Options options);
  base::Error failure(const std::string& doing) const;
  base::Result<void> execute(const char* sql, const std::string& doing);
  base::Result<void> prepare_file();
  base::Result<void> make_schema();
  base::Result<void> check_schema();
  base::Result<void> read_head();
  base::Result<Head> head_of(uint64_t revision, Revision& out);
  base::Result<void> write_edits(const Revision& revision, const std::vector<Edit>& edits, Head& head);
  base::Result<void> commit(const Revision& revision, const Head& head);

  const std::string path_;
  const Codec& codec_;
  const Options options_;
  sqlite3* db_ = nullptr;
  Head latest_;
  int log_pages_ = 0;  // of the write-ahead log, as of the last commit
};

}  // namespace penstock::store
