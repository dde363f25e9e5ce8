#include "control/loop/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <ctime>
#include <mutex>

namespace penstock::loop::log {
namespace {

struct State {
  std::mutex mutex;
  Format format = Format::kKeyValue;
  Level least = Level::kInfo;
  Limiter limiter;
  std::shared_ptr<spdlog::logger> logger;

  State() {
    logger = std::make_shared<spdlog::logger>("penstock", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%v");  // line() makes all of it
    logger->set_level(spdlog::level::trace);
    logger->flush_on(spdlog::level::trace);
  }
};

State& state() {
  static State one;
  return one;
}

const char* to_string(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarn:
      return "warn";
    case Level::kError:
      return "error";
  }
  return "?";
}

std::string timestamp(base::Nanos wall) {  // RFC 3339, milliseconds
  const auto seconds = static_cast<time_t>(wall / base::kNanosPerSecond);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  const size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  char fraction[8];
  std::snprintf(fraction, sizeof fraction, ".%03uZ", static_cast<unsigned>(wall / 1'000'000 % 1000));
  return std::string(text, n) + fraction;
}

// A JSON string; also used for quoted values of key=value lines.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      out += escaped;
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_value(std::string& out, std::string_view text) {
  bool plain = !text.empty();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    plain &= byte > 0x20 && byte != 0x7f && c != '"' && c != '=' && c != '\\';
  }
  if (plain) {
    out += text;
  } else {
    append_quoted(out, text);
  }
}

}  // namespace

base::Result<Level> parse_level(std::string_view text) {
  for (const Level level : {Level::kDebug, Level::kInfo, Level::kWarn, Level::kError}) {
    if (text == to_string(level)) return level;
  }
  return base::Error{"log level \"" + std::string(text) + "\" is unknown (want debug, info, warn or error)"};
}

base::Result<Format> parse_format(std::string_view text) {
  if (text == "keyvalue") return Format::kKeyValue;
  if (text == "json") return Format::kJson;
  return base::Error{"log format \"" + std::string(text) + "\" is unknown (want keyvalue or json)"};
}

void setup(Format format, Level least) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.format = format;
  s.least = least;
}

std::string line(Format format, Level level, base::Nanos wall, std::string_view message, Fields fields,
                 uint64_t suppressed) {
  std::string out;
  const bool json = format == Format::kJson;
  const auto add = [&](std::string_view key, std::string_view value) {
    if (json) {
      out += out.empty() ? "{" : ",";
      append_quoted(out, key);
      out += ':';
      append_quoted(out, value);
    } else {
      if (!out.empty()) out += ' ';
      out += key;
      out += '=';
      append_value(out, value);
    }
  };
  add("ts", timestamp(wall));
  add("level", to_string(level));
  add("msg", message);
  for (const auto& [key, value] : fields) add(key, value);
  if (suppressed != 0) add("suppressed", std::to_string(suppressed));
  if (json) out += '}';
  return out;
}

Limiter::Decision Limiter::admit(std::string_view message, base::Nanos now) {
  auto at = windows_.find(message);
  if (at == windows_.end()) {
    if (windows_.size() >= kMaxMessages) windows_.clear();
    at = windows_.emplace(std::string(message), Window{now, 0, 0}).first;
  }
  Window& window = at->second;
  if (now - window.began >= base::kNanosPerSecond) {
    window.began = now;
    window.lines = 0;
  }
  if (window.lines >= kLinesPerSecond) {
    ++window.suppressed;
    return {false, 0};
  }
  ++window.lines;
  return {true, std::exchange(window.suppressed, 0)};
}

void write(Level level, std::string_view message, Fields fields) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (level < s.least) return;
  const auto decision = s.limiter.admit(message, base::monotonic_now());
  if (!decision.pass) return;
  s.logger->info(line(s.format, level, base::wall_now(), message, fields, decision.suppressed));
}

}  // namespace penstock::loop::log
