// ESP in tunnel mode, a lane with bursts of 64 packets: cycles per packet of encryption and of decryption (with finding
// the packet and checking what came out), by device, way of using it, cipher and length of the inner packet; and what
// many SAs cost against one.
//
//   esp_bench --benchmark_filter='sync|queues'     synchronous calls against the device's queues
//   esp_bench --benchmark_filter=many              1 SA against 4000, a packet each in turn
//
// Memory: hugepages where enough are free, as the gateway does (ESP_BENCH_NO_HUGE=1: ordinary pages).
// Both directions are timed within one pass: a packet can be decrypted only once.
#include <benchmark/benchmark.h>
#include <rte_mbuf.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <vector>

#include "bench/bench_main.h"
#include "engine/crypto/esp_in.h"
#include "engine/crypto/esp_lane.h"
#include "engine/crypto/sa.h"
#include "wire/build.h"

namespace penstock::crypto {
namespace {

constexpr uint32_t kMostSas = 4000;
constexpr uint32_t kFirstSpi = 0x10000;

base::IpAddress ip(const char* text) { return base::IpAddress::parse(text).value(); }

rte_mempool* pool() {
  static rte_mempool* made = rte_pktmbuf_pool_create("esp", 1023, 128, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  return made;
}

// The benchmark cannot go on without: says why and ends.
template <typename T>
T must(base::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "esp_bench: %s\n", result.error().c_str());
  std::exit(1);
}

// One for each driver and way of using it, for the whole program.
CryptoDevice* device(const char* driver, CryptoUse use) {
  static auto& devices = *new std::vector<std::unique_ptr<CryptoDevice>>;  // the EAL goes before statics do
  const std::string name = std::string(driver) + (use == CryptoUse::kAny ? "_sync" : "_queues");
  for (const auto& each : devices)
    if (each->name() == name) return each.get();
  devices.push_back(must(CryptoDevice::open({.name = name, .max_sessions = 2 * kMostSas + 8, .use = use})));
  return devices.back().get();
}

SaSpec spec(Cipher cipher, uint32_t number, bool receiver) {
  SaSpec s;
  s.spi = kFirstSpi + number;
  s.cipher = cipher;
  const CipherTraits& traits = traits_of(cipher);
  const auto key = [](size_t length, uint32_t seed) {
    std::vector<uint8_t> bytes(length);
    for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<uint8_t>(seed * 7 + i * 3);
    return length == 0 ? Key{} : must(Key::take(bytes));
  };
  s.key = key(traits.key_length + traits.salt_length, number);
  s.integrity_key = key(traits.integrity_key_length, number + 1);
  s.local = ip("192.0.2.1");
  s.remote = ip("198.51.100.2");
  if (receiver) std::swap(s.local, s.remote);
  return s;
}

class Road {
 public:
  Road(CryptoDevice* device, Cipher cipher, uint32_t sas, size_t length) : devices_{device}, inner_(length) {
    lane_ = must(EspLane::make({}, devices_));
    for (uint32_t i = 0; i < sas; ++i) {
      out_.push_back(must(OutboundSa::make(spec(cipher, i, false), devices_)));
      in_.push_back(must(InboundSa::make(spec(cipher, i, true), devices_)));
    }
    const std::vector<uint8_t> payload(length - 28);
    wire::UdpPacket udp;
    udp.ip = {.src = ip("10.1.0.5"), .dst = ip("10.2.0.9")};
    udp.src_port = 4000;
    udp.dst_port = 53;
    udp.payload = payload;
    wire::build_udp(inner_, udp);
  }

