#include "control/store/store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "unit/control/store/limit_codec.h"

namespace penstock::store {
namespace {

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Memory where there is some: the death of a process is tested here, not the disk.
    const std::filesystem::path memory = "/dev/shm";
    const bool has_memory = access(memory.c_str(), W_OK) == 0;
    std::string pattern =
        ((has_memory ? memory : std::filesystem::temp_directory_path()) / "penstock-store-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = pattern + "/store.db";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Store> open_ok(Options options = {}) {
    auto store = Store::open(path_, codec_, options);
    EXPECT_TRUE(store.ok()) << store.error();
    return store ? std::move(store).value() : nullptr;
  }
  std::string open_error() {
    auto store = Store::open(path_, codec_);
    if (!store) return store.error();
    auto loaded = (*store)->load();
    return loaded ? "" : loaded.error();
  }

  // Sets (rate > 0) or removes (0) limits by name as the next revision.
  static base::Result<void> put(Store& store, const std::map<std::string, double>& rates,
                                const std::string& message = "m") {
    std::vector<model::Object> objects;
    objects.reserve(rates.size());
    std::vector<Edit> edits;
    for (const auto& [name, rate] : rates) {
      Edit edit{{model::Kind::kRateLimit, {.name = name}}};
      if (rate > 0) edit.object = &objects.emplace_back(limit_object(name, rate));
      edits.push_back(edit);
    }
    return store.put({store.latest() + 1, 7, message, 1, 2, 3}, edits);
  }
  static std::map<std::string, double> rates_of(const Loaded& loaded) {
    std::map<std::string, double> out;
    for (const auto& object : loaded.objects) {
      const auto& limit = std::get<model::RateLimit>(object);
      out[limit.name.name] = limit.rate;
    }
    return out;
  }

  LimitCodec codec_;
  std::string directory_, path_;
};

using Rates = std::map<std::string, double>;

TEST_F(StoreTest, NewStoreIsEmpty) {
  auto store = open_ok();
  auto loaded = store->load();
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->revision.number, 0u);
  EXPECT_TRUE(loaded->objects.empty());
  struct stat s;
  ASSERT_EQ(stat(path_.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0600u);
}

TEST_F(StoreTest, EveryRevisionCanBeReadBack) {
  {
    auto store = open_ok();
    ASSERT_TRUE(put(*store, {{"a", 1}, {"b", 2}}, "first").ok());
    ASSERT_TRUE(put(*store, {{"a", 10}, {"c", 3}}, "second").ok());
    ASSERT_TRUE(put(*store, {{"b", 0}}, "third").ok());
    ASSERT_TRUE(put(*store, {{"b", 5}}, "fourth").ok());
  }
  auto store = open_ok();
  EXPECT_EQ(rates_of(store->load(1).value()), (Rates{{"a", 1}, {"b", 2}}));
  EXPECT_EQ(rates_of(store->load(2).value()), (Rates{{"a", 10}, {"b", 2}, {"c", 3}}));
  EXPECT_EQ(rates_of(store->load(3).value()), (Rates{{"a", 10}, {"c", 3}}));
  auto last = store->load().value();
  EXPECT_EQ(rates_of(last), (Rates{{"a", 10}, {"b", 5}, {"c", 3}}));
  EXPECT_EQ(last.revision.number, 4u);
  EXPECT_EQ(last.revision.message, "fourth");
  EXPECT_EQ(last.revision.time, 7u);
  auto history = store->history(2).value();
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[0].message, "fourth");
  EXPECT_EQ(history[1].removed, 3u);
  EXPECT_NE(store->load(99).error().find("revision 99 is not in the history"), std::string::npos);
}

TEST_F(StoreTest, RevisionsMustFollowEachOther) {
  auto store = open_ok();
  EXPECT_FALSE(store->put({5, 0, "", 0, 0, 0}, {}).ok());
  EXPECT_EQ(store->latest(), 0u);
}

TEST_F(StoreTest, HistoryIsBounded) {
  auto store = open_ok({.kept_revisions = 10});
  for (int i = 1; i <= 100; ++i) {
    ASSERT_TRUE(put(*store, {{"a", i}, {std::to_string(i), 1}}).ok());
    store->tidy();
  }
  EXPECT_EQ(store->history(1000)->size(), 10u);
  EXPECT_EQ(rates_of(store->load(91).value()).at("a"), 91);
  EXPECT_EQ(rates_of(store->load(91).value()).size(), 92u);
  EXPECT_FALSE(store->load(90).ok());
  EXPECT_EQ(rates_of(store->load().value()).size(), 101u);
}

