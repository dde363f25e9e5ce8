#include "control/pki/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace penstock::pki {
namespace {

constexpr std::string_view kTemporaryPrefix = ".tmp-";

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int close() { return fd_ < 0 ? 0 : ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

base::Error fault(const std::string& path, const std::string& reason) { return base::Error{path + ": " + reason}; }
base::Error fault_of(const std::string& path, const std::string& doing) {
  return fault(path, doing + ": " + std::strerror(errno));
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

int64_t nanoseconds(const timespec& t) { return t.tv_sec * 1'000'000'000 + t.tv_nsec; }

base::Result<void> sync_directory(const std::string& path) {
  const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || fsync(directory.get()) != 0) return fault_of(path, "cannot be synced");
  return {};
}

std::string temporary_name(const std::string& path) {
  static constexpr const char* kHex = "0123456789abcdef";
  unsigned char random[8] = {};
  if (RAND_bytes(random, sizeof random) != 1) std::memset(random, 0, sizeof random);  // O_EXCL finds a clash
  std::string name = directory_of(path) + "/" + std::string(kTemporaryPrefix);
  for (const unsigned char byte : random) name += {kHex[byte >> 4], kHex[byte & 15]};
  return name;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

base::Result<void> check_kind(const struct stat& s, const std::string& path, Privacy privacy, size_t most) {
  if (S_ISDIR(s.st_mode)) return fault(path, "is a directory, want a file");
  if (!S_ISREG(s.st_mode)) return fault(path, "is no regular file");
  if (static_cast<uint64_t>(s.st_size) > most)
    return fault(path, "has " + std::to_string(s.st_size) + " bytes, at most " + std::to_string(most));
  if (privacy == Privacy::kPrivate && (s.st_mode & 077) != 0)
    return fault(path, "holds a private key that others than its owner may read or write: chmod 600");
  return {};
}

}  // namespace

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    text_ = std::move(other.text_);
    other.wipe();
  }
  return *this;
}

void Secret::wipe() {
  OPENSSL_cleanse(text_.data(), text_.capacity());
  text_.clear();
}

base::Result<Secret> read_file(const std::string& path, Privacy privacy, size_t most) {
  // O_NONBLOCK: a FIFO is refused below instead of waiting for a writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return fault_of(path, "cannot be opened");
  struct stat s;
  if (fstat(file.get(), &s) != 0) return fault_of(path, "cannot be read");
  if (auto valid = check_kind(s, path, privacy, most); !valid) return base::Error{valid.error()};
  Secret out;
  // One byte more than it should have: it may have grown since.
  out.text().resize(static_cast<size_t>(s.st_size) + 1);
  size_t have = 0;
  while (have < out.text().size()) {
    const ssize_t n = read(file.get(), out.text().data() + have, out.text().size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fault_of(path, "cannot be read");
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  if (have > static_cast<size_t>(s.st_size)) return fault(path, "grew while it was read");
  out.text().resize(have);
  return out;
}

base::Result<FileStamp> stamp_of(const std::string& path) {
  struct stat s;
  if (stat(path.c_str(), &s) != 0) return fault_of(path, "cannot be opened");
  return FileStamp{.device = s.st_dev,
                   .inode = s.st_ino,
                   .size = static_cast<uint64_t>(s.st_size),
                   .modified = nanoseconds(s.st_mtim),
                   .changed = nanoseconds(s.st_ctim)};
}

bool file_exists(const std::string& path) {
  struct stat s;
  return lstat(path.c_str(), &s) == 0;
}

base::Result<void> write_file(const std::string& path, std::string_view bytes, unsigned mode) {
  struct stat s;
  if (stat(path.c_str(), &s) == 0 && !S_ISREG(s.st_mode)) return fault(path, "is there and is no regular file");
  const std::string temporary = temporary_name(path);
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (file.get() < 0) return fault_of(path, "cannot be written");
  // The umask can only have taken bits away: at no moment was the mode wider.
  bool done = fchmod(file.get(), mode) == 0 && write_all(file.get(), bytes) && fsync(file.get()) == 0;
  done = file.close() == 0 && done;
  if (!done || rename(temporary.c_str(), path.c_str()) != 0) {
    const base::Error error = fault_of(path, "cannot be written");
    unlink(temporary.c_str());
    return error;
  }
  return sync_directory(directory_of(path));
}

base::Result<void> rename_file(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return fault_of(to, "cannot be replaced");
  return sync_directory(directory_of(to));
}

base::Result<void> remove_file(const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return fault_of(path, "cannot be removed");
  return {};
}

std::vector<std::string> names_in(const std::string& directory, std::string_view prefix) {
  std::vector<std::string> names;
  DIR* open_directory = opendir(directory.c_str());
  if (open_directory == nullptr) return names;
  while (const dirent* entry = readdir(open_directory))
    if (std::string_view(entry->d_name).starts_with(prefix)) names.emplace_back(entry->d_name);
  closedir(open_directory);
  std::sort(names.begin(), names.end());
  return names;
}

void remove_leftovers(const std::string& directory) {
  const std::string start = directory + "/";
  for (const std::string& name : names_in(directory, kTemporaryPrefix)) unlink(std::string(start).append(name).c_str());
}

base::Result<void> make_directory(const std::string& path) {
  if (path.empty()) return base::Error{"the name of the directory is empty"};
  if (mkdir(path.c_str(), 0700) == 0) return sync_directory(directory_of(path));
  if (errno != EEXIST) return fault_of(path, "cannot be made");
  struct stat s;
  if (stat(path.c_str(), &s) != 0) return fault_of(path, "cannot be opened");
  if (!S_ISDIR(s.st_mode)) return fault(path, "is there and is no directory");
  return {};
}

base::Result<void> make_private_directory(const std::string& path) {
  if (auto made = make_directory(path); !made) return made;
  struct stat s;
  if (stat(path.c_str(), &s) != 0) return fault_of(path, "cannot be opened");
  if ((s.st_mode & 077) != 0) return fault(path, "is open to others than its owner: chmod 700");
  return {};
}

base::Result<FileLock> FileLock::take(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return fault_of(path, "cannot be opened");
  FileLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fault(path, "is held: another run works on this directory, try again after it");
    return fault_of(path, "cannot be locked");
  }
  return lock;
}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace penstock::pki
