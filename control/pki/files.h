// Files of keys and certificates: read with a bound, written whole or not at all.
//
// Reading opens once and judges what it opened (kind, size, who may read it), so that nothing can change in between.
// Writing goes to a temporary file with its final mode from the first byte, is synced, and renamed into place; after a
// loss of power there is the old content or the new. Failure: one line that begins with the path. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::pki {

constexpr size_t kMaxFileBytes =
    1 << 20;  // 64 certificates of a bundle take 100 kB; a revocation list of 20,000 700 kB

// Text that is wiped when it goes. Reserve before appending: growth leaves copies behind.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }

  std::string& text() { return text_; }
  std::string_view view() const { return text_; }

 private:
  void wipe();
  std::string text_;
};

// What stat says of a file; changes when it is written, replaced, or reached through another link.
struct FileStamp {
  uint64_t device = 0, inode = 0, size = 0;
  int64_t modified = 0, changed = 0;  // nanoseconds
  bool operator==(const FileStamp&) const = default;
};

enum class Privacy : uint8_t {
  kPublic,
  kPrivate,  // refused when group or others may read or write it
};

base::Result<Secret> read_file(const std::string& path, Privacy privacy, size_t most = kMaxFileBytes);
base::Result<FileStamp> stamp_of(const std::string& path);
bool file_exists(const std::string& path);  // of any kind, dangling links too

// Mode bits are exactly `mode`, whatever the umask.
base::Result<void> write_file(const std::string& path, std::string_view bytes, unsigned mode);
base::Result<void> rename_file(const std::string& from, const std::string& to);  // and syncs the directory
base::Result<void> remove_file(const std::string& path);                         // a missing one is no fault
// Names in the directory that begin with `prefix`, sorted; none when it cannot be read.
std::vector<std::string> names_in(const std::string& directory, std::string_view prefix);
// Temporary files that a run left which did not come to its end. Only under a lock.
void remove_leftovers(const std::string& directory);

// Makes the directory with mode 0700, or accepts one that is there and that only its owner may write and read.
base::Result<void> make_private_directory(const std::string& path);
// Makes it with mode 0700, or accepts any directory.
base::Result<void> make_directory(const std::string& path);

// An exclusive lock on a file, from open() to the end of its life; the kernel drops it with the process.
class FileLock {
 public:
  static base::Result<FileLock> take(const std::string& path);
  FileLock(FileLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace penstock::pki
