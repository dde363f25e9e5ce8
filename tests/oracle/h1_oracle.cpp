#include "oracle/h1_oracle.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <cstring>

namespace penstock::oracle {

namespace {

bool in(const std::string& set, char c) { return c != 0 && set.find(c) != std::string::npos; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool hex(char c) { return digit(c) || in("abcdefABCDEF", c); }
bool tchar(char c) { return digit(c) || alpha(c) || in("!#$%&'*+-.^_`|~", c); }
bool blank(char c) { return c == ' ' || c == '\t'; }
bool control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }
bool unreserved(char c) { return alpha(c) || digit(c) || in("-._~", c); }
bool host_char(char c) { return unreserved(c) || in("!$&'()*+,;=", c); }
bool path_char(char c) { return host_char(c) || in(":@%/[]|^", c); }
bool query_char(char c) { return path_char(c) || in("?{}`\\", c); }
bool token(const std::string& text) { return !text.empty() && std::all_of(text.begin(), text.end(), tchar); }
std::string low(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}
std::string trimmed(std::string text) {
  while (!text.empty() && blank(text.back())) text.pop_back();
  while (!text.empty() && blank(text.front())) text.erase(0, 1);
  return text;
}
const char* control_name(char c) { return c == '\r' ? "bare_cr" : c == 0 ? "nul_byte" : "control_character"; }

}  // namespace

std::vector<std::string> H1Oracle::split(const std::string& list) {
  std::vector<std::string> elements{""};
  for (const char c : list) {
    if (c == ',')
      elements.emplace_back();
    else
      elements.back() += c;
  }
  for (std::string& element : elements) element = trimmed(element);
  return elements;
}

std::string H1Oracle::line(size_t most, const char* too_long) {
  std::string text;
  for (size_t i = at_;; ++i) {
    if (text.size() + 1 > most) refuse(too_long);  // even an LF now would come too late
    if (i == in_.size()) throw Stop{};
    if (in_[i] == '\n') {
      at_ = i + 1;
      return text;
    }
    text += in_[i];
  }
}

void H1Oracle::no_controls(const std::string& text) const {
  for (const char c : text)
    if (control(c)) refuse(control_name(c));
}

FieldList H1Oracle::fields(size_t most, bool trailers) {
  FieldList list;
  const size_t start = at_;
  for (;;) {
    const std::string text = line(most - (at_ - start), "fields_too_large");
    if (text == "\r") return list;
    field_line(text, trailers, list);
  }
}

void H1Oracle::field_line(const std::string& text, bool trailers, FieldList& out) {
  if (text.empty() || text.back() != '\r') refuse("bare_lf");
  const std::string whole = text.substr(0, text.size() - 1);
  if (blank(text[0])) refuse("line_folding");
  if (out.size() >= limits_.head.field_count) refuse("too_many_fields");
  size_t i = 0;
  while (i < whole.size() && tchar(whole[i])) ++i;
  if (i == whole.size()) refuse("missing_colon");
  if (blank(whole[i])) {
    while (i < whole.size() && blank(whole[i])) ++i;
    refuse(i < whole.size() && whole[i] == ':' ? "space_before_colon" : "bad_field_name");
  }
  if (control(whole[i])) refuse(control_name(whole[i]));
  if (whole[i] != ':') refuse("bad_field_name");
  if (i == 0) refuse("empty_field_name");
  if (i > 256) refuse("bad_field_name");
  const std::string name = low(whole.substr(0, i));
  const std::string value = whole.substr(i + 1);
  no_controls(value);
  if (trailers && h1::forbidden_in_trailers(http::field_id_of(name))) refuse("forbidden_trailer");
  out.emplace_back(name, trimmed(value));
}

std::string H1Oracle::version(const std::string& text) {
  if (text.size() != 8 || text.compare(0, 5, "HTTP/") != 0 || !digit(text[5]) || text[6] != '.' || !digit(text[7]))
    refuse("bad_version");
  if (text[5] != '1') refuse("unsupported_version");
  if (text[7] > '1') ambiguity_ |= http::kNewerMinorVersion;
  old_ = text[7] == '0';
  return old_ ? "1.0" : "1.1";
}

void H1Oracle::host(const std::string& text) {
  if (text.find('@') != std::string::npos) refuse("user_info");
  size_t i = 0;
  if (!text.empty() && text[0] == '[') {
    i = text.find(']');
    in6_addr address;
    if (i == std::string::npos || text.find('\0') != std::string::npos ||
        inet_pton(AF_INET6, text.substr(1, i - 1).c_str(), &address) != 1)
      refuse("bad_authority");
    ++i;
  } else {
    while (i < text.size() && host_char(text[i])) ++i;
  }
  if (i > 255) refuse("bad_authority");
  unsigned long port = 0;
  if (i < text.size()) {
    if (i == 0 || text[i] != ':') refuse("bad_authority");
    for (size_t d = i + 1; d < text.size(); ++d) {
      if (!digit(text[d])) refuse("bad_authority");
      port = std::min(port * 10 + static_cast<unsigned long>(text[d] - '0'), 1000000ul);
    }
    if (port > 65535 || (port == 0 && i + 1 < text.size())) refuse("bad_authority");
  }
  host_ = low(text.substr(0, i));
  port_ = static_cast<unsigned>(port);
}

void H1Oracle::path_and_query(const std::string& text) {
  const size_t mark = text.find('?');
  const std::string path = text.substr(0, mark);
  const auto policy = limits_.path.escaped_slash;
  std::string decoded;
  for (size_t i = 0; i < path.size(); ++i) {
    if (!path_char(path[i])) refuse("bad_path");
    if (path[i] != '%') {
      decoded += path[i];
      continue;
    }
    if (i + 2 >= path.size() || !hex(path[i + 1]) || !hex(path[i + 2])) refuse("bad_escape");
    const char c = static_cast<char>(std::stoi(path.substr(i + 1, 2), nullptr, 16));
    if (c == 0) refuse("escaped_nul");
    if ((c == '/' || c == '\\') && policy == http::EscapedSlash::kReject) refuse("escaped_slash");
    std::string escape = path.substr(i, 3);
    for (char& e : escape) e = static_cast<char>(std::toupper(e));
    if (unreserved(c) || (c == '/' && policy == http::EscapedSlash::kDecode))
      decoded += c;
    else
      decoded += escape;
    i += 2;
  }
  if (limits_.path.merge_slashes)
    decoded.erase(std::unique(decoded.begin(), decoded.end(), [](char a, char b) { return a == '/' && b == '/'; }),
                  decoded.end());
  // RFC 3986 5.2.4, as it is written there.
  std::string input = decoded;
  while (!input.empty()) {
    if (input.compare(0, 3, "/./") == 0) {
      input.erase(0, 2);
    } else if (input == "/.") {
      input = "/";
    } else if (input.compare(0, 4, "/../") == 0 || input == "/..") {
      input = input == "/.." ? "/" : input.substr(3);
      path_.erase(path_.empty() ? 0 : path_.rfind('/'));
    } else {
      const size_t end = std::min(input.find('/', 1), input.size());
      path_ += input.substr(0, end);
      input.erase(0, end);
    }
  }
  if (limits_.path.merge_slashes)  // "/..//x" and the like were merged before; nothing is left to merge
    path_.erase(std::unique(path_.begin(), path_.end(), [](char a, char b) { return a == '/' && b == '/'; }),
                path_.end());
  if (mark == std::string::npos) return;
  query_ = text.substr(mark + 1);
  if (!std::all_of(query_.begin(), query_.end(), query_char)) refuse("bad_query");
  has_query_ = true;
}

std::string H1Oracle::target(const std::string& text) {
  if (method_ == "CONNECT") {
    host(text);
    if (host_.empty()) refuse("bad_authority");
    if (port_ == 0) refuse("bad_target");
    has_host_ = true;
    return "";
  }
  if (text[0] == '/') {
    path_and_query(text);
    return path_;
  }
  if (text == "*") {
    if (method_ != "OPTIONS") refuse("bad_target");
    return path_ = "*";
  }
  const size_t colon = text.find("://");
  if (colon == std::string::npos) refuse("bad_target");
  const std::string scheme = low(text.substr(0, colon));
  if (scheme != "http" && scheme != "https") refuse("bad_scheme");
  secure_ = scheme == "https";
  const std::string rest = text.substr(colon + 3);
  size_t end = 0;
  while (end < rest.size() && !in("/?#", rest[end])) ++end;
  host(rest.substr(0, end));
  if (host_.empty()) refuse("bad_authority");
  has_host_ = true;
  std::string path = rest.substr(end);
  if (path.empty() && method_ == "OPTIONS") return path_ = "*";
  if (!path.empty() && path[0] == '#') refuse("bad_path");
  if (path.empty() || path[0] == '?') path = "/" + path;
  path_and_query(path);
  return path_;
}

std::string H1Oracle::request_line(const std::string& with_cr) {
  if (with_cr.empty() || with_cr.back() != '\r') refuse("bare_lf");
  const std::string text = with_cr.substr(0, with_cr.size() - 1);
  no_controls(text);
  const size_t first = text.find(' ');
  if (first == std::string::npos) refuse("bad_request_line");
  method_ = text.substr(0, first);
  if (!token(method_)) refuse("bad_method");
  if (method_.size() > 32) refuse("method_too_long");
  const size_t second = text.find(' ', first + 1);
  if (second == std::string::npos || second == first + 1) refuse("bad_request_line");
  const std::string wanted = text.substr(first + 1, second - first - 1);
  const std::string spoken = version(text.substr(second + 1));
  if (wanted.size() > limits_.head.target_bytes) refuse("target_too_long");
  target(wanted);
  return spoken;
}

void H1Oracle::drop(const std::vector<std::string>& names) {
  std::erase_if(fields_,
                [&](const auto& field) { return std::find(names.begin(), names.end(), field.first) != names.end(); });
}

void H1Oracle::connection() {
  std::vector<std::string> named;
  unsigned count = 0;
  for (const auto& [name, value] : fields_) {
    if (name != "connection") continue;
    for (std::string option : split(value)) {
      if (option.empty()) continue;
      const bool right = token(option);
      option = low(option);
      if (!right || ++count > h1::kMaxConnectionOptions || option == "host" || option == "content-length")
        refuse("bad_connection");
      if (option == "close")
        close_ = true;
      else if (option == "keep-alive")
        keep_alive_ = true;
      else if (option == "upgrade")
        wants_upgrade_ = true;
      else if (option == "transfer-encoding")
        ambiguity_ |= http::kConnectionNamesFraming;
      else if (option != "te")
        named.push_back(option);
    }
  }
  drop(named);
}

void H1Oracle::one_length(const std::string& text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), digit)) refuse("bad_content_length");
  unsigned __int128 length = 0;
  for (const char c : text) {
    length = length * 10 + static_cast<unsigned>(c - '0');
    if (length >> 63) refuse("bad_content_length");
  }
  if (declared_ && length_ != static_cast<unsigned long long>(length)) refuse("differing_content_lengths");
  if (declared_) ambiguity_ |= http::kRepeatedContentLength;
  declared_ = true;
  length_ = static_cast<unsigned long long>(length);
}

