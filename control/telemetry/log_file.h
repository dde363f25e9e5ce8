// A file of lines that others rotate (reopen) or that rotates itself: at `most_bytes` it becomes "<path>.1", in place
// of an older one, and a new one begins. "-" is standard output, which never rotates.
//
// One thread. Never waits longer than kPatience, which only pipes can cost. Failure: what could not be written is
// counted in lines; a line that broke off is taken back where the file allows it, and ended where not, so that the next
// one stands alone. An unusable file is tried again with each write.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::telemetry {

class LogFile {
 public:
  static constexpr int kPatience = 1000;  // ms, for a reader of a pipe

  // `most_bytes` 0: it never rotates itself. An error: it cannot be opened for appending.
  static base::Result<std::unique_ptr<LogFile>> open(std::string path, uint64_t most_bytes);
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  ~LogFile();

  // Whole lines, each with its end.
  base::Result<void> write(std::string_view lines);
  // The path may name another file now; on failure the old one goes on.
  base::Result<void> reopen();

  uint64_t lost() const { return lost_; }  // lines

 private:
  LogFile(std::string path, uint64_t most_bytes) : path_(std::move(path)), most_bytes_(most_bytes) {}

  base::Result<void> rotate();
  size_t put(std::string_view bytes);  // how many were written; fewer: errno says why
  void mend(size_t written, size_t whole);

  const std::string path_;
  const uint64_t most_bytes_;
  int file_ = -1;
  bool regular_ = false;
  bool torn_ = false;   // the last line has no end
  bool stuck_ = false;  // nobody read, the last time
  uint64_t size_ = 0, lost_ = 0;
};

}  // namespace penstock::telemetry