  // A burst there and back. False: a packet was refused.
  bool pass(base::Cycles& encrypting, base::Cycles& decrypting) {
    std::array<uint32_t, kLaneBurst> sas;
    for (size_t i = 0; i < kLaneBurst; ++i) {
      rte_mbuf* m = rte_pktmbuf_alloc(pool());
      std::copy(inner_.begin(), inner_.end(),
                reinterpret_cast<uint8_t*>(rte_pktmbuf_append(m, static_cast<uint16_t>(inner_.size()))));
      sas[i] = next_++ % static_cast<uint32_t>(out_.size());
      burst_[i] = {.packet = m, .sa = out_[sas[i]].get(), .cookie = i};
    }
    const base::Cycles begin = base::read_cycles();
    lane_->encrypt(burst_, 0);
    collect();
    const base::Cycles encrypted = base::read_cycles();
    bool good = true;
    for (EspPacket& p : burst_) {
      uint32_t spi = 0;
      good &= p.verdict == EspVerdict::done;
      p.sa = in_[sas[p.cookie]].get();
      wire::Headers outer;
      const auto* ip = rte_pktmbuf_mtod(p.packet, const uint8_t*);
      good &= wire::parse_ip({ip, p.packet->data_len}, wire::Whole::kYes, wire::Ipv4Checksum::kVerify, outer) ==
                  wire::ParseError::kNone &&
              find_esp(ip, outer, spi, p.place) == EspVerdict::done && spi == kFirstSpi + sas[p.cookie];
    }
    lane_->decrypt(burst_, 0);
    collect();
    decrypting += base::read_cycles() - encrypted;
    encrypting += encrypted - begin;
    for (EspPacket& p : burst_) {
      good &= p.verdict == EspVerdict::done;
      rte_pktmbuf_free(p.packet);
    }
    return good;
  }

 private:
  // What went through queues comes back in its order.
  void collect() {
    while (lane_->in_flight() != 0) {
      const size_t count = lane_->collect(back_, 0);
      for (size_t i = 0; i < count; ++i) burst_[back_[i].cookie] = back_[i];
    }
  }

  std::vector<CryptoDevice*> devices_;
  std::unique_ptr<EspLane> lane_;
  std::vector<std::unique_ptr<OutboundSa>> out_;
  std::vector<std::unique_ptr<InboundSa>> in_;
  std::vector<uint8_t> inner_;
  std::array<EspPacket, kLaneBurst> burst_, back_;
  uint32_t next_ = 0;
};

void run(benchmark::State& state, const char* driver, CryptoUse use, Cipher cipher, uint32_t sas, size_t length) {
  Road road(device(driver, use), cipher, sas, length);
  base::Cycles encrypting = 0, decrypting = 0;
  for (auto _ : state)
    if (!road.pass(encrypting, decrypting)) state.SkipWithError("a packet was refused");
  const auto packets = static_cast<double>(state.iterations() * kLaneBurst);
  state.counters["encrypt"] = static_cast<double>(encrypting) / packets;
  state.counters["decrypt"] = static_cast<double>(decrypting) / packets;
}

void add_all() {
  constexpr std::pair<const char*, CryptoUse> kUses[] = {{"sync", CryptoUse::kAny}, {"queues", CryptoUse::kQueues}};
  for (const char* driver : {"crypto_aesni_gcm", "crypto_aesni_mb"})
    for (const auto& [way, use] : kUses)
      for (const Cipher cipher : {Cipher::kAesGcm128, Cipher::kAesGcm256})
        for (const size_t length : {64u, 512u, 1400u}) {
          const std::string name = std::string(driver + 7) + "/" + way + "/" + traits_of(cipher).name + "/";
          benchmark::RegisterBenchmark((name + std::to_string(length)).c_str(), run, driver, use, cipher, 1u, length);
        }
  for (const uint32_t sas : {1u, 1000u, kMostSas})
    benchmark::RegisterBenchmark(("many/" + std::to_string(sas)).c_str(), run, "crypto_aesni_gcm", CryptoUse::kAny,
                                 Cipher::kAesGcm128, sas, size_t{64});
}

}  // namespace
}  // namespace penstock::crypto

namespace {

bool start_eal() {
  unsigned free_pages = 0;
  std::ifstream("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") >> free_pages;
  if (free_pages < 128 || std::getenv("ESP_BENCH_NO_HUGE") != nullptr) return penstock::bench::start_eal("4096");
  const char* eal[] = {"bench",
                       "-l",
                       "0",
                       "--in-memory",
                       "--no-pci",
                       "--no-telemetry",
                       "--log-level=3",
                       "--force-max-simd-bitwidth=512"};
  return rte_eal_init(std::size(eal), const_cast<char**>(eal)) >= 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (!start_eal()) return 1;
  penstock::crypto::add_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  rte_eal_cleanup();
  return 0;
}