void H1Oracle::lengths() {
  std::vector<std::string> codings;
  bool coded = false, counted = false;
  for (const auto& [name, value] : fields_) {
    coded |= name == "transfer-encoding";
    counted |= name == "content-length";
    if (name == "transfer-encoding")
      for (const std::string& coding : split(value)) codings.push_back(low(coding));
  }
  if (coded && counted) refuse("both_lengths");
  if (coded && old_) refuse("transfer_encoding_in_http10");
  for (const auto& [name, value] : fields_)
    if (name == "content-length")
      for (const std::string& element : split(value)) one_length(element);
  if (!coded) return;
  bool known_before = false;
  for (size_t i = 0; i < codings.size(); ++i) {
    const bool last = i + 1 == codings.size();
    const std::string& coding = codings[i];
    const bool known =
        coding == "gzip" || coding == "x-gzip" || coding == "deflate" || coding == "compress" || coding == "x-compress";
    if (last ? coding != "chunked" : !known) refuse("bad_transfer_encoding");
    known_before |= known;
  }
  if (known_before) refuse("transfer_coding_not_implemented");
  body_ = 'c';
}

bool H1Oracle::upgrade_usable(std::string& value) const {
  unsigned count = 0;
  for (const auto& field : fields_) {
    if (field.first != "upgrade") continue;
    ++count;
    value = field.second;
  }
  if (count != 1 || value.empty()) return false;
  for (const std::string& protocol : split(value)) {
    const size_t slash = protocol.find('/');
    if (!token(protocol.substr(0, slash)) || low(protocol) == "h2c") return false;
    if (slash != std::string::npos && !token(protocol.substr(slash + 1))) return false;
  }
  return true;
}

std::string H1Oracle::written(const FieldList& list, const char* label) const {
  std::string text;
  for (const auto& [name, value] : list) text += std::string(label) + " " + name + "=" + value + "\n";
  return text;
}

void H1Oracle::reset() {
  fields_.clear();
  trailers_.clear();
  method_ = host_ = path_ = query_ = upgrade_ = "";
  has_query_ = has_host_ = absolute_ = secure_ = close_ = keep_alive_ = wants_upgrade_ = old_ = declared_ = false;
  port_ = ambiguity_ = 0;
  status_ = 0;
  body_ = 'n';
  length_ = 0;
}

}  // namespace penstock::oracle
