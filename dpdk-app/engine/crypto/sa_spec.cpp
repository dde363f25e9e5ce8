#include "engine/crypto/sa_spec.h"

#include <array>
#include <string>

#include "engine/crypto/replay_window.h"
#include "engine/crypto/verdict.h"

namespace penstock::crypto {

namespace {

constexpr std::array<CipherTraits, kCiphers> kTraits{{
    {"aes-gcm-128", 16, 4, 0, 8, 4, true},
    {"aes-gcm-256", 32, 4, 0, 8, 4, true},
    {"chacha20-poly1305", 32, 4, 0, 8, 4, true},
    {"aes-cbc-128-hmac-sha256", 16, 0, 32, 16, 16, false},
    {"aes-cbc-256-hmac-sha256", 32, 0, 32, 16, 16, false},
    {"null-hmac-sha256", 0, 0, 32, 0, 4, false},
}};

constexpr std::array<const char*, kEspVerdicts> kNames{
#define PENSTOCK_ESP_NAME(name, sentence) #name,
    PENSTOCK_ESP_VERDICTS(PENSTOCK_ESP_NAME)
#undef PENSTOCK_ESP_NAME
};
constexpr std::array<const char*, kEspVerdicts> kSentences{
#define PENSTOCK_ESP_SENTENCE(name, sentence) sentence,
    PENSTOCK_ESP_VERDICTS(PENSTOCK_ESP_SENTENCE)
#undef PENSTOCK_ESP_SENTENCE
};

std::string number(size_t n) { return std::to_string(n); }

base::Result<void> check_keys(const SaSpec& spec) {
  const CipherTraits& traits = traits_of(spec.cipher);
  const size_t wanted = traits.key_length + traits.salt_length;
  if (spec.key.size() != wanted)
    return base::Error{std::string("key: ") + traits.name + " has " + number(wanted) + " bytes (salt included), not " +
                       number(spec.key.size())};
  if (spec.integrity_key.size() != traits.integrity_key_length)
    return base::Error{std::string("integrityKey: ") + traits.name + " has " + number(traits.integrity_key_length) +
                       " bytes, not " + number(spec.integrity_key.size())};
  if (spec.cipher == Cipher::kNullSha256 && !spec.allow_cleartext_payload)
    return base::Error{"cipher: null-hmac-sha256 encrypts nothing; it needs allowCleartextPayload"};
  return {};
}

base::Result<void> check_selectors(const std::vector<Selector>& selectors) {
  if (selectors.size() > kMaxSelectors)
    return base::Error{"selectors: " + number(selectors.size()) + "; at most " + number(kMaxSelectors)};
  for (const Selector& s : selectors) {
    if (s.local.is_v4() != s.remote.is_v4()) return base::Error{"selectors: local and remote differ in family"};
    if (s.local_ports.first > s.local_ports.last || s.remote_ports.first > s.remote_ports.last)
      return base::Error{"selectors: a port range ends before it begins"};
  }
  return {};
}

}  // namespace

const CipherTraits& traits_of(Cipher cipher) { return kTraits[static_cast<size_t>(cipher)]; }
const char* to_string(EspVerdict verdict) { return kNames[static_cast<size_t>(verdict)]; }
const char* sentence_of(EspVerdict verdict) { return kSentences[static_cast<size_t>(verdict)]; }

base::Result<void> check(const SaSpec& spec) {
  if (spec.spi < kMinSpi) return base::Error{"spi: 0 to 255 are reserved (RFC 4303 2.1)"};
  if (auto keys = check_keys(spec); !keys.ok()) return keys;
  const bool no_window = spec.replay_window == 0 && !spec.esn;
  if (!no_window &&
      (spec.replay_window < kMinReplayWindow || spec.replay_window > kMaxReplayWindow || spec.replay_window % 64 != 0))
    return base::Error{"replayWindow: " + number(spec.replay_window) +
                       "; a multiple of 64 from 64 to 4096, or 0 without ESN"};
  if (spec.local.is_v4() != spec.remote.is_v4()) return base::Error{"local and remote differ in family"};
  if (spec.local.is_unspecified() || spec.remote.is_unspecified())
    return base::Error{"local and remote: both tunnel addresses are needed"};
  if (spec.local == spec.remote) return base::Error{"remote: the gateway's own address"};
  if (spec.local.is_multicast() || spec.remote.is_multicast()) return base::Error{"remote: no multicast tunnels"};
  if (spec.hop_limit == 0) return base::Error{"hopLimit: 1 to 255"};
  if (spec.dscp > 63) return base::Error{"dscp: 0 to 63"};
  // RFC 8200 §5 and RFC 791: below, an IPv6 packet of 1280 bytes, or an IPv4 one of 576, could not be carried whole.
  if (spec.path_mtu < (spec.local.is_v4() ? 576 : 1280)) return base::Error{"pathMtu: too small for any tunnel"};
  if (spec.udp_encapsulation && spec.udp_destination_port == 0) return base::Error{"udpDestinationPort: 1 to 65535"};
  return check_selectors(spec.selectors);
}

bool inbound_match(std::span<const Selector> selectors, const InnerFlow& flow) {
  for (const Selector& s : selectors) {
    if (!s.remote.contains(flow.source) || !s.local.contains(flow.destination)) continue;
    if (s.protocol != 0 && s.protocol != flow.protocol) continue;
    if (s.local_ports.any() && s.remote_ports.any()) return true;
    if (flow.has_ports && s.local_ports.contains(flow.destination_port) && s.remote_ports.contains(flow.source_port))
      return true;
  }
  return selectors.empty();
}

}  // namespace penstock::crypto
