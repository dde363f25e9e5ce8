// Security associations: what each worker encrypts and decrypts with, and the control thread's side of it.
//
// An association belongs to one worker (crypto/sa.h). A peer's outbound ones are its lanes: lane k of n belongs to
// worker k mod workers, and a worker spreads its flows over the lanes it has, by flow, so that a flow keeps its order.
// A worker without a lane of the peer gives its packets to one that has. An inbound one belongs to the worker that its
// SPI names (flow::owner_of), which is where the decrypt stage sends its packets.
//
// Associations come in sets that begin and end together. A peer has one outbound set, and of inbound ones as many as
// the other side may still be sending with: a new one stands beside the old one until that side has changed over.
//
// Where a port on a peer's way does inline crypto, its associations have a key there, too, beside their session.
//
// Control thread: stage*() and remove*() collect what is to change, commit() hands every worker its new table, waits
// until none reads the old one, and frees what is no longer in use; abandon() forgets what was staged. list(), use(),
// devices(): any thread. Failure: an Error that names the association; then nothing is staged by that call. Keys: see
// crypto/key.h.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "engine/crypto/esp_lane.h"
#include "engine/crypto/key_log.h"
#include "engine/crypto/sa.h"
#include "engine/inline_keys.h"
#include "flow/peer_table.h"

namespace penstock::engine {

constexpr size_t kMaxLanes = 64;               // associations of a peer and direction: a worker pair each
constexpr uint32_t kMaxCryptoSessions = 8192;  // 1000 peers with 4 associations, twice while they change

// One worker's table; immutable. What it points to is the worker's.
class WorkerAssociations {
 public:
  struct Lanes {  // of one peer
    uint32_t first = 0;
    uint16_t count = 0;        // 0: this worker has none
    uint16_t relay = kNobody;  // then: a worker that has one
    crypto::EspOverhead overhead;
    uint16_t path_mtu = UINT16_MAX;  // the most that both sides agreed on
    // The longest inner datagram by the way that the peer's tunnel takes now.
    uint16_t inner_mtu(const flow::Peer& to) const {
      return overhead.inner_mtu(std::min(to.path_mtu, path_mtu), !to.remote.is_v4());
    }
  };
  static constexpr uint16_t kNobody = 0xffff;
  struct Inbound {
    crypto::InboundSa* sa = nullptr;
    uint32_t spi = 0;
    uint16_t peer = flow::kNoPeer;
  };

  Lanes lanes_of(uint16_t peer) const { return peer < by_peer_.size() ? by_peer_[peer] : Lanes{}; }
  // Only with count != 0.
  crypto::OutboundSa* outbound(Lanes lanes, uint32_t flow_hash) const {
    // The lowest bits chose the worker.
    return lanes_[lanes.first + (lanes.count == 1 ? 0 : (flow_hash >> 7) % lanes.count)];
  }
  crypto::OutboundSa* lane_at(Lanes lanes, unsigned k) const { return lanes_[lanes.first + k]; }
  const Inbound* inbound(uint32_t spi) const {
    if (by_spi_.empty()) return nullptr;
    for (size_t at = place_of(spi);; at = (at + 1) & (by_spi_.size() - 1)) {
      const Inbound& each = by_spi_[at];
      if (each.sa == nullptr) return nullptr;
      if (each.spi == spi) return &each;
    }
  }
  crypto::EspLane* lane() const { return lane_; }

 private:
  friend class Associations;
  size_t place_of(uint32_t spi) const { return spi * 0x9e3779b1u & (by_spi_.size() - 1); }

  crypto::EspLane* lane_ = nullptr;
  std::vector<Lanes> by_peer_;
  std::vector<crypto::OutboundSa*> lanes_;
  std::vector<Inbound> by_spi_;  // open addressing, at most half full; its size is a power of two
};

struct AssociationFacts {  // one association, for people
  uint16_t peer = flow::kNoPeer;
  crypto::Direction direction = crypto::Direction::kOutbound;
  uint32_t spi = 0;
  unsigned worker = 0;
  const char* cipher = "";
  const char* path = "";  // "cpu"
  std::string device, why_not_better;
  uint64_t packets = 0, bytes = 0;                        // done
  std::vector<std::pair<const char*, uint64_t>> refused;  // by name, those that are not 0
};

struct AssociationUse {  // of one peer
  uint16_t peer = flow::kNoPeer;
  bool outbound = false;
  bool worn = false;              // one of its outbound associations has reached a soft limit of packets or bytes
  std::vector<uint64_t> inbound;  // epochs
};

struct CryptoDeviceFacts {
  std::string name;
  std::string failure;  // "": none
};

class Associations {
 public:
  // Gives worker `id` its table and returns when it reads no older one.
  using HandOver = std::function<void(unsigned worker, std::shared_ptr<const WorkerAssociations>)>;

  // `use`: of the software devices; their queues only in tests.
  Associations(unsigned workers, HandOver hand_over, crypto::CryptoUse use = crypto::CryptoUse::kAny);
  ~Associations();
  void log_keys(crypto::KeyLog* log) { key_log_ = log; }  // of what is staged from now on

