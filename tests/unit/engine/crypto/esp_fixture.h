// What ESP tests share: devices, a packet pool, specs with fixed keys, inner packets, and a round through two lanes.
#pragma once

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/crypto/esp_in.h"
#include "engine/crypto/esp_lane.h"
#include "engine/crypto/sa.h"
#include "wire/build.h"

namespace penstock::crypto {

inline rte_mempool* packet_pool() {
  static rte_mempool* pool = rte_pktmbuf_pool_create("esp_test", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
  return pool;
}

// Opened once for the whole program: a device under each name that this build has.
inline CryptoDevice* device(const std::string& driver, CryptoUse use = CryptoUse::kAny) {
  static auto& devices = *new std::map<std::string, std::unique_ptr<CryptoDevice>>;  // the EAL goes before statics do
  const std::string name = driver + (use == CryptoUse::kQueues ? "_queues" : "_test");
  auto& slot = devices[name];
  if (slot == nullptr) {
    auto opened = CryptoDevice::open({.name = name, .queue_pairs = 2, .use = use});
    if (!opened.ok()) {
      ADD_FAILURE() << opened.error();
      return nullptr;
    }
    slot = std::move(*opened);
  }
  return slot.get();
}

inline Key key_of(size_t length, uint8_t seed) {
  if (length == 0) return {};
  std::vector<uint8_t> bytes(length);
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<uint8_t>(seed + i * 3);
  auto key = Key::take(bytes);
  return std::move(*key);
}

inline base::IpAddress address(const char* text) { return *base::IpAddress::parse(text); }

struct Outline {
  Cipher cipher = Cipher::kAesGcm128;
  bool esn = true;
  bool outer_v6 = false;
  bool udp = false;
  uint16_t mtu = 1500;
};

// The sender's spec, or, with `receiver`, its other end.
inline SaSpec spec_of(const Outline& o, bool receiver = false) {
  SaSpec s;
  s.spi = 0x11223344;
  s.cipher = o.cipher;
  s.allow_cleartext_payload = o.cipher == Cipher::kNullSha256;
  const CipherTraits& t = traits_of(o.cipher);
  s.key = key_of(t.key_length + t.salt_length, 1);
  s.integrity_key = key_of(t.integrity_key_length, 101);
  s.esn = o.esn;
  s.local = address(o.outer_v6 ? "2001:db8:1::1" : "192.0.2.1");
  s.remote = address(o.outer_v6 ? "2001:db8:2::2" : "198.51.100.2");
  if (receiver) std::swap(s.local, s.remote);
  s.udp_encapsulation = o.udp;
  s.path_mtu = o.mtu;
  return s;
}

// A UDP datagram of `length` bytes in all (at least 28, or 48 for IPv6).
inline std::vector<uint8_t> inner_packet(bool v6, size_t length, uint8_t traffic_class = 0) {
  const size_t headers = (v6 ? 40 : 20) + 8;
  std::vector<uint8_t> payload(length - headers);
  for (size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<uint8_t>(i * 5 + length);
  std::vector<uint8_t> packet(length);
  wire::UdpPacket udp;
  udp.ip.src = address(v6 ? "fd00:1::5" : "10.1.0.5");
  udp.ip.dst = address(v6 ? "fd00:2::9" : "10.2.0.9");
  udp.ip.traffic_class = traffic_class;
  udp.src_port = 4000;
  udp.dst_port = 53;
  udp.payload = payload;
  EXPECT_EQ(wire::build_udp(packet, udp), length);
  return packet;
}

inline rte_mbuf* buffer_of(const std::vector<uint8_t>& bytes) {
  rte_mbuf* m = rte_pktmbuf_alloc(packet_pool());
  if (bytes.empty()) return m;
  std::copy(bytes.begin(), bytes.end(),
            reinterpret_cast<uint8_t*>(rte_pktmbuf_append(m, static_cast<uint16_t>(bytes.size()))));
  return m;
}
inline std::vector<uint8_t> bytes_of(const rte_mbuf* m) {
  const auto* data = rte_pktmbuf_mtod(m, const uint8_t*);
  return {data, data + m->data_len};
}

struct Outcome {
  EspVerdict verdict;
  std::vector<uint8_t> bytes;
};

// What the caller's path does first. Not a datagram: not_esp, as if it had never come here.
inline EspVerdict find(rte_mbuf* packet, uint32_t& spi, EspPlace& place) {
  if (packet->nb_segs > 1 && rte_pktmbuf_linearize(packet) != 0) return EspVerdict::segmented;
  const auto* ip = rte_pktmbuf_mtod(packet, const uint8_t*);
  wire::Headers outer;
  const auto error = wire::parse_ip({ip, packet->data_len}, wire::Whole::kYes, wire::Ipv4Checksum::kVerify, outer);
  return error == wire::ParseError::kNone ? find_esp(ip, outer, spi, place) : EspVerdict::not_esp;
}

// A lane that waits for its devices, so that a test need not care which path a session is on.
class TestLane {
 public:
  explicit TestLane(std::vector<CryptoDevice*> devices) : devices_(std::move(devices)) {
    auto made = EspLane::make({}, devices_);
    lane_ = std::move(*made);
  }
  EspLane& operator*() { return *lane_; }

  void encrypt(std::span<EspPacket> burst, base::Nanos now = 0) {
    lane_->encrypt(burst, now);
    wait(burst);
  }
  void decrypt(std::span<EspPacket> burst, base::Nanos now = 0) {
    lane_->decrypt(burst, now);
    wait(burst);
  }

  Outcome encrypt(OutboundSa& sa, const std::vector<uint8_t>& inner, base::Nanos now = 0) {
    EspPacket p{.packet = buffer_of(inner), .sa = &sa};
    encrypt({&p, 1}, now);
    return take(p);
  }
  // What the caller's path does: place, SPI, SA, decrypt.
  Outcome decrypt(InboundSa& sa, const std::vector<uint8_t>& outer, base::Nanos now = 0) {
    EspPacket p{.packet = buffer_of(outer), .sa = &sa};
    uint32_t spi = 0;
    p.verdict = find(p.packet, spi, p.place);
    if (p.verdict == EspVerdict::done) decrypt({&p, 1}, now);
    return take(p);
  }

 private:
  static Outcome take(EspPacket& p) {
    Outcome outcome{p.verdict, bytes_of(p.packet)};
    rte_pktmbuf_free(p.packet);
    return outcome;
  }
  void wait(std::span<EspPacket> burst) {
    size_t missing = 0;
    for (EspPacket& p : burst) missing += p.verdict == EspVerdict::in_flight;
    std::vector<EspPacket> back(burst.size());
    while (missing > 0) {
      const size_t n = lane_->collect(back, 0);
      for (size_t i = 0; i < n; ++i)
        for (EspPacket& p : burst)
          if (p.packet == back[i].packet) p = back[i];
      missing -= n;
    }
  }

  std::vector<CryptoDevice*> devices_;
  std::unique_ptr<EspLane> lane_;
};

struct Tunnel {
  std::unique_ptr<OutboundSa> out;
  std::unique_ptr<InboundSa> in;
};
inline Tunnel tunnel_of(const Outline& o, const std::vector<CryptoDevice*>& devices, uint64_t first = 1) {
  auto out = OutboundSa::make(spec_of(o), devices, first);
  auto in = InboundSa::make(spec_of(o, true), devices);
  if (!out.ok() || !in.ok()) {
    ADD_FAILURE() << (out.ok() ? in.error() : out.error());
    return {};
  }
  return {std::move(*out), std::move(*in)};
}

}  // namespace penstock::crypto
