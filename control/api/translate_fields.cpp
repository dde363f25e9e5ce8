#include "control/api/translate_fields.h"

#include <charconv>
#include <cmath>

#include "control/pki/spiffe_id.h"

namespace penstock::api {

namespace {

constexpr Choice<uint8_t> kProtocols[] = {
    {"tcp", 6},    {"udp", 17}, {"icmp", 1}, {"icmpv6", 58}, {"sctp", 132}, {"ospf", 89},
    {"vrrp", 112}, {"gre", 47}, {"esp", 50}, {"ah", 51},     {"igmp", 2},   {"pim", 103},
};

constexpr Choice<uint8_t> kTcpFlags[] = {
    {"FIN", 1}, {"SYN", 2}, {"RST", 4}, {"PSH", 8}, {"ACK", 16}, {"URG", 32}, {"ECE", 64}, {"CWR", 128},
};

constexpr Choice<double> kUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
constexpr double kMaxMilliseconds = 4294967295.0;  // 49 days; every duration here is bounded far below

// Milliseconds of "1m30s"; nothing: not a duration.
std::optional<double> parse_duration(std::string_view text) {
  double sum = 0;
  if (text.empty() || text.size() > 64) return std::nullopt;
  while (!text.empty()) {
    double number = 0;
    const auto [stop, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc() || !std::isfinite(number) || std::signbit(number)) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(stop - text.data()));
    size_t letters = 0;
    while (letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z') ++letters;
    double unit = 0;
    for (const auto& each : kUnits)
      if (text.substr(0, letters) == each.name) unit = each.value;
    if (unit == 0) return std::nullopt;
    text.remove_prefix(letters);
    sum += std::round(number * unit * 1e6) / 1e6;  // 1.001 s are 1001 ms, whatever a double makes of it
  }
  return sum;
}

constexpr const char* kWantDuration = " is not a duration (want \"500ms\", \"10s\", \"1m30s\")";

}  // namespace

std::string_view beginning_of(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<uint8_t>(text[most]) & 0xc0) == 0x80) --most;
  return text.substr(0, most);
}

std::string Path::to_string() const {
  std::string out = parent ? parent->to_string() : "";
  if (!out.empty()) out += '.';
  out += name;
  if (index >= 0) out += "[" + std::to_string(index) + "]";
  return out;
}

void Fields::fault(const Path& path, std::string reason) {
  ++faults_;
  constexpr size_t kMostPerBundle = 1000;  // as model::kMaxFaults: a reply must stay readable
  if (errors_.size() < kMostPerBundle) {
    errors_.push_back({object_, path.to_string(), std::move(reason)});
  } else if (errors_.size() == kMostPerBundle) {
    errors_.push_back({"bundle", "", "more faults are not shown"});
  }
}

std::string Fields::quoted(std::string_view text) { return "\"" + std::string(beginning_of(text, 64)) + "\""; }

void Fields::address(const Path& path, std::string_view text, base::IpAddress& out) {
  const auto parsed = base::IpAddress::parse(text);
  if (parsed.ok()) {
    out = parsed.value();
  } else {
    fault(path, parsed.error());
  }
}

void Fields::prefix(const Path& path, std::string_view text, base::Prefix& out) {
  const auto parsed = base::Prefix::parse(text);
  if (parsed.ok()) {
    out = parsed.value();
  } else {
    fault(path, parsed.error());
  }
}

void Fields::link_address(const Path& path, std::string_view text, model::LinkAddress& out) {
  const size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, colon == std::string_view::npos ? 0 : colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = base::IpAddress::parse(host);
  const auto port = colon == std::string_view::npos ? std::nullopt : parse_number(text.substr(colon + 1), UINT16_MAX);
  if (!address || !port || *port == 0 || address->is_v4() == bracketed)
    return fault(path, quoted(text) + " is not an address and a port (want 192.0.2.7:9510 or [2001:db8::7]:9510)");
  out = {*address, static_cast<uint16_t>(*port)};
}

void Fields::spiffe_id(const Path& path, std::string_view text, std::string& out) {
  auto id = pki::SpiffeId::parse(text);
  if (!id) return fault(path, id.error());
  out = id->text();
}

void Fields::mac(const Path& path, std::string_view text, base::MacAddress& out) {
  const auto parsed = base::MacAddress::parse(text);
  if (parsed.ok()) {
    out = parsed.value();
  } else {
    fault(path, parsed.error());
  }
}

void Fields::milliseconds(const Path& path, std::string_view text, uint32_t& out) {
  const auto parsed = parse_duration(text);
  if (!parsed) {
    fault(path, quoted(text) + kWantDuration);
  } else if (*parsed > kMaxMilliseconds || std::trunc(*parsed) != *parsed) {
    fault(path, quoted(text) + " is out of range (want whole milliseconds, at most 49 days)");
  } else {
    out = static_cast<uint32_t>(*parsed);
  }
}

