#include "l7/log/text.h"

#include <cstdio>
#include <ctime>

namespace penstock::l7log {

namespace {

constexpr char kHex[] = "0123456789abcdef";

bool is_plain(char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; }

void append_hex(std::string& out, char c) {
  const auto byte = static_cast<uint8_t>(c);
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (is_plain(c)) {
      out += c;
      continue;
    }
    out += "\\x";
    append_hex(out, c);
  }
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (is_plain(c)) {
      out += c;
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else {
      out += "\\u00";
      append_hex(out, c);
    }
  }
  out += '"';
}

void append_time(std::string& out, base::Nanos wall) {
  const auto seconds = static_cast<time_t>(wall / base::kNanosPerSecond);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[48];
  const size_t date = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + date, sizeof text - date, ".%03uZ",
                static_cast<unsigned>(wall % base::kNanosPerSecond / 1'000'000));
  out += text;
}

void append_address(std::string& out, const base::IpAddress& address, uint16_t port) {
  if (address.is_v6()) out += '[';
  out += address.to_string();
  if (address.is_v6()) out += ']';
  out.append(":").append(std::to_string(port));
}

void append_flags(std::string& out, uint32_t flags) {
  bool first = true;
  for (size_t i = 0; i < proxy::kFlags; ++i) {
    if ((flags >> i & 1) == 0) continue;
    if (!first) out += ',';
    out += proxy::kFlagLetters[i];
    first = false;
  }
}

std::string_view protocol_of(http::Version version) {
  switch (version) {
    case http::Version::kHttp10:
      return "HTTP/1.0";
    case http::Version::kHttp11:
      return "HTTP/1.1";
    case http::Version::kHttp2:
      return "HTTP/2";
  }
  return "";
}

}  // namespace penstock::l7log
