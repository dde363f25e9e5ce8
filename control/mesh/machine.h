// Agreement on keys with all peers that have an identity, as one machine with no hands: for each peer the two
// directions, each for itself (terms.h).
//
//   outbound (we send):     idle ──ask──▶ asking ──grant──▶ granted ──near its end, or lost by the peer──▶ asking ...
//                            ▲              │ refused, unreachable: again after a pause; what was granted stays in use
//                            └── the peer's certificate no longer holds, its terms changed: nothing stays in use
//   inbound (we receive):   a set for each offer that agrees; the older ones go a while after
//
// The sender asks once a quarter of a second whether the receiver still has the set that it sends with (a beat), so a
// receiver that lost its state is noticed and asked anew; a sender that lost its own asks anyway. Keys are changed
// before they end, at a moment that differs between peers. A peer that cannot be reached keeps its tunnel until the
// keys end: the conversation may be broken where the fabric is not.
//
// In: peers, identity, offers, answers, the time. Out: calls to make, associations made and dropped (Tunnels).
// Threads: one at a time (the caller locks). Time: CLOCK_MONOTONIC ns and seconds since 1970, given. Memory: about 1 KB
// per peer. Hostile peers: only somebody whose certificate holds and whose identity a Peer object names gets as far as
// to its own entry, and there so often a second; messages were bounded before they came here.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "base/time.h"
#include "control/mesh/tunnels.h"
#include "control/model/objects.h"
#include "control/pki/watch.h"

namespace penstock::mesh {

constexpr base::Nanos kBeatEvery = base::kNanosPerSecond / 4;
constexpr base::Nanos kRenewalSpread = 2 * base::kNanosPerSecond;  // over which all peers hear of a new certificate
constexpr base::Nanos kFirstPause = base::kNanosPerSecond / 10;    // after a failure; doubles
constexpr base::Nanos kLongestPause = base::kNanosPerSecond / 2;  // a peer that returns has its tunnel in less than 1 s
constexpr base::Nanos kDisagreementPause = 5 * base::kNanosPerSecond;  // somebody must change a Peer object
// After its sender last named it, and named another one: packets may be under way for so long.
constexpr base::Nanos kOldInboundGrace = 5 * base::kNanosPerSecond;
constexpr size_t kMaxInboundSets = 8;  // one in use, one just granted, those whose grants were lost, and what is late
constexpr base::Nanos kLeastGrace = base::kNanosPerSecond / 2;  // however fast keys are changed
constexpr double kOffersPerSecond = 100;                        // of one peer
constexpr double kOfferBurst = 20;

enum class LinkState : uint8_t {
  kIdle,          // not asked yet
  kNoIdentity,    // this gateway has no identity that holds
  kAgreeing,      // asked, or waiting to be asked
  kUnreachable,   // nobody answers
  kRefused,       // the other side, or we, refuse an identity
  kDisagreement,  // the two Peer objects do not fit
  kUp,            // associations in both directions
};
const char* to_string(LinkState state);  // "Up"

struct LinkStatus {  // for people
  model::Name peer;
  LinkState state = LinkState::kIdle;
  std::string reason;    // a sentence; empty when up and the last call was answered
  std::string identity;  // that the Peer object names
  std::string link;      // address:port
  bool outbound = false, inbound = false;
  uint64_t agreed_outbound = 0, agreed_inbound = 0;  // how often
  uint64_t failures = 0;
  base::Nanos outbound_since = 0;        // monotonic
  std::vector<base::Prefix> accepted;    // from which the peer takes packets
  std::vector<std::string> differences;  // in what the two see behind each other; sentences
};

// Who sent something: its chain of certificates, and the identity in it, which was believed when it came.
struct Evidence {
  std::vector<pki::Certificate> chain;
  pki::SpiffeId id;
};

enum class Failure : uint8_t {
  kUnreachable,   // no answer
  kRefused,       // an identity is refused, ours or the peer's
  kDisagreement,  // the terms do not fit
  kBusy,          // asked too often
};

enum class CallKind : uint8_t { kOffer, kBeat };
struct Call {
  CallKind kind = CallKind::kOffer;
  uint64_t number = 0;  // names the answer
  model::Name peer;
  std::string target;      // address:port
  pki::SpiffeId identity;  // that the other side must show
  Offer offer;             // kOffer
  uint64_t epoch = 0;      // kBeat: of the set that we send with
};

struct Refused {
  Failure failure = Failure::kRefused;
  std::string reason;
};

// Why an offer or a beat was refused here, for counters.
enum class OfferRefusal : uint8_t { kNoIdentity, kUnknownPeer, kNotBelieved, kTooMany, kDisagreement, kNoRoom };
constexpr size_t kOfferRefusals = 6;
const char* to_string(OfferRefusal refusal);  // "unknown_peer"

class Machine {
 public:
  // `instance`, `seed`: random; `workers`: of this gateway.
  Machine(Tunnels& tunnels, uint64_t instance, uint64_t seed) : tunnels_(tunnels), instance_(instance), seed_(seed) {}

