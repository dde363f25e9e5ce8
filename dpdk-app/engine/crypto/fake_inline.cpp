#include "engine/crypto/fake_inline.h"

#include <openssl/evp.h>
#include <rte_cryptodev.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_security_driver.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "engine/crypto/crypto_device.h"
#include "engine/crypto/esp_job.h"
#include "wire/parse.h"

namespace penstock::crypto {

namespace {

constexpr size_t kIvLength = 8;  // of GCM, on the wire
constexpr size_t kSaltLength = 4;

template <typename T>
bool read_number(std::string_view text, T most, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && out <= most;
}

bool read_fault(std::string_view text, InlineFault& out) {
  if (text == "metadata") {
    out = InlineFault::kMetadata;
  } else if (text == "receive") {
    out = InlineFault::kReceive;
  } else if (text == "clear") {
    out = InlineFault::kClear;
  } else {
    return false;
  }
  return true;
}

bool read_flag(std::string_view text, bool& out) {
  out = text == "1";
  return out || text == "0";
}

const rte_cryptodev_capabilities* ciphers() {
  static const auto kList = [] {
    std::array<rte_cryptodev_capabilities, 2> list{};
    list[0].op = RTE_CRYPTO_OP_TYPE_SYMMETRIC;
    list[0].sym.xform_type = RTE_CRYPTO_SYM_XFORM_AEAD;
    list[0].sym.aead.algo = RTE_CRYPTO_AEAD_AES_GCM;
    list[0].sym.aead.block_size = 16;
    list[0].sym.aead.key_size = {16, 32, 16};
    list[0].sym.aead.digest_size = {kIcvLength, kIcvLength, 0};
    list[0].sym.aead.aad_size = {8, 12, 4};
    list[0].sym.aead.iv_size = {kNonceLength, kNonceLength, 0};
    list[1].op = RTE_CRYPTO_OP_TYPE_UNDEFINED;
    return list;
  }();
  return kList.data();
}

// The driver's word in a packet: the place of its key, and one. Negative: DPDK has no room for it.
int word_offset() {
  static const rte_mbuf_dynfield kWord{
      .name = "penstock_fake_inline_key", .size = sizeof(uint32_t), .align = alignof(uint32_t), .flags = 0};
  static const int kOffset = rte_mbuf_dynfield_register(&kWord);
  return kOffset;
}
uint32_t& word_of(rte_mbuf* m) { return *RTE_MBUF_DYNFIELD(m, word_offset(), uint32_t*); }

}  // namespace

base::Result<FakeInlineSettings> read_fake_inline(std::string_view arguments) {
  FakeInlineSettings settings;
  while (!arguments.empty()) {
    const std::string_view one = arguments.substr(0, arguments.find(','));
    arguments.remove_prefix(std::min(one.size() + 1, arguments.size()));
    const size_t equals = std::min(one.find('='), one.size());
    const std::string_view name = one.substr(0, equals), value = one.substr(std::min(equals + 1, one.size()));
    if (name == "interface") settings.interface = value;
    const bool good = name == "interface" ? !value.empty()
                      : name == "keys"    ? read_number(value, kMostFakeKeys, settings.keys)
                      : name == "esn"     ? read_flag(value, settings.esn)
                      : name == "after"   ? read_number(value, UINT64_MAX, settings.after)
                                          : name == "fail" && read_fault(value, settings.fault);
    if (!good)
      return base::Error{"\"" + std::string(one) + "\" is none of interface=NAME, keys=0 to " +
                         std::to_string(kMostFakeKeys) +
                         ", esn=0, esn=1, fail=metadata, fail=receive, fail=clear, after=NUMBER"};
  }
  if (settings.interface.empty()) return base::Error{"interface=NAME is missing: whose port it is"};
  return settings;
}

struct FakeInline::Key {
  std::atomic<uint32_t> spi{0};  // 0: free
  std::atomic_flag busy;
  EVP_CIPHER_CTX* cipher = nullptr;
  bool outbound = false, esn = false, v4 = false;
  uint8_t destination[16] = {};
  uint8_t salt[kSaltLength] = {};
  uint64_t highest = 0;  // inbound: sequence number, whole

