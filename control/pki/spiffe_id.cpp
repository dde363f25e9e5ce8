#include "control/pki/spiffe_id.h"

namespace penstock::pki {
namespace {

constexpr std::string_view kCommon = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
constexpr size_t kMaxQuotedBytes = 80;

bool is_common(char c) { return kCommon.find(c) != std::string_view::npos; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

base::Error fault(std::string_view text, const std::string& reason) {
  return base::Error{"SPIFFE ID " + quoted(text) + ": " + reason};
}

base::Result<void> check_path(std::string_view path, std::string_view whole) {
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::string_view segment = path.substr(0, path.find('/'));
    if (segment.empty()) return fault(whole, "the path has an empty segment, or ends with /");
    if (segment == "." || segment == "..") return fault(whole, "the path has a segment " + quoted(segment));
    for (const char c : segment) {
      if (c == '%') return fault(whole, "percent-encoding is not allowed");
      if (c == '?' || c == '#') return fault(whole, "a query or fragment is not allowed");
      if (!is_common(c) && !is_upper(c))
        return fault(whole, "the path has " + quoted({&c, 1}) + ", want letters, digits, . - _ and /");
    }
    path.remove_prefix(segment.size());
  }
  return {};
}

}  // namespace

std::string quoted(std::string_view text) {
  static constexpr const char* kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text.substr(0, kMaxQuotedBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
      out += std::string("\\x") + kHex[byte >> 4] + kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + (text.size() > kMaxQuotedBytes ? "...\"" : "\"");
}

base::Result<void> check_trust_domain(std::string_view name) {
  const auto wrong = [name](const std::string& reason) {
    return base::Error{"trust domain " + quoted(name) + ": " + reason};
  };
  if (name.empty()) return wrong("is empty, want a name such as example.org");
  if (name.size() > kMaxTrustDomainBytes)
    return wrong("has " + std::to_string(name.size()) + " bytes, at most " + std::to_string(kMaxTrustDomainBytes));
  for (const char c : name) {
    if (c == '@' || c == ':') return wrong("a user or port is not allowed");
    if (is_upper(c)) return wrong("has capital letters, want lower case");
    if (c == '%') return wrong("percent-encoding is not allowed");
    if (!is_common(c)) return wrong("has " + quoted({&c, 1}) + ", want a-z 0-9 . - _");
  }
  return {};
}

base::Result<SpiffeId> SpiffeId::parse(std::string_view text) {
  if (text.size() > kMaxSpiffeIdBytes) {
    return fault(text, "has " + std::to_string(text.size()) + " bytes, at most " + std::to_string(kMaxSpiffeIdBytes));
  }
  if (!text.starts_with(kSpiffePrefix)) return fault(text, "want spiffe://trust-domain/path");
  const size_t slash = text.find('/', kSpiffePrefix.size());
  const size_t end = slash == std::string_view::npos ? text.size() : slash;
  const std::string_view domain = text.substr(kSpiffePrefix.size(), end - kSpiffePrefix.size());
  if (domain.find_first_of("?#") != std::string_view::npos) return fault(text, "a query or fragment is not allowed");
  if (auto valid = check_trust_domain(domain); !valid) return fault(text, valid.error());
  if (auto valid = check_path(text.substr(end), text); !valid) return base::Error{valid.error()};
  SpiffeId id;
  id.text_ = text;
  id.domain_end_ = end;
  return id;
}

std::string_view SpiffeId::trust_domain() const {
  if (text_.empty()) return {};
  return std::string_view(text_).substr(kSpiffePrefix.size(), domain_end_ - kSpiffePrefix.size());
}

std::string_view SpiffeId::path() const { return std::string_view(text_).substr(domain_end_); }

}  // namespace penstock::pki
