#include "l7/h1/start_line.h"

#include <algorithm>

#include "l7/h1/field_line.h"
#include "l7/h1/scan.h"
#include "l7/http/chars.h"

namespace penstock::h1 {

namespace {

using http::Fault;
using http::Slice;

Slice slice_of(std::string_view text, const http::Arena& arena) {
  return {static_cast<uint32_t>(text.data() - arena.data()), static_cast<uint32_t>(text.size())};
}

// Drops the CR that must end a line, and refuses control characters in the rest.
Refusal check_line(Slice& line, const http::Arena& arena) {
  const std::string_view text = arena.view(line);
  if (text.empty() || text.back() != '\r') return Refusal::bare_lf;
  --line.size;
  const char* end = text.data() + line.size;
  const char* bad = scan::fast::find_control(text.data(), end);
  return bad == end ? Refusal::kNone : refusal_of_control(*bad);
}

Refusal parse_version(std::string_view text, http::Version& version, uint16_t& ambiguity) {
  if (text == "HTTP/1.1") {
    version = http::Version::kHttp11;
    return Refusal::kNone;
  }
  if (text.size() != 8 || text.substr(0, 5) != "HTTP/" || !http::is(text[5], http::kDigit) || text[6] != '.' ||
      !http::is(text[7], http::kDigit))
    return Refusal::bad_version;
  if (text[5] != '1') return Refusal::unsupported_version;
  version = text[7] == '0' ? http::Version::kHttp10 : http::Version::kHttp11;
  if (text[7] > '1') ambiguity |= http::kNewerMinorVersion;
  return Refusal::kNone;
}

Refusal take_authority(std::string_view text, http::RequestHead& head) {
  http::Authority authority;
  if (const Fault fault = http::parse_authority(text, authority); fault != Fault::kNone) return refusal_of(fault);
  if (authority.host.empty()) return Refusal::bad_authority;
  head.host_slice = slice_of(authority.host, head.arena);
  for (uint32_t i = 0; i < head.host_slice.size; ++i) {
    char& c = head.arena.data()[head.host_slice.at + i];
    c = http::lower(c);
  }
  head.port = authority.port;
  head.has_authority = true;
  return Refusal::kNone;
}

// "/path" or "/path?query"; normalised where it stands, since a normal path is never longer.
Refusal take_path_and_query(std::string_view text, const Limits& limits, http::RequestHead& head) {
  const size_t mark = text.find('?');
  const std::string_view path = text.substr(0, mark);
  char* in_place = head.arena.data() + (path.data() - head.arena.data());
  const http::NormalPath normal = http::normalise_path(path, limits.path, in_place);
  if (normal.fault != Fault::kNone) return refusal_of(normal.fault);
  head.path_slice = slice_of(normal.path, head.arena);
  if (mark == std::string_view::npos) return Refusal::kNone;
  const std::string_view query = text.substr(mark + 1);
  if (!http::all(query, http::kQuery)) return Refusal::bad_query;
  head.query_slice = slice_of(query, head.arena);
  head.has_query = true;
  return Refusal::kNone;
}

// RFC 9112 3.2.2. An absent path is "/", or "*" for OPTIONS without a query (3.2.4).
Refusal take_absolute_form(std::string_view target, const Limits& limits, http::RequestHead& head) {
  const size_t colon = target.find("://");
  if (colon == std::string_view::npos) return Refusal::bad_target;
  const std::string_view scheme = target.substr(0, colon);
  const bool secure = http::equals_lower(scheme, "https");
  if (!secure && !http::equals_lower(scheme, "http")) return Refusal::bad_scheme;
  head.scheme = secure ? http::Scheme::kHttps : http::Scheme::kHttp;
  const std::string_view rest = target.substr(colon + 3);
  const size_t authority_size = std::min(rest.find_first_of("/?#"), rest.size());
  if (const Refusal r = take_authority(rest.substr(0, authority_size), head); r != Refusal::kNone) return r;
  const std::string_view path = rest.substr(authority_size);
  if (!path.empty() && path.front() == '/') return take_path_and_query(path, limits, head);
  if (!path.empty() && path.front() == '#') return Refusal::bad_path;
  if (path.empty() && head.method == http::Method::kOptions) head.target = http::TargetKind::kServer;
  // The scheme has been read: its first byte becomes the path that is missing.
  head.path_slice = {slice_of(target, head.arena).at, 1};
  head.arena.data()[head.path_slice.at] = head.target == http::TargetKind::kServer ? '*' : '/';
  if (path.empty()) return Refusal::kNone;
  const std::string_view query = path.substr(1);
  if (!http::all(query, http::kQuery)) return Refusal::bad_query;
  head.query_slice = slice_of(query, head.arena);
  head.has_query = true;
  return Refusal::kNone;
}

Refusal take_target(std::string_view target, const Limits& limits, http::RequestHead& head) {
  if (head.method == http::Method::kConnect) {
    head.target = http::TargetKind::kAuthority;
    const Refusal refusal = take_authority(target, head);
    return refusal == Refusal::kNone && head.port == 0 ? Refusal::bad_target : refusal;
  }
  if (target.front() == '/') return take_path_and_query(target, limits, head);
  if (target == "*") {
    if (head.method != http::Method::kOptions) return Refusal::bad_target;
    head.target = http::TargetKind::kServer;
    head.path_slice = slice_of(target, head.arena);
    return Refusal::kNone;
  }
  return take_absolute_form(target, limits, head);
}

}  // namespace

Refusal parse_request_line(Slice line, const Limits& limits, http::RequestHead& head) {
  if (const Refusal refusal = check_line(line, head.arena); refusal != Refusal::kNone) return refusal;
  std::string_view text = head.arena.view(line);
  const size_t first = text.find(' ');
  if (first == std::string_view::npos) return Refusal::bad_request_line;
  const std::string_view method = text.substr(0, first);
  if (!http::is_token(method)) return Refusal::bad_method;
  if (method.size() > http::kMaxMethodBytes) return Refusal::method_too_long;
  head.method = http::method_of(method);
  head.method_slice = slice_of(method, head.arena);

  text.remove_prefix(first + 1);
  const size_t second = text.find(' ');
  if (second == std::string_view::npos || second == 0) return Refusal::bad_request_line;
  const std::string_view target = text.substr(0, second);
  if (const Refusal r = parse_version(text.substr(second + 1), head.version, head.ambiguity); r != Refusal::kNone)
    return r;
  if (target.size() > limits.head.target_bytes) return Refusal::target_too_long;
  return take_target(target, limits, head);
}

Refusal parse_status_line(Slice line, http::ResponseHead& head) {
  if (const Refusal refusal = check_line(line, head.arena); refusal != Refusal::kNone) return refusal;
  const std::string_view text = head.arena.view(line);
  const size_t space = text.find(' ');
  if (space == std::string_view::npos) return Refusal::bad_status_line;
  if (const Refusal r = parse_version(text.substr(0, space), head.version, head.ambiguity); r != Refusal::kNone)
    return r;
  const std::string_view rest = text.substr(space + 1);
  if (rest.size() < 3 || !http::all(rest.substr(0, 3), http::kDigit)) return Refusal::bad_status_line;
  // Servers leave out the space before a phrase that is empty, against RFC 9112 4. It can mean nothing else.
  if (rest.size() > 3 && rest[3] != ' ') return Refusal::bad_status_line;
  const int status = (rest[0] - '0') * 100 + (rest[1] - '0') * 10 + (rest[2] - '0');
  if (!http::is_status(static_cast<unsigned>(status))) return Refusal::bad_status;
  head.status = static_cast<uint16_t>(status);
  head.reason_slice = slice_of(rest.substr(std::min<size_t>(4, rest.size())), head.arena);
  return Refusal::kNone;
}

}  // namespace penstock::h1