void Fields::seconds(const Path& path, std::string_view text, uint32_t& out) {
  const auto parsed = parse_duration(text);
  if (!parsed) {
    fault(path, quoted(text) + kWantDuration);
  } else if (*parsed > kMaxMilliseconds || std::fmod(*parsed, 1000) != 0) {
    fault(path, quoted(text) + " is out of range (want whole seconds, at most 49 days)");
  } else {
    out = static_cast<uint32_t>(*parsed / 1000);
  }
}

std::optional<uint8_t> parse_protocol(std::string_view text) {
  for (const auto& each : kProtocols)
    if (text == each.name) return each.value;
  const auto number = parse_number(text, 255);
  return number ? std::optional(static_cast<uint8_t>(*number)) : std::nullopt;
}

void Fields::protocol(const Path& path, std::string_view text, uint8_t& out) {
  const auto parsed = parse_protocol(text);
  if (parsed) {
    out = *parsed;
    return;
  }
  std::string names;
  for (const auto& each : kProtocols) names += std::string(each.name) + ", ";
  fault(path, text.empty() ? "is missing" : quoted(text) + " is no protocol (want " + names + "or a number 1 to 255)");
}

void Fields::ports(const Path& path, std::string_view text, model::PortRange& out) {
  const size_t dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash), 65535);
  const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1), 65535);
  if (!first || !last) {
    fault(path, quoted(text) + " is no port or range (want \"80\" or \"8000-8080\", within 0 to 65535)");
    return;
  }
  out = {static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
}

bool parse_tcp_flags(std::string_view text, uint8_t& flags, uint8_t& mask) {
  uint8_t set = 0, looked = 0;
  while (true) {
    const size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    const bool negated = item.starts_with('!');
    if (negated) item.remove_prefix(1);
    uint8_t bit = 0;
    for (const auto& each : kTcpFlags)
      if (item == each.name) bit = each.value;
    if (bit == 0 || (looked & bit)) return false;
    looked |= bit;
    if (!negated) set |= bit;
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  flags = set;
  mask = looked;
  return true;
}

void Fields::tcp_flags(const Path& path, std::string_view text, uint8_t& flags, uint8_t& mask) {
  if (!parse_tcp_flags(text, flags, mask))
    fault(path, quoted(text) +
                    " is not a list of flags (want \"SYN,!ACK\", each of FIN, SYN, RST, PSH, ACK, URG, ECE, "
                    "CWR at most once)");
}

void Fields::bytes(const Path& path, std::string_view text, std::string& out) {
  std::string read;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      read += text[i];
      continue;
    }
    constexpr std::string_view kEscapes = "nrt\\", kMeanings = "\n\r\t\\";
    const char next = i + 1 < text.size() ? text[i + 1] : 0;
    const size_t known = kEscapes.find(next);
    unsigned code = 0;
    const char* hex = text.data() + i + 2;
    if (known != kEscapes.npos) {
      read += kMeanings[known];
      i += 1;
    } else if (next == 'x' && i + 3 < text.size() && std::from_chars(hex, hex + 2, code, 16).ptr == hex + 2) {
      read += static_cast<char>(code);
      i += 3;
    } else {
      fault(path, quoted(text) + " has a '\\' that begins none of \\n, \\r, \\t, \\\\ and \\xNN");
      return;
    }
  }
  out = std::move(read);
}

std::string seconds_text(uint32_t seconds) { return std::to_string(seconds) + "s"; }

std::string milliseconds_text(uint32_t milliseconds) {
  return milliseconds % 1000 ? std::to_string(milliseconds) + "ms" : seconds_text(milliseconds / 1000);
}

std::string protocol_text(uint8_t protocol) {
  const char* name = name_of(protocol, kProtocols);
  return *name ? name : std::to_string(protocol);
}

std::string ports_text(const model::PortRange& range) {
  std::string out = std::to_string(range.first);
  if (range.last != range.first) out += "-" + std::to_string(range.last);
  return out;
}

std::string tcp_flags_text(uint8_t flags, uint8_t mask) {
  std::string out;
  for (const auto& each : kTcpFlags) {
    if (!(mask & each.value)) continue;
    out += std::string(out.empty() ? "" : ",") + (flags & each.value ? "" : "!") + each.name;
  }
  return out;
}

std::string bytes_text(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c >= ' ' && c < 127) {
      out += c;
    } else {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(c));
      out += escape;
    }
  }
  return out;
}

std::optional<uint64_t> parse_number(std::string_view text, uint64_t most) {
  uint64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size() || number > most) return std::nullopt;
  return number;
}

}  // namespace penstock::api
