// The log of the control side: one line an event, key=value or JSON, to standard error (journald's job from there).
//
//   2026-05-01T12:00:00.123Z level=info msg="link up" interface=wan speed_mbps=25000
//   {"ts":"2026-05-01T12:00:00.123Z","level":"info","msg":"link up","interface":"wan","speed_mbps":"25000"}
//
// The same message comes at most kLinesPerSecond times a second; what was held back is counted in the next line that
// passes (suppressed=37). Any thread but the workers': they never log, they hand over events.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/time.h"

namespace penstock::loop::log {

constexpr unsigned kLinesPerSecond = 10;  // of one message: enough to see it, too few to fill a disk
constexpr size_t kMaxMessages = 1000;     // distinct ones remembered; messages are constants of the program

enum class Format : uint8_t { kKeyValue, kJson };
enum class Level : uint8_t { kDebug, kInfo, kWarn, kError };

using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;

base::Result<Level> parse_level(std::string_view text);    // "debug", "info", "warn", "error"
base::Result<Format> parse_format(std::string_view text);  // "keyvalue", "json"

// Once, before other threads log. Until then: key=value from level info.
void setup(Format format, Level least);

// `message` is a constant sentence; what varies goes into fields.
void write(Level level, std::string_view message, Fields fields = {});
inline void debug(std::string_view message, Fields fields = {}) { write(Level::kDebug, message, fields); }
inline void info(std::string_view message, Fields fields = {}) { write(Level::kInfo, message, fields); }
inline void warn(std::string_view message, Fields fields = {}) { write(Level::kWarn, message, fields); }
inline void error(std::string_view message, Fields fields = {}) { write(Level::kError, message, fields); }

// The line without its end; `wall` in CLOCK_REALTIME ns. Control characters and quotes of values are escaped.
std::string line(Format format, Level level, base::Nanos wall, std::string_view message, Fields fields,
                 uint64_t suppressed = 0);

// Decides which lines pass. Not thread-safe.
class Limiter {
 public:
  struct Decision {
    bool pass = true;
    uint64_t suppressed = 0;  // since the last one that passed
  };
  Decision admit(std::string_view message, base::Nanos now);

 private:
  struct Window {
    base::Nanos began = 0;
    unsigned lines = 0;
    uint64_t suppressed = 0;
  };
  std::map<std::string, Window, std::less<>> windows_;
};

}  // namespace penstock::loop::log