  void seize() {
    while (busy.test_and_set(std::memory_order_acquire)) __builtin_ia32_pause();
  }
  void leave() { busy.clear(std::memory_order_release); }
  uint64_t whole(uint32_t low) const;
  bool run(uint8_t* esp, size_t length, uint64_t sequence);
};

// RFC 4303 appendix A2.2, with half of all numbers as the window.
uint64_t FakeInline::Key::whole(uint32_t low) const {
  constexpr uint64_t kSpan = uint64_t{1} << 32;
  if (!esn) return low;
  const uint64_t near = (highest & ~(kSpan - 1)) | low;
  if (near + kSpan / 2 < highest) return near + kSpan;
  return near >= kSpan && near > highest + kSpan / 2 ? near - kSpan : near;
}

// In place, from the ESP header to the end of the ICV. False: the ICV is wrong.
bool FakeInline::Key::run(uint8_t* esp, size_t length, uint64_t sequence) {
  uint8_t nonce[kNonceLength], aad[16];
  std::memcpy(nonce, salt, kSaltLength);
  std::memcpy(nonce + kSaltLength, esp + kEspHeaderLength, kIvLength);
  write_aad(aad, spi.load(std::memory_order_relaxed), sequence, esn);
  uint8_t* text = esp + kEspHeaderLength + kIvLength;
  const auto text_length = static_cast<int>(length - kEspHeaderLength - kIvLength - kIcvLength);
  uint8_t* icv = text + text_length;
  int done = 0;
  bool good = EVP_CipherInit_ex(cipher, nullptr, nullptr, nullptr, nonce, -1) == 1 &&
              EVP_CipherUpdate(cipher, nullptr, &done, aad, aad_length(esn)) == 1 &&
              EVP_CipherUpdate(cipher, text, &done, text, text_length) == 1;
  if (!outbound) good = good && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, kIcvLength, icv) == 1;
  good = good && EVP_CipherFinal_ex(cipher, nonce, &done) == 1;
  if (outbound) good = good && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, kIcvLength, icv) == 1;
  return good;
}

std::unique_ptr<FakeInline> FakeInline::make(const FakeInlineSettings& settings) {
  return word_offset() < 0 ? nullptr : std::unique_ptr<FakeInline>(new FakeInline(settings));
}

FakeInline::FakeInline(const FakeInlineSettings& settings)
    : settings_(settings), keys_(std::make_unique<Key[]>(kMostFakeKeys)) {
  static const rte_security_ops kOps = [] {
    rte_security_ops ops{};
    ops.session_create = create;
    ops.session_destroy = destroy;
    ops.session_get_size = size_of_session;
    ops.set_pkt_metadata = set_metadata;
    ops.capabilities_get = capabilities;
    return ops;
  }();
  context_.device = this;
  context_.ops = &kOps;
  for (size_t i = 0; i < 2; ++i) {
    offers_[i].action = RTE_SECURITY_ACTION_TYPE_INLINE_CRYPTO;
    offers_[i].protocol = RTE_SECURITY_PROTOCOL_IPSEC;
    offers_[i].ipsec.proto = RTE_SECURITY_IPSEC_SA_PROTO_ESP;
    offers_[i].ipsec.mode = RTE_SECURITY_IPSEC_SA_MODE_TUNNEL;
    offers_[i].ipsec.direction = i == 0 ? RTE_SECURITY_IPSEC_SA_DIR_EGRESS : RTE_SECURITY_IPSEC_SA_DIR_INGRESS;
    offers_[i].ipsec.options.esn = settings.esn ? 1 : 0;
    offers_[i].crypto_capabilities = ciphers();
    offers_[i].ol_flags = i == 0 ? RTE_SECURITY_TX_OLOAD_NEED_MDATA : 0;
  }
  offers_[2].action = RTE_SECURITY_ACTION_TYPE_NONE;
}

FakeInline::~FakeInline() {
  detach();
  for (uint32_t i = 0; i < kMostFakeKeys; ++i) EVP_CIPHER_CTX_free(keys_[i].cipher);
}

