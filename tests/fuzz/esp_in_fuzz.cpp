// Inbound ESP on arbitrary packets: find_esp, then the lane with an SA of AES-GCM or of NULL with HMAC.
//
// The first byte is a set of ways (below), then come packets, each behind its length (2 bytes): outer IP header first.
// With kSeal the packet carries its payload in clear and the target, by OpenSSL, encrypts it and writes the tag, so
// that what lies behind the ICV is reached: padding, next header, inner packet, selectors, ECN.
// Packets lie in heap blocks of exactly their size (behind kRoom), so that AddressSanitizer sees a step outside.
// Seeds: tests/fuzz/make_esp_corpus.py.
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <set>
#include <vector>

#include "engine/crypto/esp_in.h"
#include "engine/crypto/esp_lane.h"
#include "wire/checksum.h"
#include "wire/parse.h"

namespace {

using namespace penstock;
using namespace penstock::crypto;

enum Way : uint8_t {
  kNull = 1,
  kUdp = 2,
  kEsn = 4,
  kSeal = 8,
  kRepair = 16,
  kSelectors = 32,
  kSegments = 64,
  kBurst = 128
};
constexpr uint32_t kSpi = 0x11223344;  // as in the seeds
constexpr uint16_t kRoom = 16;         // before the packet; a canary
constexpr size_t kMostPackets = 4;

void require(bool truth, int line = __builtin_LINE()) {
  if (truth) return;
  std::fprintf(stderr, "esp_in_fuzz.cpp:%d: broken\n", line);
  __builtin_trap();
}

template <typename T>
T must(base::Result<T> result) {
  require(result.ok());
  return std::move(*result);
}

// The EAL and what lives as long as it.
struct World {
  World() {
    cpu_set_t before;
    sched_getaffinity(0, sizeof before, &before);
    const char* eal[] = {"fuzz",           "-l",          "0",        "--no-huge",    "-m", "128",
                         "--no-telemetry", "--no-shconf", "--no-pci", "--log-level=3"};
    require(rte_eal_init(std::size(eal), const_cast<char**>(eal)) >= 0);
    sched_setaffinity(0, sizeof before, &before);
    pool = rte_pktmbuf_pool_create("fuzz", 63, 0, 0, 256, 0);
    require(pool != nullptr);
    gcm = must(CryptoDevice::open({.name = "crypto_aesni_gcm_fuzz", .max_sessions = 8}));
    mb = must(CryptoDevice::open({.name = "crypto_aesni_mb_fuzz", .max_sessions = 8}));
    lane = must(EspLane::make({.capacity = 255}, std::array{gcm.get(), mb.get()}));
  }
  rte_mempool* pool;
  std::unique_ptr<CryptoDevice> gcm, mb;
  std::unique_ptr<EspLane> lane;
};
World& world() {
  static auto* the_world = new World;  // the EAL goes before statics do
  return *the_world;
}

Key key_of(size_t length) {
  std::vector<uint8_t> bytes(length);
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<uint8_t>(i + 1);
  return must(Key::take(bytes));
}

std::unique_ptr<InboundSa> sa_of(uint8_t ways) {
  SaSpec s;
  s.spi = kSpi;
  s.cipher = ways & kNull ? Cipher::kNullSha256 : Cipher::kAesGcm128;
  s.allow_cleartext_payload = ways & kNull;
  if (ways & kNull) {
    s.integrity_key = key_of(32);
  } else {
    s.key = key_of(20);
  }
  s.esn = ways & kEsn;
  s.udp_encapsulation = ways & kUdp;
  s.replay_window = 64;
  s.local = base::IpAddress::parse("198.51.100.2").value();
  s.remote = base::IpAddress::parse("192.0.2.1").value();
  if (ways & kSelectors) {
    Selector v4;
    v4.local = base::Prefix::parse("10.2.0.0/16").value();
    v4.remote = base::Prefix::parse("10.1.0.0/16").value();
    v4.protocol = wire::kProtocolUdp;
    v4.local_ports = {53, 53};
    Selector v6;
    v6.local = base::Prefix::parse("fd00:2::/32").value();
    v6.remote = base::Prefix::parse("fd00:1::/32").value();
    s.selectors = {v4, v6};
  }
  CryptoDevice* device = ways & kNull ? world().mb.get() : world().gcm.get();
  return must(InboundSa::make(std::move(s), {&device, 1}));
}

// A packet in memory of its own; the mbuf only borrows it.
struct Packet {
  rte_mbuf* mbuf = nullptr;
  void* pool_memory = nullptr;
  uint16_t pool_length = 0;
  std::vector<uint8_t> memory;  // kRoom, the packet, nothing
  std::vector<uint8_t> sent;
  uint64_t sequence = 0;

