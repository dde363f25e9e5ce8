// What the control side asks of the packet engine. The engine implements it (gatewayd/engine_dataplane.*); tests of the
// control side bring their own. Unless a comment says otherwise, called from the control thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"
#include "control/mesh/tunnels.h"
#include "control/model/errors.h"
#include "control/model/node.h"
#include "control/model/objects.h"
#include "control/model/peer.h"
#include "flow/command.h"
#include "flow/counters.h"
#include "flow/generation.h"

namespace penstock::loop {

// An open device, in the order of Node.spec.interfaces. Also what control/compile needs to know about devices.
struct PortInfo {
  std::string interface;        // Node interface name
  uint16_t port = 0;            // DPDK port id
  uint16_t twin_port = 0xffff;  // DPDK port of the kernel twin
  base::MacAddress mac;
  std::string driver;
  uint16_t rx_queues = 0, tx_queues = 0;
  uint16_t max_mtu = 0;
  bool link_up = false;
  uint32_t speed_mbps = 0;  // 0: unknown
  bool rss = false;         // the device spreads packets by our key
};

struct PortCounters {  // the device's own
  uint64_t rx_packets = 0, rx_bytes = 0, rx_missed = 0, rx_errors = 0, rx_no_buffer = 0;
  uint64_t tx_packets = 0, tx_bytes = 0, tx_errors = 0;
};

struct WorkerInfo {
  unsigned id = 0, core = 0;
  uint64_t generation = 0;  // adopted
  base::Nanos adopted_at = 0;
  bool running = false;
  std::vector<std::string> queues;  // "wan/0"
};

// One captured packet, or one line of a trace.
struct CapturedPacket {
  base::Nanos wall_time = 0;
  flow::InterfaceId interface = flow::kNoInterface;
  flow::CapturePoint point = flow::CapturePoint::kRx;
  flow::DropReason reason = flow::DropReason::kNone;
  uint8_t worker = 0;
  uint32_t original_length = 0;
  std::vector<uint8_t> bytes;
};

struct TraceStep {      // a packet after one stage
  uint64_t packet = 0;  // number of the packet within the trace; steps of one packet follow each other
  uint8_t worker = 0;
  std::string stage;
  flow::Verdict verdict = flow::Verdict::kContinue;
  flow::DropReason reason = flow::DropReason::kNone;
  std::string detail;       // "service default/web:80 -> 10.0.1.11:80", "rule edge/deny-ssh", "via 10.0.1.11 dev lan"
  std::string packet_line;  // first step: the packet in one line
};

struct Explanation {
  std::vector<TraceStep> steps;
  uint64_t generation = 0;
  std::string egress_interface;  // empty: not sent
  std::vector<uint8_t> output;   // the frame as it would leave
};

// One security association, as it is now. Names are those of the engine's lists (engine/crypto/verdict.h).
struct AssociationInfo {
  uint16_t peer = flow::kNoPeer;  // slot
  bool outbound = false;
  uint32_t spi = 0;
  unsigned worker = 0;  // that owns it
  std::string cipher;   // "aes-gcm-128"
  std::string path;     // what it runs on: "inline", "look-aside", "cpu", "software"
  std::string device, why_not_better;
  uint64_t packets = 0, bytes = 0;  // encrypted or decrypted
  std::vector<std::pair<std::string, uint64_t>> refused;
};

struct CryptoDeviceInfo {
  std::string name;
  std::string failure;  // why it is used no more; "": it is
};

class Dataplane {
 public:
  virtual ~Dataplane() = default;

  // Starts the workers (first call with a Node) and opens every device that `node` names and is not open. Devices whose
  // parameters changed are an error naming the field ("remove the interface first"); so is another worker set.
  // On an error nothing stays open that was not open before. Paths in errors begin at "spec".
  virtual model::FieldErrors prepare(const model::Node& node, std::vector<PortInfo>& ports) = 0;

