// Whether a request may pass: access policies, compiled.
//
// A list names the policies that are attached to what serves a request (guards.h). Of all lists together: what an
// enforced DENY policy meets is denied; else, where enforced ALLOW policies are attached, what none of them meets is
// denied; all else passes. Shadow policies only count: what they would deny, and what they would allow.
//
// Built by control, immutable, shared by all workers, each with a Scratch of its own. Cost: the rules of the attached
// policies in order, each list of them by binary search (text_set.h); all regular expressions are one scan of the path,
// and one of each header or parameter that a rule with expressions asks for. Nothing is allocated while requests are
// judged. Failure: build() names the field of an expression that is none; a path too long for the scratch meets every
// DENY rule with paths and no ALLOW rule with paths.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "l7/config/access.h"
#include "l7/guard/text_set.h"
#include "l7/http/message.h"

namespace penstock::guard {

constexpr uint32_t kNoSlot = UINT32_MAX;

class Access;

class AccessScratch {
 public:
  static base::Result<AccessScratch> make(const Access& access);

 private:
  friend class Judge;
  static constexpr size_t kRoom = http::kDefaultTargetBytes + http::kOwnBytes;  // a target's part, however it came
  match::Scratch patterns_;
  std::unique_ptr<uint64_t[]> found_, found_lenient_, found_other_;  // bits of the path, twice; of anything else
  std::unique_ptr<char[]> path_, value_;
};

class Access {
 public:
  // The policies' numbers in lists are their places.
  static base::Result<Access> build(std::span<const config::AccessPolicy> policies);

  bool denies(uint32_t policy) const { return policies_[policy].action == config::AccessAction::kDeny; }
  size_t policies() const { return policies_.size(); }

 private:
  friend class AccessScratch;
  friend class Judge;

  struct Fields {
    std::string name;
    TextSet values, not_values;
  };
  struct Rule {
    AddressSet from, not_from;
    TextSet hosts, not_hosts;
    TextSet paths, not_paths;                  // of the path as it is
    TextSet lenient_paths, lenient_not_paths;  // of its lenient reading
    TextSet methods, not_methods;
    std::vector<Fields> headers, query;
    bool asks_path = false;
    uint32_t slot = 0;
  };
  struct Policy {
    config::AccessAction action;
    bool shadow;
    uint32_t slot;
    std::vector<Rule> rules;
  };

  static Rule compile(const config::AccessRule& from, const std::string& owner, Expressions& expressions);

  std::vector<Policy> policies_;
  match::PatternSet patterns_;
};

using PolicyList = std::span<const uint32_t>;

struct AccessVerdict {
  bool denied = false;
  uint32_t slot = kNoSlot;  // of the rule that denied, or of the ALLOW policy none of whose rules was met
};

// One request before its policies.
class Judge {
 public:
  Judge(const Access& access, const http::RequestHead& head, const base::IpAddress& source, AccessScratch& scratch)
      : access_(access), head_(head), source_(source), scratch_(scratch) {}

  // `count(slot)` is called for every rule that was met, and for every ALLOW policy when none was.
  template <typename Count>
  AccessVerdict run(std::array<PolicyList, 2> lists, Count&& count);

 private:
  const Access::Rule* met(const Access::Policy& policy);
  bool meets(const Access::Rule& rule, bool any);
  bool meets_path(const Access::Rule& rule, bool any);
  bool meets_header(const Access::Fields& wanted, bool any);
  bool meets_query(const Access::Fields& wanted, bool any);
  bool meets_value(const Access::Fields& wanted, std::string_view value);
  bool meets_text(const TextSet& wanted, const TextSet& unwanted, std::string_view text);
  const uint64_t* scan(std::string_view text, uint64_t* found);
  void read_path();

  const Access& access_;
  const http::RequestHead& head_;
  const base::IpAddress source_;
  AccessScratch& scratch_;
  bool path_read_ = false, path_usable_ = false, path_scanned_ = false, lenient_scanned_ = false;
  std::string_view lenient_;
};

template <typename Count>
AccessVerdict Judge::run(std::array<PolicyList, 2> lists, Count&& count) {
  AccessVerdict verdict;
  bool allowed = false, shadow_allowed = false, must_be_allowed = false;
  uint32_t nobody = kNoSlot;
  for (const PolicyList& list : lists) {
    for (const uint32_t number : list) {
      const Access::Policy& policy = access_.policies_[number];
      if (policy.action != config::AccessAction::kDeny || (verdict.denied && !policy.shadow)) continue;
      const Access::Rule* rule = met(policy);
      if (rule == nullptr) continue;
      count(rule->slot);
      if (!policy.shadow) verdict = {true, rule->slot};
    }
  }
  for (const PolicyList& list : lists) {
    for (const uint32_t number : list) {
      const Access::Policy& policy = access_.policies_[number];
      if (policy.action != config::AccessAction::kAllow) continue;
      if (!policy.shadow && !must_be_allowed) {
        must_be_allowed = true;
        nobody = policy.slot;
      }
      if (!policy.shadow && (allowed || verdict.denied)) continue;
      const Access::Rule* rule = met(policy);
      if (rule == nullptr) continue;
      count(rule->slot);
      (policy.shadow ? shadow_allowed : allowed) = true;
    }
  }
  // What is denied already is not blamed on those who did not allow it either.
  for (const PolicyList& list : lists)
    for (const uint32_t number : list)
      if (const Access::Policy& policy = access_.policies_[number]; policy.action == config::AccessAction::kAllow &&
                                                                    !verdict.denied && !allowed &&
                                                                    (policy.shadow ? !shadow_allowed : true))
        count(policy.slot);
  if (!verdict.denied && must_be_allowed && !allowed) verdict = {true, nobody};
  return verdict;
}

}  // namespace penstock::guard
