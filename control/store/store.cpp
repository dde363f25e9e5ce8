#include "control/store/store.h"

#include <optional>

#include "control/store/checksum.h"
#include "control/store/statement.h"

namespace penstock::store {
namespace {

constexpr uint64_t kLive = INT64_MAX;  // `until` of a row that still holds
// Rows removed by one tidy(): some milliseconds, so that a pruned revision of 20,000 objects does not stop the loop.
constexpr uint64_t kTidyRows = 500;
constexpr int kTidyLogPages = 1000;  // 4 MB of log, SQLite's own default for a checkpoint

uint64_t sum_of(const Revision& r, uint64_t digest) {
  return Checksum()
      .add(r.number)
      .add(r.time)
      .add(r.message)
      .add(r.created)
      .add(r.changed)
      .add(r.removed)
      .add(digest)
      .value();
}

uint64_t sum_of(std::string_view kind, std::string_view space, std::string_view name, uint64_t since,
                std::string_view bytes) {
  return Checksum().add(kind).add(space).add(name).add(since).add(bytes).value();
}

std::optional<model::Kind> kind_of(std::string_view text) {
  for (size_t i = 0; i < model::kKinds; ++i) {
    if (text == model::to_string(static_cast<model::Kind>(i))) return static_cast<model::Kind>(i);
  }
  return std::nullopt;
}

Revision read_revision(Statement& row) {  // of: number, time, message, created, changed, removed
  Revision r;
  r.number = row.number(0);
  r.time = row.number(1);
  r.message = row.bytes(2);
  r.created = static_cast<uint32_t>(row.number(3));
  r.changed = static_cast<uint32_t>(row.number(4));
  r.removed = static_cast<uint32_t>(row.number(5));
  return r;
}

}  // namespace

base::Result<Store::Head> Store::head_of(uint64_t revision, Revision& out) {
  Statement row(db_,
                "SELECT number, time, message, created, changed, removed, digest, sum FROM revisions WHERE number = ?");
  const int step = row.bind(1, revision).step();
  if (step == SQLITE_DONE) {
    return base::Error{"store " + path_ + ": revision " + std::to_string(revision) + " is not in the history"};
  }
  if (step != SQLITE_ROW) return failure("reading revision " + std::to_string(revision));
  out = read_revision(row);
  const Head head{out.number, row.number(6)};
  if (row.number(7) != sum_of(out, head.digest)) {
    return base::Error{"store " + path_ + " is damaged (revision " + std::to_string(revision) +
                       " has a wrong checksum): " + kRecovery};
  }
  return head;
}

base::Result<Loaded> Store::load() {
  if (latest_.number == 0) return Loaded{};
  return load(latest_.number);
}

base::Result<Loaded> Store::load(uint64_t revision) {
  Loaded loaded;
  const auto head = head_of(revision, loaded.revision);
  if (!head) return base::Error{head.error()};
  Statement rows(db_,
                 "SELECT kind, space, name, since, bytes, sum FROM objects WHERE since <= ?1 AND until > ?1 "
                 "ORDER BY kind, space, name");
  rows.bind(1, revision);
  uint64_t digest = 0;
  int step;
  while ((step = rows.step()) == SQLITE_ROW) {
    const std::string kind_text(rows.bytes(0));
    const auto kind = kind_of(kind_text);
    model::ObjectKey key{kind.value_or(model::Kind::kNode), {std::string(rows.bytes(1)), std::string(rows.bytes(2))}};
    const std::string_view bytes = rows.bytes(4);
    const uint64_t sum = sum_of(kind_text, key.name.space, key.name.name, rows.number(3), bytes);
    if (!kind || sum != rows.number(5)) {
      return base::Error{"store " + path_ + " is damaged (" + kind_text + "/" + key.name.to_string() +
                         " has a wrong checksum): " + kRecovery};
    }
    digest += sum;
    auto object = codec_.decode(key, bytes);
    if (!object) {
      return base::Error{"store " + path_ + ": " + key.to_string() + " cannot be read: " + object.error() + ": " +
                         kRecovery};
    }
    loaded.objects.push_back(std::move(object).value());
  }
  if (step != SQLITE_DONE) return failure("reading revision " + std::to_string(revision));
  if (digest != head->digest) {
    return base::Error{"store " + path_ + " is damaged (revision " + std::to_string(revision) +
                       " lacks an object or has one too many): " + kRecovery};
  }
  return loaded;
}

base::Result<void> Store::put(const Revision& revision, const std::vector<Edit>& edits) {
  if (revision.number != latest_.number + 1) {
    return base::Error{"store " + path_ + ": revision " + std::to_string(revision.number) + " does not follow " +
                       std::to_string(latest_.number)};
  }
  const std::string doing = "writing revision " + std::to_string(revision.number);
  if (auto begun = execute("BEGIN IMMEDIATE", doing); !begun) return begun;
  Head head{revision.number, latest_.digest};
  auto written = write_edits(revision, edits, head);
  if (written) written = commit(revision, head);
  if (!written) {
    // After some failures (a full disk) SQLite has rolled back by itself; then this one fails and nothing is lost.
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    return written;
  }
  latest_ = head;
  return {};
}

base::Result<void> Store::write_edits(const Revision& revision, const std::vector<Edit>& edits, Head& head) {
  Statement find(db_, "SELECT since, sum FROM objects WHERE kind = ? AND space = ? AND name = ? AND until = ?");
  Statement end(db_, "UPDATE objects SET until = ? WHERE kind = ? AND space = ? AND name = ? AND since = ?");
  Statement add(db_, "INSERT INTO objects(kind, space, name, since, until, bytes, sum) VALUES(?, ?, ?, ?, ?, ?, ?)");
  for (const Edit& edit : edits) {
    const std::string_view kind = model::to_string(edit.key.kind);
    const std::string &space = edit.key.name.space, &name = edit.key.name.name;
    find.reset();
    const int found = find.bind(1, kind).bind(2, space).bind(3, name).bind(4, kLive).step();
    if (found == SQLITE_ROW) {
      head.digest -= find.number(1);
      end.reset();
      end.bind(1, revision.number).bind(2, kind).bind(3, space).bind(4, name).bind(5, find.number(0));
      if (end.step() != SQLITE_DONE) return failure("writing " + edit.key.to_string());
    } else if (found != SQLITE_DONE) {
      return failure("reading " + edit.key.to_string());
    }
    if (edit.object == nullptr) continue;
    const std::string bytes = codec_.encode(*edit.object);
    const uint64_t sum = sum_of(kind, space, name, revision.number, bytes);
    head.digest += sum;
    add.reset();
    add.bind(1, kind)
        .bind(2, space)
        .bind(3, name)
        .bind(4, revision.number)
        .bind(5, kLive)
        .bind_blob(6, bytes)
        .bind(7, sum);
    if (add.step() != SQLITE_DONE) return failure("writing " + edit.key.to_string());
  }
  return {};
}

base::Result<void> Store::commit(const Revision& revision, const Head& head) {
  const std::string doing = "writing revision " + std::to_string(revision.number);
  {
    Statement add(db_,
                  "INSERT INTO revisions(number, time, message, created, changed, removed, digest, sum) "
                  "VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
    add.bind(1, revision.number).bind(2, revision.time).bind(3, revision.message).bind(4, revision.created);
    add.bind(5, revision.changed).bind(6, revision.removed).bind(7, head.digest).bind(8, sum_of(revision, head.digest));
    if (add.step() != SQLITE_DONE) return failure(doing);
  }
  return execute("COMMIT", doing);
}

base::Result<std::vector<Revision>> Store::history(size_t limit) {
  std::vector<Revision> out;
  Statement rows(db_,
                 "SELECT number, time, message, created, changed, removed FROM revisions ORDER BY number DESC LIMIT ?");
  rows.bind(1, static_cast<uint64_t>(limit));
  int step;
  while ((step = rows.step()) == SQLITE_ROW) out.push_back(read_revision(rows));
  if (step != SQLITE_DONE) return failure("reading the history");
  return out;
}

base::Result<std::string> Store::kept(std::string_view name) {
  Statement row(db_, "SELECT value FROM settings WHERE name = ?");
  const int step = row.bind(1, name).step();
  if (step == SQLITE_DONE) return std::string();
  if (step != SQLITE_ROW) return failure("reading what is kept");
  return std::string(row.bytes(0));
}

base::Result<void> Store::keep(std::string_view name, std::string_view value) {
  const std::string doing = "keeping " + std::string(name);
  if (auto set = execute("PRAGMA synchronous = FULL", doing); !set) return set;
  Statement put(
      db_, "INSERT INTO settings(name, value) VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value");
  base::Result<void> done;
  if (put.bind(1, name).bind(2, value).step() != SQLITE_DONE) done = failure(doing);
  if (auto reset = execute("PRAGMA synchronous = NORMAL", doing); !reset && done) return reset;
  return done;
}

void Store::tidy() {
  if (latest_.number > options_.kept_revisions) {
    const uint64_t oldest = latest_.number - options_.kept_revisions + 1;
    // Revisions go first: a row may only go when no revision needs it.
    Statement revisions(db_, "DELETE FROM revisions WHERE number < ?");
    Statement objects(db_,
                      "DELETE FROM objects WHERE (kind, space, name, since) IN "
                      "(SELECT kind, space, name, since FROM objects WHERE until <= ? LIMIT ?)");
    if (revisions.bind(1, oldest).step() == SQLITE_DONE) objects.bind(1, oldest).bind(2, kTidyRows).step();
  }
  if (log_pages_ < kTidyLogPages) return;
  if (sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr) != SQLITE_OK) return;
  // The first commit after a checkpoint begins the log anew, with an fsync of its header: let it be this one.
  sqlite3_exec(db_, "UPDATE settings SET value = value", nullptr, nullptr, nullptr);
}

}  // namespace penstock::store
