// Where lines of the access log can be had while they are made: what gatewayd offers and the API streams.
//
// read() and Reader from any thread; a Reader by one at a time. What a reader does not fetch in time is lost to it and
// counted, nobody waits for it. A reader is independent of the log's file and of other readers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

namespace penstock::telemetry {

constexpr unsigned kMaxLogReaders = 8;              // each formats every line that it asked for
constexpr size_t kMaxLogReaderBytes = 1024 * 1024;  // of lines that were not fetched

struct LogWish {
  std::string format = "json";  // as of --access-log-format
  uint32_t sample = 1;          // every how many-th record, above 0
  uint16_t least_status = 0;    // records with this status or a higher one, and those without an answer; 0: all
};

class LogSource {
 public:
  class Reader {
   public:
    virtual ~Reader() = default;
    // Appends what came since the last call, whole lines; how many. `lost` is set to the lines lost since the
    // beginning.
    virtual size_t take(std::string& lines, uint64_t& lost) = 0;
  };
  virtual ~LogSource() = default;
  // An error: the format. Null: kMaxLogReaders read already.
  virtual base::Result<std::unique_ptr<Reader>> read(const LogWish& wish) = 0;
};

}  // namespace penstock::telemetry
