#include "l7/proxy/balance/hash_key.h"

#include <cstring>

#include "base/bytes.h"
#include "l7/http/cookie.h"
#include "l7/http/query.h"

namespace penstock::proxy {

namespace {

// Digits of e: any constants would do, but they are part of what stays the same.
constexpr uint64_t kFirst = 0xb7e151628aed2a6a, kSecond = 0xbf7158809cf4f3c7;

uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

std::optional<uint64_t> hash_field(const http::RequestHead& head, const std::string& name) {
  if (name == "host") return head.has_authority ? std::optional(hash_text(head.host())) : std::nullopt;
  const http::Field* field = head.fields.find(name);
  return field != nullptr ? std::optional(hash_text(head.fields.value(*field))) : std::nullopt;
}

// As it was written: another escape of the same value is another key.
std::optional<uint64_t> hash_parameter(const http::RequestHead& head, const std::string& name) {
  const auto parameter = http::find_parameter(head.query(), name);
  return parameter ? std::optional(hash_text(parameter->value)) : std::nullopt;
}

}  // namespace

uint64_t hash_text(std::string_view text) {
  text = text.substr(0, kMaxHashedBytes);
  uint64_t hash = kFirst ^ text.size();
  while (text.size() >= 8) {
    hash = mix(hash ^ base::load_raw<uint64_t>(text.data()), kSecond);
    text.remove_prefix(8);
  }
  uint64_t rest = 0;
  if (!text.empty()) std::memcpy(&rest, text.data(), text.size());
  return mix(mix(hash ^ rest, kSecond) ^ kFirst, kSecond);
}

std::optional<uint64_t> hash_request(const std::vector<config::HashKey>& keys, const http::RequestHead* head,
                                     const base::IpAddress& source) {
  for (const config::HashKey& key : keys) {
    std::optional<uint64_t> hash;
    switch (key.kind) {
      case config::HashKey::Kind::kSource:
        return hash_text({reinterpret_cast<const char*>(source.bytes.data()), source.bytes.size()});
      case config::HashKey::Kind::kHeader:
        if (head != nullptr) hash = hash_field(*head, key.name);
        break;
      case config::HashKey::Kind::kCookie:
        if (head != nullptr)
          if (const auto cookie = http::find_cookie(head->fields, key.name)) hash = hash_text(*cookie);
        break;
      case config::HashKey::Kind::kQuery:
        if (head != nullptr) hash = hash_parameter(*head, key.name);
        break;
    }
    if (hash) return hash;
  }
  return std::nullopt;
}

}  // namespace penstock::proxy
