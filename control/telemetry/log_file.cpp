#include "control/telemetry/log_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

namespace penstock::telemetry {

namespace {

uint64_t lines_of(std::string_view text) { return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n')); }

}  // namespace

base::Result<std::unique_ptr<LogFile>> LogFile::open(std::string path, uint64_t most_bytes) {
  std::unique_ptr<LogFile> log(new LogFile(std::move(path), most_bytes));
  if (auto opened = log->reopen(); !opened) return base::Error{opened.error()};
  return log;
}

LogFile::~LogFile() {
  if (file_ > STDERR_FILENO) close(file_);
}

base::Result<void> LogFile::reopen() {
  int file = STDOUT_FILENO;
  if (path_ != "-") {
    // Without waiting for the reader of a named pipe.
    file = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (file < 0) return base::Error{path_ + ": " + std::strerror(errno)};
  }
  struct stat about {};
  fstat(file, &about);
  if (file_ > STDERR_FILENO) close(file_);
  file_ = file;
  regular_ = path_ != "-" && S_ISREG(about.st_mode);
  size_ = regular_ ? static_cast<uint64_t>(about.st_size) : 0;
  torn_ = false;
  return {};
}

base::Result<void> LogFile::rotate() {
  if (std::rename(path_.c_str(), (path_ + ".1").c_str()) != 0 && errno != ENOENT)
    return base::Error{path_ + ": cannot become " + path_ + ".1: " + std::strerror(errno)};
  return reopen();
}

size_t LogFile::put(std::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    size_t piece = bytes.size() - done;
    if (!regular_) {  // a pipe takes this much without waiting when it says that it takes something
      piece = std::min<size_t>(piece, PIPE_BUF);
      pollfd ready{.fd = file_, .events = POLLOUT, .revents = 0};
      const bool takes = poll(&ready, 1, stuck_ ? 0 : kPatience) > 0;
      stuck_ = !takes;  // a reader that hangs is waited for once
      if (!takes) {
        errno = EAGAIN;
        return done;
      }
    }
    const ssize_t got = ::write(file_, bytes.data() + done, piece);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return done;
    done += static_cast<size_t>(got);
  }
  return done;
}

// Of `written` bytes only the first `whole` end with a line.
void LogFile::mend(size_t written, size_t whole) {
  if (written == whole) return;
  struct stat about {};
  const auto rest = static_cast<off_t>(written - whole);
  if (regular_ && fstat(file_, &about) == 0 && about.st_size >= rest && ftruncate(file_, about.st_size - rest) == 0) {
    size_ -= written - whole;
  } else {
    torn_ = true;
  }
}

base::Result<void> LogFile::write(std::string_view lines) {
  base::Result<void> rotated;
  if (regular_ && most_bytes_ != 0 && size_ != 0 && size_ + lines.size() > most_bytes_) rotated = rotate();
  if (torn_ && put("\n") == 1) torn_ = false;
  const size_t written = torn_ ? 0 : put(lines);
  const int why = errno;
  size_ += written;
  if (written == lines.size()) return rotated;
  const size_t end = lines.substr(0, written).rfind('\n');
  const size_t whole = end == std::string_view::npos ? 0 : end + 1;
  mend(written, whole);
  lost_ += lines_of(lines.substr(whole));
  return base::Error{path_ + ": " + std::strerror(why)};
}

}  // namespace penstock::telemetry
