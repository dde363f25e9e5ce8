// AccessPolicy and Mirror objects → one Filter: lists multiplied out into single combinations, policies in their order.
#include <algorithm>

#include "control/compile/parts.h"
#include "control/model/diff.h"

namespace penstock::compile {

namespace {

constexpr uint8_t kIcmp = 1, kIcmp6 = 58;

flow::FilterAction action_of(model::RuleAction action) {
  switch (action) {
    case model::RuleAction::kAllow:
      return flow::FilterAction::kAllow;
    case model::RuleAction::kDeny:
      return flow::FilterAction::kDeny;
    case model::RuleAction::kReject:
      return flow::FilterAction::kReject;
  }
  return flow::FilterAction::kDeny;
}

uint8_t states_of(model::FlowStateMatch state) {
  switch (state) {
    case model::FlowStateMatch::kAny:
      return 0;
    case model::FlowStateMatch::kNew:
      return static_cast<uint8_t>(flow::FlowState::kNew);
    case model::FlowStateMatch::kEstablished:
      return static_cast<uint8_t>(flow::FlowState::kEstablished);
    case model::FlowStateMatch::kRelated:
      return static_cast<uint8_t>(flow::FlowState::kRelated);
  }
  return 0;
}

// The prefixes of one family; the whole family when the list names none at all.
std::vector<base::Prefix> of_family(const std::vector<base::Prefix>& prefixes, bool v4) {
  std::vector<base::Prefix> out;
  if (prefixes.empty()) out.push_back(v4 ? base::Prefix{base::IpAddress::v4(0), 0} : base::Prefix{});
  std::copy_if(prefixes.begin(), prefixes.end(), std::back_inserter(out),
               [v4](const auto& p) { return p.is_v4() == v4; });
  return out;
}

// A match before it is multiplied out: every combination of one item of each list.
class Product {
 public:
  Product(const model::Match& match, const InterfacePart& interfaces, std::vector<ClassRange> senders,
          std::vector<ClassRange> receivers)
      : match_(match), senders_(std::move(senders)), receivers_(std::move(receivers)) {
    ids_ = match.interfaces.empty() ? std::vector<flow::InterfaceId>{flow::kNoInterface}
                                    : interfaces.ids_of(match.interfaces);
    sources_ = match.source_ports.empty() ? std::vector<model::PortRange>{{}} : match.source_ports;
    destinations_ = match.destination_ports.empty() ? std::vector<model::PortRange>{{}} : match.destination_ports;
    for (const bool v4 : {true, false}) {
      // Each ICMP belongs to one family; the other could only be matched by a malformed packet.
      if (match.protocol == (v4 ? kIcmp6 : kIcmp)) continue;
      from_[v4] = of_family(match.from, v4);
      to_[v4] = of_family(match.to, v4);
    }
  }

  // Lists are short enough (model/limits.h) for this not to overflow.
  uint64_t size() const {
    const uint64_t pairs = uint64_t{from_[0].size()} * to_[0].size() + uint64_t{from_[1].size()} * to_[1].size();
    const uint64_t identities = uint64_t{senders_.size()} * receivers_.size();
    return std::min<uint64_t>(pairs * ids_.size() * identities, 1ull << 32) * sources_.size() * destinations_.size();
  }

  std::vector<flow::RuleMatch> matches() const {
    std::vector<flow::RuleMatch> out;
    out.reserve(size());
    for (const bool v4 : {true, false})
      for (const base::Prefix& from : from_[v4])
        for (const base::Prefix& to : to_[v4])
          for (const flow::InterfaceId id : ids_) add_ports(from, to, id, out);
    return out;
  }

 private:
  void add_ports(const base::Prefix& from, const base::Prefix& to, flow::InterfaceId id,
                 std::vector<flow::RuleMatch>& out) const {
    for (const model::PortRange& source : sources_) {
      for (const model::PortRange& destination : destinations_) {
        flow::RuleMatch match;
        match.src = from;
        match.dst = to;
        match.src_port_first = source.first;
        match.src_port_last = source.last;
        match.dst_port_first = destination.first;
        match.dst_port_last = destination.last;
        match.interface = id;
        match.protocol = match_.protocol.value_or(0);
        match.tcp_flags = match_.tcp_flags;
        match.tcp_mask = match_.tcp_flags_mask;
        if (match_.icmp_type) match.icmp_type = *match_.icmp_type;
        match.states = states_of(match_.state);
        add_identities(match, out);
      }
    }
  }

  void add_identities(flow::RuleMatch& match, std::vector<flow::RuleMatch>& out) const {
    for (const ClassRange& from : senders_) {
      for (const ClassRange& to : receivers_) {
        match.from_class_first = from.first;
        match.from_class_last = from.last;
        match.to_class_first = to.first;
        match.to_class_last = to.last;
        out.push_back(match);
      }
    }
  }