  Packet(std::vector<uint8_t> bytes, bool segments) : sent(std::move(bytes)) {
    mbuf = rte_pktmbuf_alloc(world().pool);
    require(mbuf != nullptr);
    pool_memory = mbuf->buf_addr;
    pool_length = mbuf->buf_len;
    memory.assign(kRoom + sent.size(), 0xc5);
    mbuf->buf_addr = memory.data();
    mbuf->buf_len = static_cast<uint16_t>(memory.size());
    mbuf->data_off = kRoom;
    // The second segment's bytes come back into the first one's room.
    const size_t second = segments ? std::min<size_t>(sent.size() / 2, 100) : 0;
    const size_t first = sent.size() - second;
    std::copy_n(sent.begin(), first, memory.begin() + kRoom);
    mbuf->data_len = static_cast<uint16_t>(first);
    mbuf->pkt_len = static_cast<uint32_t>(first);
    if (second == 0) return;
    rte_mbuf* tail = rte_pktmbuf_alloc(world().pool);
    require(tail != nullptr);
    std::copy_n(sent.begin() + static_cast<std::ptrdiff_t>(first), second,
                reinterpret_cast<uint8_t*>(rte_pktmbuf_append(tail, static_cast<uint16_t>(second))));
    require(rte_pktmbuf_chain(mbuf, tail) == 0);
  }
  Packet(const Packet&) = delete;
  Packet& operator=(const Packet&) = delete;
  ~Packet() {
    mbuf->buf_addr = pool_memory;
    mbuf->buf_len = pool_length;
    rte_pktmbuf_free(mbuf);
  }

  const uint8_t* data() const { return rte_pktmbuf_mtod(mbuf, const uint8_t*); }
  void require_inside() const {
    require(mbuf->nb_segs == 1 && mbuf->pkt_len == mbuf->data_len && mbuf->data_off >= kRoom);
    require(size_t{mbuf->data_off} + mbuf->data_len <= memory.size());
    require(std::all_of(memory.begin(), memory.begin() + kRoom, [](uint8_t byte) { return byte == 0xc5; }));
  }
  void require_unchanged() const {
    require(mbuf->pkt_len == sent.size() && mbuf->data_off == kRoom);
    size_t at = 0;
    for (const rte_mbuf* m = mbuf; m != nullptr; at += m->data_len, m = m->next)
      require(std::equal(sent.begin() + static_cast<std::ptrdiff_t>(at),
                         sent.begin() + static_cast<std::ptrdiff_t>(at + m->data_len),
                         rte_pktmbuf_mtod(m, const uint8_t*)));
  }
};

void repair_ipv4(uint8_t* ip, size_t length) {
  if (length < wire::kIpv4MinLength || ip[0] >> 4 != 4 || (ip[0] & 15) < 5 || (ip[0] & 15) * 4u > length) return;
  base::store_be16(ip + wire::kIpv4ChecksumAt, 0);
  base::store_raw(ip + wire::kIpv4ChecksumAt, wire::compute_ipv4_header(ip));
}

void seal_gcm(const InboundSa& sa, uint8_t* esp, size_t length, uint64_t sequence) {
  uint8_t nonce[12], aad[16];
  const base::Bytes key = sa.spec().key.secret();
  std::copy_n(key.data() + 16, 4, nonce);
  std::copy_n(esp + 8, 8, nonce + 4);
  write_aad(aad, kSpi, sequence, sa.spec().esn);
  const auto body = static_cast<int>(length - 32);
  int done = 0;
  EVP_CIPHER_CTX* ctx = EVP_CIPHER_CTX_new();
  require(EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), nullptr, key.data(), nonce) == 1);
  require(EVP_EncryptUpdate(ctx, nullptr, &done, aad, aad_length(sa.spec().esn)) == 1);
  require(EVP_EncryptUpdate(ctx, esp + 16, &done, esp + 16, body) == 1 && done == body);
  require(EVP_EncryptFinal_ex(ctx, esp + 16 + body, &done) == 1 && done == 0);
  require(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, esp + length - 16) == 1);
  EVP_CIPHER_CTX_free(ctx);
}

void seal_hmac(const InboundSa& sa, uint8_t* esp, size_t length, uint64_t sequence) {
  std::vector<uint8_t> covered(esp, esp + length - 16);
  if (sa.spec().esn)
    for (int shift = 56; shift >= 32; shift -= 8) covered.push_back(static_cast<uint8_t>(sequence >> shift));
  uint8_t tag[32];
  unsigned size = 0;
  const base::Bytes key = sa.spec().integrity_key.secret();
  require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), covered.data(), covered.size(), tag, &size));
  std::copy_n(tag, 16, esp + length - 16);
}