  // Makes ready what the peers of the generation encrypt and decrypt with; those that did not change keep what they
  // have. On an error nothing changes. Until commit_peers() nothing is used, and abandon_peers() forgets it.
  // Keys that cannot be read are an error of a peer that is new or changed. One that is neither, or any under
  // kGoWithout, has no associations then, and is tried again the next time.
  enum class MissingKeys : uint8_t { kRefuse, kGoWithout };
  virtual model::FieldErrors prepare_peers(const flow::Generation& generation, const model::Objects<model::Peer>& peers,
                                           MissingKeys missing) = 0;
  virtual void commit_peers() = 0;
  virtual void abandon_peers() = 0;
  // Once a second: what devices still hold of associations that are gone, and room that they have again.
  virtual void tidy_peers() = 0;
  virtual std::vector<AssociationInfo> associations() const = 0;     // any thread; peer by peer
  virtual std::vector<CryptoDeviceInfo> crypto_devices() const = 0;  // any thread; those that are open

  // What peers agree on (control/mesh/tunnels.h), by slot; used from the next commit_peers() on. No two at once with
  // prepare_peers() and its end.
  virtual base::Result<mesh::Made> make_inbound(uint16_t peer, const std::string& identity, uint64_t epoch,
                                                unsigned senders) = 0;
  virtual base::Result<void> use_outbound(uint16_t peer, const std::string& identity, const mesh::Grant& grant) = 0;
  virtual void drop_inbound(uint16_t peer, uint64_t epoch) = 0;
  virtual void drop_outbound(uint16_t peer) = 0;
  struct AssociationUse {
    uint16_t peer = flow::kNoPeer;
    bool outbound = false, worn = false;
    std::vector<uint64_t> inbound;
  };
  virtual std::vector<AssociationUse> association_use() const = 0;  // any thread

  // Makes `generation` the one to adopt. The dataplane keeps the newest one alive itself; an older one stays valid
  // until oldest_in_use() passes its number.
  virtual void publish(std::shared_ptr<const flow::Generation> generation) = 0;
  // The oldest generation number any running worker may still read; generations below may be freed.
  virtual uint64_t oldest_in_use() const = 0;
  // Closes devices that `node` no longer names. Only after every worker adopted a generation without them.
  virtual void close_ports_not_in(const model::Node& node) = 0;

  virtual std::vector<WorkerInfo> workers() const = 0;                      // any thread
  virtual std::vector<PortInfo> ports() const = 0;                          // any thread
  virtual PortCounters port_counters(uint16_t port) const = 0;              // any thread
  virtual const flow::WorkerCounters& counters(unsigned worker) const = 0;  // any thread
  virtual uint64_t client_connections() const = 0;                          // any thread; those that end here

  // Which worker owns packets with this key (before translation). Any thread.
  virtual unsigned owner_of(const flow::FlowKey& key) const = 0;
  // Gives a command to a worker; false: its ring is full (try again later). Any thread. The command must live until
  // done().
  virtual bool submit(unsigned worker, flow::Command* command) = 0;

  // Takes up to `most` events from all workers; the frame is valid during the call.
  virtual size_t poll_events(size_t most, const std::function<void(const flow::Event&)>& sink) = 0;

  // Watching; any thread. A bad expression is an error. `sink` runs on the caller's thread in poll.
  class Watch {
   public:
    virtual ~Watch() = default;  // ends it
    // Returns false when the watch is over and drained. `lost` counts packets that did not fit.
    virtual bool poll(const std::function<void(const CapturedPacket&)>& sink, uint64_t& lost) = 0;
  };
  virtual base::Result<std::unique_ptr<Watch>> capture(const std::string& expression, uint8_t points,
                                                       uint16_t snap_length) = 0;
  virtual base::Result<void> trace(const std::string& expression, unsigned packets, base::Nanos deadline,
                                   const std::function<bool(const TraceStep&)>& sink) = 0;
  // Runs the frame through the live generation as if it came in on `interface`, with copies of the tables it needs.
  virtual base::Result<Explanation> explain(flow::InterfaceId interface, std::span<const uint8_t> frame) = 0;
};

}  // namespace penstock::loop
