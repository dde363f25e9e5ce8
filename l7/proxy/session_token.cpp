#include "l7/proxy/session_token.h"

#include "base/bytes.h"
#include "l7/tcp/keyed_hash.h"

namespace penstock::proxy {

namespace {

constexpr size_t kWords = 4;    // address, place, times
constexpr size_t kDigits = 16;  // of a word
static_assert(kTokenBytes == (kWords + 1) * kDigits);
using Words = std::array<uint64_t, kWords>;

// What the key is used for: each use is another function. The mask of word i is use kMask + i.
constexpr uint64_t kSum = 1, kMask = 2;

uint64_t sum_of(const Words& words, const config::SessionKey& key) {
  return tcp::keyed_hash({key.low, key.high}, {kSum, words[0], words[1], words[2], words[3]});
}

// Twice gives back what was there.
void mask(Words& words, uint64_t sum, const config::SessionKey& key) {
  for (size_t i = 0; i < kWords; ++i) words[i] ^= tcp::keyed_hash({key.low, key.high}, {kMask + i, sum});
}

Words words_of(const SessionToken& token) {
  return {base::load_raw<uint64_t>(&token.address.bytes[0]), base::load_raw<uint64_t>(&token.address.bytes[8]),
          uint64_t{token.cluster} << 32 | token.port, uint64_t{token.born} << 32 | token.seen};
}

SessionToken token_of(const Words& words) {
  SessionToken token;
  base::store_raw(&token.address.bytes[0], words[0]);
  base::store_raw(&token.address.bytes[8], words[1]);
  token.cluster = static_cast<uint32_t>(words[2] >> 32);
  token.port = static_cast<uint16_t>(words[2]);
  token.born = static_cast<uint32_t>(words[3] >> 32);
  token.seen = static_cast<uint32_t>(words[3]);
  return token;
}

void put(uint64_t word, char* out) {
  for (size_t i = kDigits; i-- > 0; word >>= 4) out[i] = "0123456789abcdef"[word & 15];
}

bool take(std::string_view digits, uint64_t& word) {
  word = 0;
  for (const char c : digits) {
    const unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                           : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a' + 10)
                                                  : 16;
    if (digit == 16) return false;
    word = word << 4 | digit;
  }
  return true;
}

}  // namespace

std::array<char, kTokenBytes> seal(const SessionToken& token, const config::SessionKey& key) {
  Words words = words_of(token);
  const uint64_t sum = sum_of(words, key);
  mask(words, sum, key);
  std::array<char, kTokenBytes> out;
  put(sum, out.data());
  for (size_t i = 0; i < kWords; ++i) put(words[i], out.data() + (i + 1) * kDigits);
  return out;
}

std::optional<OpenedToken> open_token(std::string_view text, std::span<const config::SessionKey> keys) {
  if (text.size() != kTokenBytes) return std::nullopt;
  uint64_t sum = 0;
  Words hidden{};
  if (!take(text.substr(0, kDigits), sum)) return std::nullopt;
  for (size_t i = 0; i < kWords; ++i)
    if (!take(text.substr((i + 1) * kDigits, kDigits), hidden[i])) return std::nullopt;
  for (const config::SessionKey& key : keys) {
    Words words = hidden;
    mask(words, sum, key);
    if (sum_of(words, key) == sum) return OpenedToken{token_of(words), &key != keys.data()};
  }
  return std::nullopt;
}

bool is_alive(const SessionToken& token, const config::SessionPersistence& how, uint32_t now) {
  if (age(now, token.born) > kClockSkew || age(now, token.seen) > kClockSkew) return false;
  if (how.absolute_seconds != 0 && age(token.born, now) >= how.absolute_seconds) return false;
  return how.idle_seconds == 0 || age(token.seen, now) < how.idle_seconds;
}

}  // namespace penstock::proxy