  const model::Match& match_;
  std::vector<flow::InterfaceId> ids_;
  std::vector<model::PortRange> sources_, destinations_;
  std::vector<base::Prefix> from_[2], to_[2];  // [is IPv4]
  std::vector<ClassRange> senders_, receivers_;
};

// "edge/ssh", "team-a/edge/ssh": unique, since neither names nor namespaces hold a slash.
std::string rule_name(const model::AccessPolicy& policy, const model::AccessRule& rule) {
  return policy.name.to_string() + "/" + rule.name;
}

std::vector<const model::AccessPolicy*> in_order(const model::Objects<model::AccessPolicy>& policies) {
  std::vector<const model::AccessPolicy*> out;
  for (const auto& [name, policy] : policies) out.push_back(policy.get());  // by name already
  std::stable_sort(out.begin(), out.end(), [](const auto* a, const auto* b) { return a->priority < b->priority; });
  return out;
}

class FilterBuilder {
 public:
  FilterBuilder(const Round& round, FilterPart& part, const InterfacePart& interfaces, const IdentityClasses& classes)
      : round_(round), part_(part), interfaces_(interfaces), classes_(classes) {}

  void run() {
    if (!assign_slots()) {
      round_.errors.push_back({"bundle", "",
                               "no room for so many access rules or mirrors until every worker has left "
                               "the generations of those removed: try again"});
      return;
    }
    add_rules();
    add_mirrors();
    if (!fits_) return;
    auto built = flow::Filter::build(std::move(rules_), std::move(mirrors_));
    if (built) {
      part_.filter = *std::move(built);
    } else {
      round_.errors.push_back({"bundle", "", "access rules and mirrors: " + built.error()});
    }
  }

 private:
  bool assign_slots() {
    std::vector<std::string> rules, mirrors;
    for (const auto& [name, policy] : part_.policies)
      for (const model::AccessRule& rule : policy->rules) rules.push_back(rule_name(*policy, rule));
    for (const auto& [name, mirror] : part_.mirror_objects) mirrors.push_back(name.to_string());
    return part_.rules.assign(rules, round_.last, round_.retired) &&
           part_.mirrors.assign(mirrors, round_.last, round_.retired);
  }

  // The combinations of a match; none, and a fault, beyond the bound.
  std::vector<flow::RuleMatch> multiply(const model::Match& match, model::Kind kind, const model::Name& name,
                                        const std::string& path, const std::vector<std::string>& senders = {},
                                        const std::vector<std::string>& receivers = {}) {
    const Product product(match, interfaces_, classes_.ranges_of(senders), classes_.ranges_of(receivers));
    combinations_ += product.size();
    if (combinations_ <= kMaxCombinations) return product.matches();
    if (fits_) {
      round_.fault(kind, name, path,
                   "its lists multiply out to " + std::to_string(product.size()) +
                       " combinations; with those before it there are " + std::to_string(combinations_) + " (at most " +
                       std::to_string(kMaxCombinations) + " in all)");
    }
    fits_ = false;
    return {};
  }

  void add_rules() {
    for (const model::AccessPolicy* policy : in_order(part_.policies)) {
      for (size_t i = 0; i < policy->rules.size() && fits_; ++i) {
        const model::AccessRule& rule = policy->rules[i];
        flow::FilterRule out;
        out.name = rule_name(*policy, rule);
        out.slot = part_.rules.at(out.name);
        out.matches = multiply(rule.match, model::Kind::kAccessPolicy, policy->name,
                               "spec.rules[" + std::to_string(i) + "]", rule.from_identities, rule.to_identities);
        out.action = action_of(rule.action);
        out.shadow = rule.shadow;
        out.log_sample = rule.log_sample;
        if (const auto limits = part_.limits.find({policy->name, rule.name}); limits != part_.limits.end())
          out.limits = limits->second;
        rules_.push_back(std::move(out));
      }
    }
  }

  void add_mirrors() {
    part_.mirror_rules.assign(part_.mirrors.bound(), {});
    for (size_t slot = 0; slot < part_.mirror_rules.size(); ++slot)
      part_.mirror_rules[slot].slot = static_cast<uint32_t>(slot);
    for (const auto& [name, mirror] : part_.mirror_objects) {
      flow::MirrorRule& out = part_.mirror_rules[part_.mirrors.at(name.to_string())];
      out.sample = mirror->sample;
      out.truncate = mirror->truncate;
      if (!mirror->interface.empty()) out.interface = interfaces_.id(mirror->interface);
      out.erspan = mirror->collector.has_value();
      out.collector = mirror->collector.value_or(base::IpAddress{});
      out.source = mirror->source.value_or(base::IpAddress{});
      out.session = mirror->session;
      out.name = name.to_string();
      mirrors_.push_back({out.slot, multiply(mirror->match, model::Kind::kMirror, name, "spec.match")});
    }
  }

  const Round& round_;
  FilterPart& part_;
  const InterfacePart& interfaces_;
  const IdentityClasses& classes_;
  std::vector<flow::FilterRule> rules_;
  std::vector<flow::MirrorMatch> mirrors_;
  uint64_t combinations_ = 0;
  bool fits_ = true;
};

}  // namespace

void FilterPart::update(const Round& round, const InterfacePart& interfaces, const LimitPart& limit_part,
                        const IdentityPart& identities) {
  bool changed = !filter || !interface_ids.same_as(interfaces.ids) || limits != limit_part.attached->rules;
  model::for_each_change(policies, round.state.access_policies, [&](const auto&, const auto&) { changed = true; });
  model::for_each_change(mirror_objects, round.state.mirrors, [&](const auto&, const auto&) { changed = true; });
  if (!changed) return;
  policies = round.state.access_policies;
  mirror_objects = round.state.mirrors;
  interface_ids = interfaces.ids;
  limits = limit_part.attached->rules;
  FilterBuilder(round, *this, interfaces, identities.classes).run();
}

}  // namespace penstock::compile
