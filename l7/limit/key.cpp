#include "l7/limit/key.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "l7/config/hostname.h"
#include "l7/http/cookie.h"

namespace penstock::limit {

namespace {

using Kind = config::LimitComponent::Kind;

class KeyHash {
 public:
  KeyHash(const tcp::HashKey& secret, uint64_t slot) : secret_(secret), state_(slot) {}

  void add(Kind kind, std::string_view text) {
    const uint64_t head = static_cast<uint64_t>(kind) << 56 | text.size();
    uint64_t words[4]{};
    const size_t first = std::min(text.size(), sizeof words);
    if (first != 0) std::memcpy(words, text.data(), first);
    state_ = tcp::keyed_hash(secret_, {state_, head, words[0], words[1], words[2], words[3]});
    for (text.remove_prefix(first); !text.empty(); text.remove_prefix(std::min(text.size(), sizeof words))) {
      std::memset(words, 0, sizeof words);
      std::memcpy(words, text.data(), std::min(text.size(), sizeof words));
      state_ = tcp::keyed_hash(secret_, {state_, words[0], words[1], words[2], words[3]});
    }
  }
  void add(Kind kind, const base::IpAddress& address) {
    state_ = tcp::keyed_hash(
        secret_, {state_, static_cast<uint64_t>(kind) << 56 | address.bytes.size(),
                  base::load_raw<uint64_t>(&address.bytes[0]), base::load_raw<uint64_t>(&address.bytes[8])});
  }
  // What is there and cannot be read: one key for all of them, since it must not lead past the limit.
  void add_unreadable(Kind kind) {
    state_ = tcp::keyed_hash(secret_, {state_, static_cast<uint64_t>(kind) << 56 | UINT32_MAX});
  }
  uint64_t value() const { return state_ | 1; }

 private:
  const tcp::HashKey& secret_;
  uint64_t state_;
};

std::string_view segment_of(std::string_view path) { return path.substr(0, path.find('/')); }

// False: the path does not fit. See config::check_path_pattern.
bool add_pattern(std::string_view pattern, std::string_view path, KeyHash& hash) {
  if (!path.starts_with('/')) return false;
  hash.add(Kind::kPathPattern, pattern);
  const auto more = [](std::string_view text) { return !text.empty(); };
  while (more(pattern)) {
    // Each begins with the "/" before its next segment, so that "/a/" has one segment more than "/a".
    pattern.remove_prefix(1);
    if (pattern == "**") return more(path);
    if (!more(path)) return false;
    path.remove_prefix(1);
    const std::string_view wanted = segment_of(pattern), segment = segment_of(path);
    pattern.remove_prefix(wanted.size());
    path.remove_prefix(segment.size());
    if (wanted == "*") continue;
    if (wanted.starts_with('{'))
      hash.add(Kind::kPathPattern, segment);
    else if (wanted != segment)
      return false;
  }
  return !more(path);
}

bool add_text(Kind kind, std::optional<std::string_view> text, KeyHash& hash) {
  if (!text) return false;
  hash.add(kind, *text);
  return true;
}

void add_source(const config::LimitComponent& component, const base::IpAddress& source, KeyHash& hash) {
  const uint8_t length = source.is_v4() ? component.v4_length : component.v6_length;
  hash.add(component.kind, base::Prefix{source, length}.network().address);
}

bool add_component(const config::LimitComponent& component, const Subject& request, KeyHash& hash) {
  const http::RequestHead& head = request.head;
  switch (component.kind) {
    case Kind::kSource:
      add_source(component, request.source, hash);
      return true;
    case Kind::kHeader:
    case Kind::kQuery: {
      const auto text = request.matches.value(component.subject, head, request.scratch);
      if (text || !request.matches.is_unreadable(component.subject, request.scratch))
        return add_text(component.kind, text, hash);
      hash.add_unreadable(component.kind);
      return true;
    }
    case Kind::kCookie:
      return add_text(component.kind, http::find_cookie(head.fields, component.name), hash);
    case Kind::kPath:
      hash.add(component.kind, head.path());
      return true;
    case Kind::kPathPattern:
      return add_pattern(component.name, head.path(), hash);
    case Kind::kHost:
      hash.add(component.kind, config::without_final_dot(head.host()));
      return head.has_authority;
    case Kind::kMethod:
      hash.add(component.kind, head.method_text());
      return true;
  }
  return false;
}

}  // namespace

std::optional<uint64_t> key_of(const config::RequestLimit& limit, const Subject& request, const tcp::HashKey& secret) {
  KeyHash hash(secret, limit.slot);
  for (const config::LimitComponent& each : limit.key)
    if (!add_component(each, request, hash)) return std::nullopt;
  return hash.value();
}

uint64_t key_of(const config::RequestLimit& limit, const base::IpAddress& source, const tcp::HashKey& secret) {
  KeyHash hash(secret, limit.slot);
  for (const config::LimitComponent& each : limit.key) add_source(each, source, hash);
  return hash.value();
}

}  // namespace penstock::limit
