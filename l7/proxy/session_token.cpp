#include "l7/proxy/session_token.h"

#include "base/bytes.h"
#include "l7/config/cluster.h"
#include "l7/tcp/keyed_hash.h"

namespace penstock::proxy {

namespace {

static_assert(config::kMaxClusters <= 65536 && config::kMaxClusterEndpoints <= 65536, "slots are 16 bits of a token");

constexpr char kDigits[] = "0123456789abcdef";
// What the key is used for: each use is another function.
constexpr uint64_t kSum = 1, kPlace = 2, kTimes = 3, kTag = 4;

uint64_t keyed(const config::SessionKey& key, uint64_t use, uint64_t a, uint64_t b = 0, uint64_t c = 0) {
  return tcp::keyed_hash({key.low, key.high}, {use, a, b, c});
}

void put(uint64_t word, char* out) {
  for (int i = 15; i >= 0; --i, word >>= 4) out[i] = kDigits[word & 15];
}

std::optional<uint64_t> take(std::string_view digits) {
  uint64_t word = 0;
  for (const char c : digits) {
    const unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                           : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a' + 10)
                                                  : 16;
    if (digit == 16) return std::nullopt;
    word = word << 4 | digit;
  }
  return word;
}

}  // namespace

uint32_t endpoint_tag(const base::IpAddress& address, uint16_t port, const config::SessionKey& key) {
  return static_cast<uint32_t>(
      keyed(key, kTag, base::load_raw<uint64_t>(&address.bytes[0]), base::load_raw<uint64_t>(&address.bytes[8]), port));
}

std::array<char, kTokenBytes> seal(const SessionToken& token, const config::SessionKey& key) {
  const uint64_t place = uint64_t{token.cluster} << 48 | uint64_t{token.endpoint} << 32 | token.tag;
  const uint64_t times = uint64_t{token.born} << 32 | token.seen;
  const uint64_t sum = keyed(key, kSum, place, times);
  std::array<char, kTokenBytes> out;
  put(sum, out.data());
  put(place ^ keyed(key, kPlace, sum), out.data() + 16);
  put(times ^ keyed(key, kTimes, sum), out.data() + 32);
  return out;
}

std::optional<SessionToken> open_token(std::string_view text, const config::SessionKey& key) {
  if (text.size() != kTokenBytes) return std::nullopt;
  const auto sum = take(text.substr(0, 16)), hidden_place = take(text.substr(16, 16)),
             hidden_times = take(text.substr(32));
  if (!sum || !hidden_place || !hidden_times) return std::nullopt;
  const uint64_t place = *hidden_place ^ keyed(key, kPlace, *sum), times = *hidden_times ^ keyed(key, kTimes, *sum);
  if (keyed(key, kSum, place, times) != *sum) return std::nullopt;
  return SessionToken{static_cast<uint32_t>(place >> 48), static_cast<uint32_t>(place >> 32 & 0xffff),
                      static_cast<uint32_t>(place), static_cast<uint32_t>(times >> 32), static_cast<uint32_t>(times)};
}

bool is_alive(const SessionToken& token, const config::SessionPersistence& how, uint32_t now) {
  if (token.born > now || token.seen > now) return false;
  if (how.absolute_seconds != 0 && now - token.born >= how.absolute_seconds) return false;
  return how.idle_seconds == 0 || now - token.seen < how.idle_seconds;
}

}  // namespace penstock::proxy