TEST_F(StoreTest, OneProcessAtATime) {
  auto store = open_ok();
  auto second = Store::open(path_, codec_);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().find("another process has it open"), std::string::npos) << second.error();
}

TEST_F(StoreTest, MissingDirectorySaysSo) {
  path_ = directory_ + "/nowhere/store.db";
  EXPECT_NE(open_error().find("create its directory"), std::string::npos) << open_error();
}

TEST_F(StoreTest, NotADatabase) {
  std::ofstream(path_) << std::string(5000, 'z');
  EXPECT_NE(open_error().find("damaged or not a Penstock store"), std::string::npos) << open_error();
}

TEST_F(StoreTest, DatabaseOfAnotherProgram) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  sqlite3_exec(db, "CREATE TABLE t(x)", nullptr, nullptr, nullptr);
  sqlite3_close(db);
  EXPECT_NE(open_error().find("another program"), std::string::npos) << open_error();
}

TEST_F(StoreTest, AnotherSchemaVersion) {
  open_ok().reset();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  sqlite3_exec(db, "PRAGMA user_version = 9", nullptr, nullptr, nullptr);
  sqlite3_close(db);
  EXPECT_NE(open_error().find("schema version 9, this program knows version 1"), std::string::npos) << open_error();
}

TEST_F(StoreTest, AnotherEncoding) {
  open_ok().reset();
  LimitCodec other("other/2");
  auto store = Store::open(path_, other);
  ASSERT_FALSE(store.ok());
  EXPECT_NE(store.error().find("written in the encoding \"limit/1\""), std::string::npos) << store.error();
}

TEST_F(StoreTest, FullDiskLosesNothing) {
  LimitCodec big("limit/1", 3000);
  auto opened = Store::open(path_, big, {.max_bytes = 200 * 1024});
  ASSERT_TRUE(opened.ok()) << opened.error();
  auto& store = **opened;
  Rates written;
  std::string error;
  for (int i = 0; i < 100 && error.empty(); ++i) {
    const std::string name = "limit-" + std::to_string(i);
    const auto result = put(store, {{name, 1}});
    if (result) {
      written[name] = 1;
    } else {
      error = result.error();
    }
  }
  EXPECT_NE(error.find("free space; nothing was changed"), std::string::npos) << error;
  EXPECT_GT(written.size(), 10u);
  EXPECT_EQ(store.latest(), written.size());
  EXPECT_EQ(rates_of(store.load().value()), written);
  opened->reset();
  EXPECT_EQ(rates_of(open_ok()->load().value()), written);
}

