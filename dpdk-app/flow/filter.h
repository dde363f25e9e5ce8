// The ordered access rules of one generation over rte_acl: first match wins, cost nearly independent of their number.
// Rules may name source and destination identities, as ranges of classes (flow/identity.h); only then are they part of
// what is searched. Rules in shadow decide nothing: FilterResult::shadow says which one would have.
// Mirrors are looked at beside them, one by one: their matches are few and each holds on its own. Immutable; any thread
// may classify. Needs the EAL. A rule set that rte_acl cannot build is an error naming its size.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"

struct rte_acl_ctx;

namespace penstock::flow {

enum class FlowState : uint8_t { kNew = 1, kEstablished = 2, kRelated = 4, kUntracked = 8 };

enum class FilterAction : uint8_t { kAllow, kDeny, kReject };

// What a packet shows to the filter. Both families; the one not in use is ignored.
struct FilterInput {
  base::IpAddress src, dst;
  uint16_t src_port = 0, dst_port = 0;  // host order
  uint16_t interface = 0;               // ingress
  uint8_t protocol = 0;
  uint8_t tcp_flags = 0;  // 0 when not TCP
  uint8_t icmp_type = 0;  // 0 when not ICMP
  FlowState state = FlowState::kUntracked;
  uint16_t from_class = 0, to_class = 0;  // of the identities; 0: nobody known
};

struct RuleMatch {  // one combination; the compiler multiplies lists out
  // A match is of one family: IPv4 when either prefix is, else IPv6. The default, ::/0, is any address, also beside an
  // IPv4 prefix; so a rule for everything has two matches, one with 0.0.0.0/0 and one as it is.
  base::Prefix src, dst;
  uint16_t src_port_first = 0, src_port_last = 65535, dst_port_first = 0, dst_port_last = 65535;
  uint16_t interface = 0xffff;  // 0xffff: any
  uint8_t protocol = 0;         // 0: any
  uint8_t tcp_flags = 0, tcp_mask = 0;
  int16_t icmp_type = -1;  // -1: any
  uint8_t states = 0;      // set of FlowState bits; 0: any
  uint16_t from_class_first = 0, from_class_last = 65535, to_class_first = 0, to_class_last = 65535;

  bool names_identities() const {
    return from_class_first != 0 || from_class_last != 65535 || to_class_first != 0 || to_class_last != 65535;
  }
};

// Whether a packet has all of it: what the compiled rules compute for all rules at once.
bool matches(const RuleMatch& match, const FilterInput& input);

struct FilterRule {
  uint32_t slot = 0;  // stable: counters
  std::vector<RuleMatch> matches;
  FilterAction action = FilterAction::kAllow;
  bool shadow = false;  // counts what it would decide, and decides nothing
  uint32_t log_sample = 0;
  std::vector<uint32_t> limits;  // rate-limit slots attached to the rule
  std::string name;              // "policy/rule"
};

struct MirrorMatch {
  uint32_t slot = 0;  // 0..63
  std::vector<RuleMatch> matches;
};

constexpr uint32_t kNoRule = 0xffffffff;
constexpr size_t kFilterBurst = 64;           // inputs classified at once
constexpr size_t kMaxRuleMatches = 1u << 18;  // over all rules: bounds the memory and the time of a build
constexpr size_t kMaxMirrorMatches = 1024;    // over all mirrors: gone through for each packet that is classified

struct FilterResult {
  uint32_t rule = kNoRule;    // index into rules(); kNoRule: no rule matched
  uint64_t mirrors = 0;       // bit per mirror slot
  uint32_t shadow = kNoRule;  // the rule in shadow that comes before `rule`; kNoRule: none does
};

class Filter {
 public:
  static base::Result<std::shared_ptr<const Filter>> build(std::vector<FilterRule> rules,
                                                           std::vector<MirrorMatch> mirrors);
  ~Filter();
  Filter(const Filter&) = delete;

  // Classifies up to kFilterBurst packets at once; `inputs` may mix families.
  void classify(std::span<const FilterInput* const> inputs, FilterResult* results) const;
  FilterResult classify(const FilterInput& input) const;

  const std::vector<FilterRule>& rules() const { return rules_; }
  bool empty() const { return rules_.empty() && !has_mirrors_; }
  bool has_rules() const { return !rules_.empty(); }
  // Some rule or mirror looks at what differs from packet to packet of one flow (TCP flags, ICMP type): a decision
  // about an established flow may not be kept in the flow.
  bool varies_within_flow() const { return varies_within_flow_; }
  bool uses_state() const { return uses_state_; }  // some rule or mirror names a flow state: all packets are tracked
  bool has_mirrors() const { return has_mirrors_; }
  bool has_shadow() const { return has_shadow_; }
  bool uses_identities() const { return uses_identities_; }

 private:
  Filter() = default;
  uint64_t mirrors_of(const FilterInput& input) const;

  // One each, but for rules that overlap in too many ways. [0]: the rules that decide; [1]: with those in shadow.
  std::vector<rte_acl_ctx*> v4_[2], v6_[2];
  std::vector<FilterRule> rules_;
  std::vector<MirrorMatch> mirrors_;
  bool varies_within_flow_ = false, uses_state_ = false, has_mirrors_ = false, has_shadow_ = false,
       uses_identities_ = false;
};

}  // namespace penstock::flow
