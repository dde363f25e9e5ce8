// One worker's road through ESP: a burst in, a burst out, a verdict per packet, whatever the crypto runs on.
//
//   lane->encrypt(burst, now);    // or decrypt: every packet has a verdict now
//   n = lane->collect(burst, now) // once a round: those whose verdict was in_flight
//
// Sessions on the CPU path are done when encrypt/decrypt returns; sessions on a device's queues stay in_flight until
// collect() brings them, in the order in which each device took them, so packets of one SA keep their order.
// Packets of a burst may belong to different SAs of this worker; those of one SA go to the CPU path together.
//
// A device fails when it ends an operation with an error that is no forgery, when it keeps what it has for
// kDevicePatience, or when it takes nothing although nothing is with it. The lane that sees it marks the device; every
// lane then gives up what it has there, and each SA goes on, with its next packet, on what stands by (Sa::fall_back()):
// same sequence numbers, window, lifetimes, counters. What a failed device refused goes on at once. What it still has
// is lost (take_lost()) and not touched: its buffers and operations stay the device's until it gives them back, at most
// kMaxInFlight of a queue; if it does they are freed, and whatever is in them goes nowhere.
// Memory: the lane owns its operations (a pool of `capacity`, made at once); packets stay the caller's. One thread, the
// worker's; made and destroyed by the control thread, destroyed only when in_flight() is 0. Hot: no allocation but from
// the pool, no lock, no clock. Failure of make(): an Error; of a packet: its verdict (verdict.h), counted in its SA.
// A packet that is device_full is as it was handed in, in clear: the caller may keep it and try again, or drop it.
// Does not: look SAs up, free packets (but those that come back from a failed device), retry.
#pragma once

#include <rte_crypto_sym.h>

#include <array>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "engine/crypto/crypto_device.h"
#include "engine/crypto/esp_job.h"
#include "engine/crypto/esp_packet.h"

struct rte_crypto_op;

namespace penstock::crypto {

constexpr size_t kLaneBurst = 64;        // the engine's burst; longer spans are worked off in pieces
constexpr size_t kMaxDevices = 8;        // of one lane: hardware, and the software that stands in for it
constexpr uint32_t kMaxInFlight = 2048;  // a device's queue
// A hundred times what hardware takes, and gone before a peer's probes call its path dead (3 of 50 ms). Time in which
// the worker did not look does not count: virtual cores stand still.
constexpr base::Nanos kDevicePatience = 20'000'000;
constexpr base::Nanos kMostBetweenLooks = 1'000'000;

struct LaneConfig {
  uint16_t queue_pair = 0;           // the worker's, on every device
  uint32_t capacity = kMaxInFlight;  // operations in flight with a device; more are device_full
  int socket = 0;
};

class EspLane {
 public:
  static base::Result<std::unique_ptr<EspLane>> make(const LaneConfig& config, std::span<CryptoDevice* const> devices);
  ~EspLane();
  EspLane(const EspLane&) = delete;
  EspLane& operator=(const EspLane&) = delete;

  void encrypt(std::span<EspPacket> burst, base::Nanos now);
  void decrypt(std::span<EspPacket> burst, base::Nanos now);
  size_t collect(std::span<EspPacket> out, base::Nanos now);
  // Packets that were in_flight and were given up since the last call; their buffers are the lane's.
  uint32_t take_lost() { return std::exchange(lost_, 0); }
  uint32_t in_flight() const { return in_flight_; }
  // There is something to collect, or a failed device may give back what it has.
  bool expects() const { return in_flight_ + kept_ != 0; }

 private:
  struct Queue {  // of one device
    CryptoDevice* device = nullptr;
    bool given_up = false;
    uint32_t in_flight = 0;
    uint32_t kept = 0;       // by the failed device
    base::Nanos looked = 0;  // at it, last
    base::Nanos waited = 0;  // for what it has
  };

  EspLane() = default;

  template <Direction kDirection>
  void run(std::span<EspPacket> burst, base::Nanos now);
  void join_group(std::span<EspPacket> burst, uint8_t index);
  void run_groups(std::span<EspPacket> burst);
  void run_group(std::span<EspPacket> burst, uint8_t first);
  bool prepare_op(EspPacket& packet, base::Nanos now, Direction direction);
  void enqueue(std::span<EspPacket> burst, base::Nanos now);
  void refuse(const Queue& queue, std::span<EspPacket> burst, size_t first, size_t end);
  void notice_failures();
  bool falls_back(Sa& sa);
  size_t collect(Queue& queue, std::span<EspPacket> out, base::Nanos now);
  void land(Queue& queue, rte_crypto_op* op, EspPacket& out);
  void discard(Queue& queue, rte_crypto_op* op);
  void look_after(Queue& queue, bool moved, base::Nanos now);
  void condemn(Queue& queue, DeviceFault fault);
  void give_up(Queue& queue);
  Queue& queue_of(const CryptoDevice* device);
  void settle(EspPacket& packet, const EspJob& job, JobEnd end);

  std::vector<Queue> queues_;
  uint16_t queue_pair_ = 0;
  rte_mempool* operations_ = nullptr;
  uint32_t in_flight_ = 0, kept_ = 0, lost_ = 0;  // of all queues

  // The burst at work. CPU path: a job per packet, and the arrays that one call to the device wants.
  std::array<EspJob, kLaneBurst> jobs_;
  // Packets of one SA as a chain: group by group the first and the last, packet by packet the next (itself: the end).
  std::array<uint8_t, kLaneBurst> group_first_, group_last_, next_, members_;
  size_t groups_ = 0;
  std::array<rte_crypto_vec, kLaneBurst> data_;
  std::array<rte_crypto_sgl, kLaneBurst> lists_;
  std::array<rte_crypto_va_iova_ptr, kLaneBurst> ivs_, aads_, tags_;
  std::array<int32_t, kLaneBurst> statuses_;
  // Queues: operations of this burst, with the packet of each.
  std::array<rte_crypto_op*, kLaneBurst> ops_;
  std::array<uint8_t, kLaneBurst> op_packets_;
  size_t op_count_ = 0;
  // Packets of this burst that a failed device did not take.
  std::array<uint8_t, kLaneBurst> again_;
  size_t again_count_ = 0;
};

}  // namespace penstock::crypto