  // Crypto devices beside those in software, which are always there: DPDK devargs. Opened at once; others are closed.
  // While there are associations the list cannot change. On an error none is open.
  struct DeviceFault {
    size_t index;  // in the list
    std::string reason;
  };
  std::optional<DeviceFault> set_devices(const std::vector<std::string>& devices);
  const std::vector<std::string>& wanted_devices() const { return wanted_; }
  std::vector<CryptoDeviceFacts> devices() const;  // any thread

  // Ports that encrypt and decrypt by themselves: they get keys of the associations whose ways lead there
  // (inline_keys.h). When remove_port() returns, the port has none any more, and no packet that waits for one.
  void add_port(std::shared_ptr<crypto::InlinePort> port);
  void remove_port(uint16_t port);
  void set_ways(InlineKeyring::Ways ways);  // from the next commit() on
  // Now and then: what NICs still have of keys that went, and keys for which there is room by now.
  void tidy();

  // Replace all associations of the peer, its outbound ones, or add a set of inbound ones. Open the crypto devices when
  // they are needed for the first time. `epoch`: names the set; of one that is there the new set takes the place.
  base::Result<void> stage(uint16_t peer, std::vector<crypto::SaSpec> outbound, std::vector<crypto::SaSpec> inbound);
  base::Result<void> stage_outbound(uint16_t peer, std::vector<crypto::SaSpec> outbound);
  base::Result<void> stage_inbound(uint16_t peer, uint64_t epoch, std::vector<crypto::SaSpec> inbound);
  void remove_inbound(uint16_t peer, uint64_t epoch);
  void remove_outbound(uint16_t peer);
  void remove(uint16_t peer);
  void commit();
  void abandon();

  // What encryption adds, of a staged or live peer; nothing: it has no outbound association.
  std::optional<crypto::EspOverhead> overhead(uint16_t peer) const;
  bool uses_inbound(uint32_t spi) const;  // staged or live
  std::vector<AssociationFacts> list() const;
  std::vector<AssociationUse> use() const;
  // For a worker that only explains: knows which peers have associations, and has none itself. Any thread.
  std::shared_ptr<const WorkerAssociations> without_any() const;

 private:
  template <typename Sa>
  using Set = std::vector<std::unique_ptr<Sa>>;
  using OutboundSet = std::shared_ptr<const Set<crypto::OutboundSa>>;  // null: none
  using InboundSet = std::shared_ptr<const Set<crypto::InboundSa>>;
  struct Peer {
    OutboundSet outbound;
    std::map<uint64_t, InboundSet> inbound;  // by epoch
    bool empty() const { return outbound == nullptr && inbound.empty(); }
  };
  using Peers = std::map<uint16_t, Peer>;
  // Whose the inbound SPIs are: slot and epoch. Thousands of them are asked for one by one when a mesh starts.
  using Spis = std::unordered_map<uint32_t, std::pair<uint16_t, uint64_t>>;
  // Sets that are no longer anybody's, until nothing of them is with a crypto device.
  struct Retired {
    OutboundSet outbound;
    InboundSet inbound;
    bool in_flight() const;
  };

  struct Opened {
    std::vector<std::unique_ptr<crypto::CryptoDevice>> devices;
    std::vector<crypto::CryptoDevice*> list;
    std::vector<std::unique_ptr<crypto::EspLane>> lanes;
  };
  // `index`: of the wanted device that is the fault's.
  base::Result<Opened> open(size_t& index) const;
  void close_devices();
  base::Result<void> open_devices(size_t& index);
  const Peers& next() const { return staged_ ? *staged_ : live_; }
  Peers& staging();
  const Spis& next_spis() const { return staged_ ? staged_spis_ : live_spis_; }
  void forget_spis(const InboundSet& set);
  base::Result<OutboundSet> made(std::vector<crypto::SaSpec> outbound);
  // `of`, `but`: the set that it replaces, if any; all of the peer's when `but` is null.
  base::Result<InboundSet> made(uint16_t of, const uint64_t* but, std::vector<crypto::SaSpec> inbound);
  void forget_if_empty(uint16_t peer);
  void retire_what_goes();
  bool place_keys();  // true: some went, and every worker must begin another round
  void hand_over();   // after which none uses what went
  std::shared_ptr<const WorkerAssociations> table_of(unsigned worker) const;

  const unsigned workers_;
  const HandOver hand_over_;
  const crypto::CryptoUse use_;
  crypto::KeyLog* key_log_ = nullptr;
  std::vector<std::string> wanted_;
  std::vector<std::unique_ptr<crypto::CryptoDevice>> devices_;  // the sessions of associations live in them
  std::vector<crypto::CryptoDevice*> device_list_;
  std::vector<std::unique_ptr<crypto::EspLane>> lanes_;  // by worker
  mutable std::mutex lock_;                              // live_ is read by list(), devices_ by devices()
  InlineKeyring keyring_;                                // changes under lock_; its ports outlive the associations
  Peers live_;
  std::unique_ptr<Peers> staged_;
  Spis live_spis_, staged_spis_;
  std::vector<Retired> retired_;
};

}  // namespace penstock::engine