// Root may write anything: the child becomes nobody first.
TEST_F(StoreTest, ReadOnlyFile) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  open_ok().reset();
  std::filesystem::permissions(directory_, std::filesystem::perms(0755));
  std::filesystem::permissions(path_, std::filesystem::perms(0444));
  const pid_t child = fork();
  if (child == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(2);
    auto store = Store::open(path_, codec_);
    _exit(!store && store.error().find("not writable: give the gateway's user write permission") != std::string::npos
              ? 0
              : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// A flipped byte anywhere is either harmless (unused space, or a value that the checksums prove intact) or reported in
// one line. What is read is never anything but a revision that was written.
TEST_F(StoreTest, FlippedBytesAreFoundOrHarmless) {
  {
    auto store = open_ok();
    Rates rates;
    for (int i = 0; i < 300; ++i) rates["limit-" + std::to_string(i)] = 1000 + i;
    ASSERT_TRUE(put(*store, rates).ok());
    ASSERT_TRUE(put(*store, {{"limit-7", 5}}).ok());
  }
  const Rates expected = rates_of(open_ok()->load().value());
  std::ifstream in(path_, std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(in)), {});
  std::mt19937 random(42);
  int found = 0;
  for (int i = 0; i < 400; ++i) {
    std::string bad = good;
    bad[random() % bad.size()] ^= static_cast<char>(1 + random() % 255);
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bad;
    std::filesystem::remove(path_ + "-wal");
    auto store = Store::open(path_, codec_);
    std::string error = store ? "" : store.error();
    if (store) {
      auto loaded = (*store)->load();
      if (loaded) {
        EXPECT_EQ(rates_of(*loaded), expected);
        continue;
      }
      error = loaded.error();
    }
    ++found;
    EXPECT_NE(error.find(path_), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
  EXPECT_GT(found, 100);
}

TEST_F(StoreTest, LostRowIsFound) {
  {
    auto store = open_ok();
    ASSERT_TRUE(put(*store, {{"a", 1}, {"b", 2}}).ok());
  }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "DELETE FROM objects WHERE name = 'a'", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  EXPECT_NE(open_error().find("lacks an object"), std::string::npos) << open_error();
}

// A child writes revisions, each of which sets all objects to its number, and says so over a pipe after each commit; it
// is killed at a random moment. What is found is a whole revision, and none that was acknowledged is missing.
TEST_F(StoreTest, KillAtAnyMomentLeavesTheLastRevision) {
  constexpr int kObjects = 40;
  std::mt19937 random(7);
  uint64_t before = 0;
  for (int round = 0; round < 50; ++round) {
    int fds[2];
    ASSERT_EQ(pipe(fds), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(fds[0]);
      auto store = Store::open(path_, codec_, {.kept_revisions = 20});
      if (!store) _exit(1);
      for (;;) {
        Rates rates;
        const uint64_t number = (*store)->latest() + 1;
        for (int i = 0; i < kObjects; ++i) rates["limit-" + std::to_string(i)] = static_cast<double>(number);
        if (!put(**store, rates)) _exit(1);
        if (write(fds[1], &number, sizeof number) != sizeof number) _exit(1);
        (*store)->tidy();
      }
    }
    close(fds[1]);
    uint64_t acknowledged = before;
    ASSERT_EQ(read(fds[0], &acknowledged, sizeof acknowledged), static_cast<ssize_t>(sizeof acknowledged));
    usleep(static_cast<useconds_t>(random() % 15000));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    while (read(fds[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
    }
    close(fds[0]);

    auto store = open_ok({.kept_revisions = 20});
    ASSERT_NE(store, nullptr);
    auto loaded = store->load();
    ASSERT_TRUE(loaded.ok()) << loaded.error();
    ASSERT_GE(loaded->revision.number, acknowledged);
    ASSERT_LE(loaded->revision.number, acknowledged + 1);
    const Rates rates = rates_of(*loaded);
    ASSERT_EQ(rates.size(), static_cast<size_t>(kObjects));
    for (const auto& [name, rate] : rates) ASSERT_EQ(rate, static_cast<double>(loaded->revision.number));
    before = loaded->revision.number;
  }
}

// Reports the cost of a one-object change among 20,000; the bound is generous because the machine is shared.
TEST_F(StoreTest, OneChangeAmongManyIsCheap) {
  LimitCodec codec("limit/1", 300);
  auto store = std::move(Store::open(path_, codec)).value();
  Rates rates;
  for (int i = 0; i < 20000; ++i) rates["limit-" + std::to_string(i)] = 1;
  const auto first = std::chrono::steady_clock::now();
  ASSERT_TRUE(put(*store, rates).ok());
  const auto second = std::chrono::steady_clock::now();
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    const auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(put(*store, {{"limit-" + std::to_string(i * 97), 2.0 + i}}).ok());
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    store->tidy();
  }
  std::sort(times.begin(), times.end());
  RecordProperty("first_put_ms", static_cast<int>(std::chrono::duration<double, std::milli>(second - first).count()));
  RecordProperty("one_change_median_us", static_cast<int>(times[100]));
  printf("20,000 objects: %.0f ms; one change: median %.0f us, worst %.0f us\n",
         std::chrono::duration<double, std::milli>(second - first).count(), times[100], times.back());
  const auto reopen = std::chrono::steady_clock::now();
  store.reset();
  store = std::move(Store::open(path_, codec)).value();
  ASSERT_EQ(store->load()->objects.size(), 20000u);
  printf("close, open, check and load: %.0f ms\n",
         std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - reopen).count());
}

TEST_F(StoreTest, KeepsWordsOfTheGatewayBesideTheRevisions) {
  {
    auto store = open_ok();
    EXPECT_EQ(store->kept("session keys").value(), "");
    EXPECT_TRUE(store->keep("session keys", "one").ok());
    EXPECT_TRUE(store->keep("session keys", "two").ok());
    EXPECT_EQ(store->kept("session keys").value(), "two");
    EXPECT_EQ(store->latest(), 0u);
    ASSERT_TRUE(put(*store, {{"a", 1}}).ok());
  }
  EXPECT_EQ(open_error(), "");
  auto store = open_ok();
  EXPECT_EQ(store->kept("session keys").value(), "two");
  EXPECT_EQ(store->kept("others").value(), "");
}

}  // namespace
}  // namespace penstock::store
