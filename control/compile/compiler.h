// Turns the desired state into a generation: what the workers decide by.
//
// Pure but for its memory, which is what makes a small change cheap and slots stable: the parts of the last accepted
// generation and the objects they were made from. What did not change is shared, not made again.
//
//   compile() → a generation, or every reason why there is none → accept(), once it is sure to be published → retired()
//
// Without accept() the next compile() begins from the last accepted generation again, so a dry run or a generation that
// could not be stored leaves nothing behind. Control thread only. Needs the EAL (route tables and filters live in DPDK
// memory). The state must have passed model::validate(); what is reported here are faults that show only when objects
// are joined: how many endpoints a service has in all, how many combinations the lists of a rule make, what no longer
// fits.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"
#include "control/compile/health_view.h"
#include "control/compile/peer_view.h"
#include "control/model/state.h"
#include "flow/generation.h"
#include "l7/config/session.h"

namespace penstock::compile {

// What must be known about the open device of a Node's interface.
struct PortFacts {
  std::string interface;  // Node interface name
  uint16_t port = 0;
  uint16_t twin_port = 0xffff;
  base::MacAddress mac;
  bool operator==(const PortFacts&) const = default;
};

// Of flow::Settings.
struct Drain {
  bool on = false;
  base::Nanos until = 0;
};

struct Compiled {
  std::shared_ptr<const flow::Generation> generation;  // null when there are errors
  model::FieldErrors errors;
};

// What peers said of themselves that their identities' numbers mean.
using PeerIdentities = std::map<model::Name, std::shared_ptr<const std::vector<model::PeerIdentity>>>;

// Whether packets between us and the peer carry identities: the one place that decides it.
bool speaks_identities(const model::Peer& peer);

class Compiler {
 public:
  explicit Compiler(flow::HashSecret secret = {}, base::Cycles hz = base::cycles_per_second());
  ~Compiler();
  Compiler(const Compiler&) = delete;

  // `number` is higher than that of the last accepted generation.
  Compiled compile(const model::State& state, std::span<const PortFacts> ports, const HealthView& health,
                   uint64_t number, const Drain& drain = {}, const PeerView& peers = {},
                   const config::SessionKeys& sessions = {});
  // What the numbers in the peer's packets mean, as it told; an empty list forgets. In force from the next compile()
  // on, beside its static identities. Refused as a whole: too long, a number twice or 0, not a SPIFFE ID.
  base::Result<void> set_peer_identities(const model::Name& peer, std::vector<model::PeerIdentity> list);
  // The last compiled generation is the one to build on.
  void accept();
  // No worker reads `generation` or an older one any more: what only they named may be used again.
  void retired(uint64_t generation);

 private:
  struct Memory;
  const flow::HashSecret secret_;
  const base::Cycles hz_;
  uint64_t retired_ = 0;
  PeerIdentities learned_;
  std::unique_ptr<Memory> accepted_, last_;
};

}  // namespace penstock::compile