// What a holder of the key would have sent instead of `bytes`, where they are long enough to be sealed.
void seal(InboundSa& sa, std::vector<uint8_t>& bytes, uint8_t ways) {
  wire::Headers h;
  if (wire::parse_ip(bytes, wire::Whole::kYes, wire::Ipv4Checksum::kVerify, h) != wire::ParseError::kNone) return;
  if (h.is(wire::kIsFragment)) return;  // its UDP length speaks of more than is here
  const bool udp = h.protocol == wire::kProtocolUdp;
  size_t at = h.l4_offset, end = h.end;
  if (udp) {
    end = at + base::load_be16(&bytes[at + wire::kUdpLengthAt]);
    at += wire::kUdpLength;
  }
  const size_t around = kEspHeaderLength + sa.traits().iv_length + kIcvLength;
  if (end < at + around) return;
  uint8_t* esp = &bytes[at];
  if (ways & kRepair) repair_ipv4(esp + kEspHeaderLength + sa.traits().iv_length, end - at - around);
  const uint64_t sequence = sa.window().find(base::load_be32(esp + 4)).sequence;
  sa.traits().aead ? seal_gcm(sa, esp, end - at, sequence) : seal_hmac(sa, esp, end - at, sequence);
}

// May the packet have been written to? In a burst a copy is found out only behind the ICV.
bool behind_authentication(EspVerdict v, bool burst) {
  switch (v) {
    case EspVerdict::done:
    case EspVerdict::failed_authentication:
    case EspVerdict::bad_padding:
    case EspVerdict::bad_next_header:
    case EspVerdict::malformed_inner:
    case EspVerdict::dummy:
    case EspVerdict::selector_mismatch:
    case EspVerdict::congestion_lost:
    case EspVerdict::identity_missing:
    case EspVerdict::identity_unexpected:
    case EspVerdict::identity_malformed:
      return true;
    case EspVerdict::replayed:
    case EspVerdict::too_old:
      return burst;
    default:
      return false;
  }
}

// A packet that was not sealed may be authentic all the same: libFuzzer reads the tag out of the device's memcmp().
void judge(const Packet& packet, EspVerdict verdict, bool burst, std::set<uint64_t>& accepted) {
  if (!behind_authentication(verdict, burst)) return packet.require_unchanged();
  packet.require_inside();
  if (verdict == EspVerdict::failed_authentication) return;
  if (verdict != EspVerdict::done) return;
  wire::Headers h;
  require(wire::parse_ip({packet.data(), packet.mbuf->data_len}, wire::Whole::kYes, wire::Ipv4Checksum::kVerify, h) ==
          wire::ParseError::kNone);
  require(h.end == packet.mbuf->data_len && packet.mbuf->ol_flags == 0);
  require(accepted.insert(packet.sequence).second);
}

// The caller's way with one burst.
void receive(InboundSa& sa, const std::vector<std::vector<uint8_t>>& packets, uint8_t ways,
             std::set<uint64_t>& accepted) {
  std::vector<std::unique_ptr<Packet>> owned;
  std::vector<EspPacket> burst;
  std::vector<Packet*> in_burst;
  for (std::vector<uint8_t> bytes : packets) {
    if (ways & kRepair) repair_ipv4(bytes.data(), bytes.size());
    if (ways & kSeal) seal(sa, bytes, ways);
    auto& packet = *owned.emplace_back(std::make_unique<Packet>(std::move(bytes), ways & kSegments));
    uint32_t spi = 0;
    EspPacket p{.packet = packet.mbuf, .sa = &sa};
    wire::Headers outer;
    if (packet.mbuf->nb_segs > 1 && rte_pktmbuf_linearize(packet.mbuf) != 0) continue;
    if (wire::parse_ip({packet.data(), packet.mbuf->data_len}, wire::Whole::kYes, wire::Ipv4Checksum::kVerify, outer) !=
        wire::ParseError::kNone)
      continue;
    p.verdict = find_esp(packet.data(), outer, spi, p.place);
    packet.require_unchanged();
    if (p.verdict != EspVerdict::done) continue;
    require(p.place.esp_at + kEspHeaderLength <= p.place.end && p.place.end <= packet.sent.size());
    packet.sequence = sa.window().find(base::load_be32(packet.data() + p.place.esp_at + 4)).sequence;
    if (spi != kSpi) continue;
    burst.push_back(p);
    in_burst.push_back(&packet);
  }
  world().lane->decrypt(burst, 0);
  for (size_t i = 0; i < burst.size(); ++i) judge(*in_burst[i], burst[i].verdict, packets.size() > 1, accepted);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t ways = data[0];
  std::vector<std::vector<uint8_t>> packets;
  for (size_t at = 1; at + 2 <= size && packets.size() < kMostPackets;) {
    const size_t length = std::min<size_t>(base::load_be16(data + at), size - at - 2);
    packets.emplace_back(data + at + 2, data + at + 2 + length);
    at += 2 + length;
  }
  const auto sa = sa_of(ways);
  std::set<uint64_t> accepted;
  // Everything a second time: what was accepted is now a replay.
  for (int round = 0; round < 2; ++round) {
    if (ways & kBurst) {
      receive(*sa, packets, ways, accepted);
    } else {
      for (const auto& packet : packets) receive(*sa, {packet}, ways, accepted);
    }
  }
  return 0;
}
