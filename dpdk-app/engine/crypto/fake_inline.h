// A NIC with inline crypto that is none: any port, between whose queues and DPDK's callers this stands. It answers
// rte_security as a driver would, encrypts what leaves with the mark and the metadata, decrypts what arrives for its
// keys, with OpenSSL: a cipher of its own, so that it proves something to meet the CPU's. What leaves without mark or
// metadata, or with a header that is not where l2_len and l3_len say, leaves as it is, in clear, as from hardware. For
// tests, and for operators who want to see a NIC fail before one does: of every name in `spec.crypto.devices` that
// begins with kFakeInline.
//
// Arguments: "interface=fabric,keys=64,esn=0,fail=metadata,after=10000": which interface's port it is; how many keys it
// has room for; whether it counts extended sequence numbers; how it fails, once it has handled so many packets:
//   metadata  refuses packets that are to be marked
//   receive   decrypts nothing any more: packets arrive as they were sent
//   clear     forgets to encrypt what is marked: what a test must be able to notice
// Memory: its own; expanded keys are OpenSSL's, wiped but not locked. Threads: keys come and go on the control thread;
// transmit() and receive() on any, a key is one thread's at a time (it waits, as packets do in hardware); fail() any.
// Made before the port is used by workers, and gone when they have let go of it. Does not: make anything faster, take
// packets in several segments, in UDP or in fragments.
#pragma once

#include <rte_security.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

struct rte_mbuf;
struct rte_eth_rxtx_callback;
struct rte_security_session;

namespace penstock::crypto {

constexpr std::string_view kFakeInline = "penstock_fake_inline";
constexpr uint32_t kMostFakeKeys = 1024;  // as many as a cheap NIC has

enum class InlineFault : uint8_t { kNone, kMetadata, kReceive, kClear };

struct FakeInlineSettings {
  std::string interface;
  uint32_t keys = kMostFakeKeys;
  bool esn = true;
  InlineFault fault = InlineFault::kNone;
  uint64_t after = 0;  // packets, both directions together
};
base::Result<FakeInlineSettings> read_fake_inline(std::string_view arguments);

class FakeInline {
 public:
  // Null: no memory.
  static std::unique_ptr<FakeInline> make(const FakeInlineSettings& settings);
  ~FakeInline();
  FakeInline(const FakeInline&) = delete;
  FakeInline& operator=(const FakeInline&) = delete;

  // Stands before these queues of a port from now on; false: DPDK refuses.
  bool attach(uint16_t port, uint16_t rx_queues, uint16_t tx_queues);
  void detach();  // the port has stopped
  rte_security_ctx* context() { return &context_; }

  // What happens to a frame on its way out, and in: the callbacks', and of tests without devices.
  void transmit(rte_mbuf* frame);
  void receive(rte_mbuf* frame);

  void fail(InlineFault fault) { fault_.store(fault, std::memory_order_relaxed); }
  uint32_t keys() const { return used_; }  // control thread
  uint64_t encrypted() const { return encrypted_.load(std::memory_order_relaxed); }
  uint64_t decrypted() const { return decrypted_.load(std::memory_order_relaxed); }

 private:
  struct Key;
  struct Queue {
    uint16_t port = 0, number = 0;
    const rte_eth_rxtx_callback* callback = nullptr;
  };
  explicit FakeInline(const FakeInlineSettings& settings);

  // rte_security_ops
  static int create(void* device, rte_security_session_conf* conf, rte_security_session* session);
  static int destroy(void* device, rte_security_session* session);
  static unsigned size_of_session(void* device);
  static int set_metadata(void* device, rte_security_session* session, rte_mbuf* packet, void* parameters);
  static const rte_security_capability* capabilities(void* device);

  InlineFault fault() const;
  Key* find(uint32_t spi, bool v4, const uint8_t* destination);

  const FakeInlineSettings settings_;
  rte_security_ctx context_{};
  std::array<rte_security_capability, 3> offers_{};
  std::atomic<InlineFault> fault_{InlineFault::kNone};
  std::atomic<uint64_t> encrypted_{0}, decrypted_{0};
  uint32_t used_ = 0;
  std::atomic<uint32_t> highest_{0};  // one past the highest place that was ever used
  std::unique_ptr<Key[]> keys_;       // kMostFakeKeys
  std::vector<Queue> rx_, tx_;
};

}  // namespace penstock::crypto