  void set_workers(unsigned workers) { workers_ = workers; }
  // What is behind this gateway (served.h).
  void set_served(std::vector<base::Prefix> served) { served_ = std::move(served); }
  // What the numbers of identities in our packets mean; peers that carry them hear of it.
  void set_told(std::vector<model::PeerIdentity> told, base::Nanos now);
  // The peers to agree with; those that are not named any more, or have other terms, lose what was agreed.
  void set_peers(const model::Objects<model::Peer>& peers, base::Nanos now);
  // Null (`fault` says why), or one that does not hold by itself: nothing can be agreed, and what was agreed goes.
  void set_material(std::shared_ptr<const pki::Material> material, std::string fault, base::Nanos now,
                    pki::Seconds wall);
  // Peers whose certificates no longer hold lose what was agreed; looked at again when a certificate ends.
  void on_time(base::Nanos now, pki::Seconds wall);
  // Keys of the peer are changed now; false: there is no such peer.
  bool rekey(const model::Name& peer, base::Nanos now);

  // ---- as the sender ----
  std::optional<Call> next_call();  // that on_time() found due
  void on_grant(const Call& call, const Grant& grant, Evidence evidence, base::Nanos now, pki::Seconds wall);
  void on_beat(const Call& call, uint64_t instance, bool has_set, base::Nanos now);
  void on_failure(const Call& call, Failure failure, std::string reason, base::Nanos now);

  // ---- as the receiver ----
  // Exactly one of the two is set.
  struct Answer {
    std::optional<Grant> grant;
    std::optional<Refused> refused;
  };
  Answer on_offer(const Evidence& evidence, const Offer& offer, base::Nanos now, pki::Seconds wall);
  struct BeatAnswer {
    std::optional<Refused> refused;
    uint64_t instance = 0;
    bool has_set = false;
  };
  BeatAnswer on_beat_of(const pki::SpiffeId& sender, uint64_t epoch, base::Nanos now);

  std::vector<LinkStatus> status() const;
  uint64_t refused(OfferRefusal refusal) const { return refused_[static_cast<size_t>(refusal)]; }
  const std::shared_ptr<const pki::Material>& material() const { return material_; }

 private:
  struct Link {  // one peer
    std::shared_ptr<const model::Peer> peer;
    pki::SpiffeId identity;
    std::optional<Evidence> evidence;  // of the last grant or offer
    pki::Seconds evidence_ends = 0;

    // As the sender.
    uint64_t call = 0;  // that is under way; 0: none
    base::Nanos next_at = 0, pause = 0;
    bool ask = true;     // else a beat
    uint64_t epoch = 0;  // of the peer's set that we send with; 0: none
    uint64_t peer_instance = 0;
    bool stale = false;  // the peer has said that it no longer takes packets by that set
    base::Nanos granted_at = 0, rekey_at = 0, ends_at = 0;
    LinkState fault = LinkState::kIdle;  // of the last call; kUp: it went well
    std::string reason;
    uint64_t failures = 0, agreed_outbound = 0;
    std::vector<base::Prefix> accepted, unserved;

    // As the receiver.
    struct Set {
      uint64_t epoch = 0;
      base::Nanos named_at = 0, ends_at = 0;
    };
    std::deque<Set> sets;  // oldest first
    uint64_t in_use = 0;   // the set that its sender named last
    uint64_t agreed_inbound = 0;
    std::vector<model::PeerIdentity> learned;
    double tokens = kOfferBurst;
    base::Nanos tokens_at = 0;
    std::string inbound_reason;  // of the last offer refused; empty: none since the last that was not
  };
  using Links = std::map<model::Name, Link>;

  Links::value_type* of(const pki::SpiffeId& id);  // null: nobody's
  Link* awaiting(const Call& call);
  void ask_now(Link& link, base::Nanos now);
  void lose_outbound(const model::Name& name, Link& link);
  void lose(const model::Name& name, Link& link);  // both directions
  void fail(Link& link, LinkState state, std::string reason, base::Nanos now);
  void judge_own(base::Nanos now, pki::Seconds wall);
  pki::Verification judge(const Evidence& evidence, const pki::SpiffeId& identity, pki::Seconds wall) const;
  pki::Seconds end_of(const std::vector<pki::Certificate>& chain, pki::Seconds wall) const;
  void keep(Link& link, Evidence evidence, pki::Seconds wall);
  void check_evidence(const model::Name& name, Link& link, base::Nanos now, pki::Seconds wall);
  void check_use(base::Nanos now);
  void drop_old_sets(const model::Name& name, Link& link, base::Nanos now);
  bool make_room(const model::Name& name, Link& link, base::Nanos now);
  static bool name_set(Link& link, uint64_t epoch, base::Nanos now);
  void begin_call(const model::Name& name, Link& link);
  bool admit(Link& link, base::Nanos now);
  Answer refuse(Link* link, OfferRefusal refusal, Failure failure, std::string reason);
  LinkState state_of(const Link& link) const;
  std::vector<std::string> differences_of(const Link& link) const;
  base::Nanos vary(base::Nanos time, double least, double most);

  Tunnels& tunnels_;
  const uint64_t instance_;
  uint64_t seed_;
  unsigned workers_ = 1;
  std::vector<base::Prefix> served_;
  std::vector<model::PeerIdentity> told_;
  std::shared_ptr<const pki::Material> material_;
  std::string material_fault_, own_fault_ = "Node.spec.mesh is missing";  // empty: this gateway may be believed
  pki::Seconds own_ends_ = 0, last_wall_ = 0;
  base::Nanos own_judged_ = 0;
  Links links_;
  std::deque<Call> calls_;
  uint64_t last_call_ = 0;
  uint64_t last_epoch_ = 0;
  base::Nanos use_at_ = 0;
  uint64_t refused_[kOfferRefusals] = {};
};

}  // namespace penstock::mesh
