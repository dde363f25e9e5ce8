// A NIC that encrypts and decrypts ESP on its way out and in (rte_security, RTE_SECURITY_ACTION_TYPE_INLINE_CRYPTO):
// what it offers, and the keys that it was given. The gateway still makes and judges everything of ESP that is not
// ciphertext: header, sequence number, IV, padding, window, lifetimes, selectors (esp_inline.h).
//
// A port is one only if its device says so for a tunnel in both directions; AES-GCM alone is asked for. What such a
// device must be told at configure time is offloads_of(). Where the driver wants a metadata word in each packet it gets
// it; an inbound key also needs a steering rule (rte_flow: destination, ESP, SPI), which a packet that came by another
// way, in UDP or as a fragment does not meet: that one comes as it is, and the CPU decrypts it.
// An InlineKeys is what one association has on all ports; it never changes, and its owner reads it while the control
// thread makes the next one.
//
//     up ── fail() ──> failed    a packet was refused: nothing is given to it any more (once and for good)
//
// Memory: a port owns its session pool, locked, left out of core dumps, wiped session by session; it outlives its
// sessions, and the device outlives the port's. Threads: make and free on the control thread; mark(), failed(), fail()
// on any. Failure: an Error that names the port. Does not: choose ports (engine/inline_keys.h), inline protocol
// offload, UDP encapsulation, hardware that strips the trailer itself.
#pragma once

#include <rte_mbuf.h>
#include <rte_security.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/crypto/crypto_device.h"
#include "engine/crypto/fake_inline.h"
#include "engine/crypto/sa_spec.h"

struct rte_flow;
struct rte_security_session;
struct rte_mempool;

namespace penstock::crypto {

constexpr uint32_t kMaxInlineSessions = 8192;  // of a port: more than NICs have places; theirs is the bound

struct InlineOffloads {
  uint64_t rx = 0, tx = 0;  // RTE_ETH_*_OFFLOAD_SECURITY, or nothing
};
// Before the device is configured.
InlineOffloads offloads_of(uint16_t port);

class InlinePort;

// A key on a NIC. Frees and wipes itself.
class InlineSession {
 public:
  InlineSession(InlinePort& port, uint32_t spi, Direction direction, void* handle, rte_flow* rule)
      : port_(port), spi_(spi), direction_(direction), handle_(handle), rule_(rule) {}
  ~InlineSession();
  InlineSession(const InlineSession&) = delete;
  InlineSession& operator=(const InlineSession&) = delete;
  InlinePort& port() const { return port_; }
  uint32_t spi() const { return spi_; }
  Direction direction() const { return direction_; }
  void* handle() const { return handle_; }

 private:
  InlinePort& port_;
  const uint32_t spi_;
  const Direction direction_;
  void* const handle_;
  rte_flow* const rule_;
};

struct InlineKeys {
  std::vector<std::shared_ptr<const InlineSession>> sessions;  // a port or two
  // Ports whose word counts, a bit each: those that have a key, are about to get one, or have to forget it.
  uint32_t opened_by = 0;
  // What seals packets that leave by this port; null: nothing, or nothing any more.
  inline const InlineSession* on(uint16_t port) const;
};

class InlinePort {
 public:
  // Of a started device. Null: it offers nothing of the kind.
  static std::unique_ptr<InlinePort> of_device(uint16_t port, const std::string& name, uint16_t tx_queues);
  // Any device behind our own hardware that is none (fake_inline.h).
  static base::Result<std::unique_ptr<InlinePort>> of_fake(uint16_t port, const std::string& name, uint16_t tx_queues,
                                                           std::unique_ptr<FakeInline> fake);
  ~InlinePort();
  InlinePort(const InlinePort&) = delete;
  InlinePort& operator=(const InlinePort&) = delete;

  uint16_t id() const { return id_; }
  const std::string& name() const { return name_; }
  uint16_t tx_queues() const { return tx_queues_; }
  // Empty when it can do this; else the reason.
  std::string lacks(const SaSpec& spec, Direction direction) const;
  base::Result<std::shared_ptr<const InlineSession>> make_session(const SaSpec& spec, Direction direction);

  // Any thread.
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  void fail() { failed_.store(true, std::memory_order_relaxed); }
  std::string why_failed() const { return name_ + " failed: refused a packet that it has the key for"; }
  // The packet is complete but for its ciphertext and ICV, its l2_len and l3_len are those with which it will leave by
  // this port. False: it is refused, and unmarked. `sequence`: all 64 bits; some drivers take the high half from here.
  bool mark(rte_mbuf* packet, void* session, uint64_t sequence) const {
    packet->ol_flags |= RTE_MBUF_F_TX_SEC_OFFLOAD;
    if (!wants_metadata_ || set_metadata(packet, session, sequence)) return true;
    packet->ol_flags &= ~RTE_MBUF_F_TX_SEC_OFFLOAD;
    return false;
  }

  FakeInline* fake() { return fake_.get(); }  // null: it is real

 private:
  friend class InlineSession;
  InlinePort(uint16_t id, std::string name, uint16_t tx_queues, rte_security_ctx* context)
      : id_(id), name_(std::move(name)), tx_queues_(tx_queues), context_(context) {}
  base::Result<void> make_pool();
  bool set_metadata(rte_mbuf* packet, void* session, uint64_t sequence) const;
  rte_flow* steer(const SaSpec& spec, void* session);
  void free_session(void* handle, rte_flow* rule);

  const uint16_t id_;
  const std::string name_;
  const uint16_t tx_queues_;
  rte_security_ctx* const context_;
  bool wants_metadata_ = false;
  std::atomic<bool> failed_{false};
  rte_mempool* sessions_ = nullptr;
  std::unique_ptr<FakeInline> fake_;
};

inline const InlineSession* InlineKeys::on(uint16_t port) const {
  for (const auto& each : sessions)
    if (each->port().id() == port) return each->port().failed() ? nullptr : each.get();
  return nullptr;
}

}  // namespace penstock::crypto