bool FakeInline::attach(uint16_t port, uint16_t rx_queues, uint16_t tx_queues) {
  const auto received = [](uint16_t, uint16_t, rte_mbuf** frames, uint16_t count, uint16_t, void* self) {
    for (uint16_t i = 0; i < count; ++i) static_cast<FakeInline*>(self)->receive(frames[i]);
    return count;
  };
  const auto sent = [](uint16_t, uint16_t, rte_mbuf** frames, uint16_t count, void* self) {
    for (uint16_t i = 0; i < count; ++i) static_cast<FakeInline*>(self)->transmit(frames[i]);
    return count;
  };
  for (uint16_t q = 0; q < rx_queues; ++q) {
    const auto* callback = rte_eth_add_rx_callback(port, q, received, this);
    if (callback == nullptr) return false;
    rx_.push_back({port, q, callback});
  }
  for (uint16_t q = 0; q < tx_queues; ++q) {
    const auto* callback = rte_eth_add_tx_callback(port, q, sent, this);
    if (callback == nullptr) return false;
    tx_.push_back({port, q, callback});
  }
  return true;
}

void FakeInline::detach() {
  for (const Queue& each : rx_) rte_eth_remove_rx_callback(each.port, each.number, each.callback);
  for (const Queue& each : tx_) rte_eth_remove_tx_callback(each.port, each.number, each.callback);
  for (const auto* queues : {&rx_, &tx_})
    for (const Queue& each : *queues) rte_free(const_cast<rte_eth_rxtx_callback*>(each.callback));
  rx_.clear();
  tx_.clear();
}

InlineFault FakeInline::fault() const {
  const InlineFault told = fault_.load(std::memory_order_relaxed);
  if (told != InlineFault::kNone) return told;
  return encrypted() + decrypted() >= settings_.after ? settings_.fault : InlineFault::kNone;
}

int FakeInline::create(void* device, rte_security_session_conf* conf, rte_security_session* session) {
  auto& self = *static_cast<FakeInline*>(device);
  const rte_crypto_aead_xform& aead = conf->crypto_xform->aead;
  uint32_t place = 0;
  while (place < kMostFakeKeys && self.keys_[place].cipher != nullptr) ++place;
  if (self.used_ >= self.settings_.keys || place == kMostFakeKeys) return -ENOSPC;
  Key& key = self.keys_[place];
  key.outbound = conf->ipsec.direction == RTE_SECURITY_IPSEC_SA_DIR_EGRESS;
  key.cipher = EVP_CIPHER_CTX_new();
  const EVP_CIPHER* cipher = aead.key.length == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
  if (key.cipher == nullptr ||
      EVP_CipherInit_ex(key.cipher, cipher, nullptr, aead.key.data, nullptr, key.outbound ? 1 : 0) != 1) {
    EVP_CIPHER_CTX_free(std::exchange(key.cipher, nullptr));
    return -ENOMEM;
  }
  const rte_security_ipsec_tunnel_param& tunnel = conf->ipsec.tunnel;
  key.esn = conf->ipsec.options.esn != 0;
  key.highest = conf->ipsec.esn.value;
  key.v4 = tunnel.type == RTE_SECURITY_IPSEC_TUNNEL_IPV4;
  std::memcpy(key.salt, &conf->ipsec.salt, kSaltLength);
  if (key.v4) {
    std::memcpy(key.destination, &tunnel.ipv4.dst_ip, 4);
  } else {
    std::memcpy(key.destination, &tunnel.ipv6.dst_addr, 16);
  }
  *static_cast<uint32_t*>(SECURITY_GET_SESS_PRIV(session)) = place;
  ++self.used_;
  self.highest_.store(std::max(self.highest_.load(std::memory_order_relaxed), place + 1), std::memory_order_release);
  key.spi.store(conf->ipsec.spi, std::memory_order_release);
  return 0;
}

int FakeInline::destroy(void* device, rte_security_session* session) {
  auto& self = *static_cast<FakeInline*>(device);
  Key& key = self.keys_[*static_cast<uint32_t*>(SECURITY_GET_SESS_PRIV(session))];
  key.seize();
  key.spi.store(0, std::memory_order_relaxed);
  EVP_CIPHER_CTX_free(std::exchange(key.cipher, nullptr));
  explicit_bzero(key.salt, sizeof key.salt);
  key.leave();
  --self.used_;
  return 0;
}

