// A peer that holds the key and keeps no rule: seals any payload, trailer and length as an ESP packet, straight on a
// crypto session, so that tests reach what lies behind the ICV. AEAD ciphers and NULL.
#pragma once

#ifndef ALLOW_EXPERIMENTAL_API
#define ALLOW_EXPERIMENTAL_API  // CPU crypto of DPDK 22.11
#endif
#include <rte_cryptodev.h>

#include "engine/crypto/esp_job.h"
#include "esp_fixture.h"

namespace penstock::crypto {

// The receiver's outer header before `esp`.
inline std::vector<uint8_t> in_outer(const std::vector<uint8_t>& esp, uint8_t protocol = wire::kProtocolEsp) {
  std::vector<uint8_t> packet(20);
  const wire::Ip ip{.src = address("192.0.2.1"), .dst = address("198.51.100.2")};
  EXPECT_EQ(wire::build_ip_header(packet, ip, protocol, esp.size()), 20u);
  packet.insert(packet.end(), esp.begin(), esp.end());
  return packet;
}

class Forger {
 public:
  Forger(CryptoDevice* device, const Outline& outline) : device_(device), spec_(spec_of(outline)) {
    auto made = device->make_session(spec_, Direction::kOutbound, CryptoPath::kCpu);
    EXPECT_TRUE(made.ok());
    session_ = std::move(*made);
  }

  // `clear`: payload, padding, pad length, next header; a multiple of nothing in particular.
  std::vector<uint8_t> esp(uint64_t sequence, const std::vector<uint8_t>& clear) {
    const CipherTraits& traits = traits_of(spec_.cipher);
    std::vector<uint8_t> packet(kEspHeaderLength + traits.iv_length);
    base::store_be32(&packet[0], spec_.spi);
    base::store_be32(&packet[4], static_cast<uint32_t>(sequence));
    packet.insert(packet.end(), clear.begin(), clear.end());
    EspJob job{};
    if (traits.aead) {
      base::store_be64(&packet[8], ~sequence);  // any IV will do
      std::memcpy(job.iv, spec_.key.secret().data() + traits.key_length, 4);
      std::memcpy(job.iv + 4, &packet[8], 8);
      write_aad(job.aad, spec_.spi, sequence, spec_.esn);
      seal(packet.data() + 16, clear.size(), job);
    } else {
      if (spec_.esn)
        for (int shift = 56; shift >= 32; shift -= 8) packet.push_back(static_cast<uint8_t>(sequence >> shift));
      seal(packet.data(), packet.size(), job);
      if (spec_.esn) packet.resize(packet.size() - 4);
    }
    packet.insert(packet.end(), job.tag, job.tag + kIcvLength);
    return packet;
  }
  std::vector<uint8_t> packet(uint64_t sequence, const std::vector<uint8_t>& clear) {
    return in_outer(esp(sequence, clear));
  }

 private:
  void seal(uint8_t* data, size_t length, EspJob& job) {
    rte_crypto_vec piece{.base = data, .len = static_cast<uint32_t>(length), .tot_len = static_cast<uint32_t>(length)};
    rte_crypto_sgl list{.vec = &piece, .num = 1};
    rte_crypto_va_iova_ptr iv{.va = job.iv}, aad{.va = job.aad}, tag{.va = job.tag};
    int32_t status = -1;
    rte_crypto_sym_vec vector{
        .num = 1, .src_sgl = &list, .dest_sgl = nullptr, .iv = &iv, .digest = &tag, .aad = &aad, .status = &status};
    rte_cryptodev_sym_cpu_crypto_process(device_->id(), session_.handle(), rte_crypto_sym_ofs{.raw = 0}, &vector);
    EXPECT_EQ(status, 0);
  }

  CryptoDevice* device_;
  SaSpec spec_;
  CryptoSession session_;
};

// `inner` with RFC 4303's own padding to a multiple of 4, or with `padding`.
inline std::vector<uint8_t> trailed(std::vector<uint8_t> inner, uint8_t next_header, std::vector<uint8_t> padding) {
  inner.insert(inner.end(), padding.begin(), padding.end());
  inner.push_back(static_cast<uint8_t>(padding.size()));
  inner.push_back(next_header);
  return inner;
}
inline std::vector<uint8_t> counting(size_t n) {
  std::vector<uint8_t> padding(n);
  for (size_t i = 0; i < n; ++i) padding[i] = static_cast<uint8_t>(i + 1);
  return padding;
}
inline std::vector<uint8_t> trailed(const std::vector<uint8_t>& inner, uint8_t next_header) {
  return trailed(inner, next_header, counting((4 - (inner.size() + 2) % 4) % 4));
}

}  // namespace penstock::crypto