unsigned FakeInline::size_of_session(void*) { return sizeof(uint32_t); }

int FakeInline::set_metadata(void* device, rte_security_session* session, rte_mbuf* packet, void*) {
  if (static_cast<FakeInline*>(device)->fault() == InlineFault::kMetadata) return -EIO;
  word_of(packet) = *static_cast<uint32_t*>(SECURITY_GET_SESS_PRIV(session)) + 1;
  return 0;
}

const rte_security_capability* FakeInline::capabilities(void* device) {
  return static_cast<FakeInline*>(device)->offers_.data();
}

// The mark goes: a frame that DPDK did not take is given to it again.
void FakeInline::transmit(rte_mbuf* frame) {
  if ((frame->ol_flags & RTE_MBUF_F_TX_SEC_OFFLOAD) == 0) return;
  frame->ol_flags &= ~RTE_MBUF_F_TX_SEC_OFFLOAD;
  const uint32_t place = word_of(frame) - 1;
  const size_t esp_at = frame->l2_len + frame->l3_len;
  constexpr size_t kLeast = kEspHeaderLength + kIvLength + kIcvLength;
  if (place >= kMostFakeKeys || frame->nb_segs != 1 || frame->data_len < esp_at + kLeast) return;
  if (fault() == InlineFault::kClear) return;
  Key& key = keys_[place];
  auto* esp = rte_pktmbuf_mtod_offset(frame, uint8_t*, esp_at);
  const size_t length = frame->data_len - esp_at;
  key.seize();
  const uint32_t spi = key.spi.load(std::memory_order_relaxed);
  if (key.outbound && spi != 0 && spi == base::load_be32(esp)) {
    const uint64_t high = key.esn ? base::load_be32(esp + length - kIcvLength) : 0;
    key.run(esp, length, high << 32 | base::load_be32(esp + 4));
    encrypted_.fetch_add(1, std::memory_order_relaxed);
  }
  key.leave();
}

// Seized, or null.
FakeInline::Key* FakeInline::find(uint32_t spi, bool v4, const uint8_t* destination) {
  for (uint32_t i = 0, end = highest_.load(std::memory_order_acquire); i < end; ++i) {
    Key& key = keys_[i];
    if (spi == 0 || key.spi.load(std::memory_order_acquire) != spi) continue;
    key.seize();
    if (key.spi.load(std::memory_order_relaxed) == spi && !key.outbound && key.v4 == v4 &&
        std::memcmp(key.destination, destination, v4 ? 4 : 16) == 0)
      return &key;
    key.leave();
  }
  return nullptr;
}

void FakeInline::receive(rte_mbuf* frame) {
  if (frame->nb_segs != 1) return;
  auto* data = rte_pktmbuf_mtod(frame, uint8_t*);
  wire::Headers h;
  if (wire::parse({data, frame->data_len}, frame->data_len, wire::Ipv4Checksum::kVerifiedByDevice, h) !=
      wire::ParseError::kNone)
    return;
  constexpr size_t kLeast = kEspHeaderLength + kIvLength + kEspTrailerLength + kIcvLength;
  if (h.family == 0 || h.protocol != wire::kProtocolEsp || h.is(wire::kIsFragment) || h.l4_offset + kLeast > h.end)
    return;
  if (fault() == InlineFault::kReceive) return;
  uint8_t* esp = data + h.l4_offset;
  const uint8_t* ip = data + h.l2_length;
  Key* key = find(base::load_be32(esp), h.family == 4, ip + (h.family == 4 ? wire::kIpv4DstAt : wire::kIpv6DstAt));
  if (key == nullptr) return;
  const uint64_t sequence = key->whole(base::load_be32(esp + 4));
  const bool good = key->run(esp, h.end - h.l4_offset, sequence);
  if (good) key->highest = std::max(key->highest, sequence);
  key->leave();
  frame->ol_flags |= RTE_MBUF_F_RX_SEC_OFFLOAD;
  if (!good) frame->ol_flags |= RTE_MBUF_F_RX_SEC_OFFLOAD_FAILED;
  decrypted_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace penstock::crypto
