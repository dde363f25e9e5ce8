#include "engine/stages/filter.h"

#include "engine/admission.h"
#include "engine/tracking.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Verdict;

flow::FilterInput input_of(Packet& p, const WorkerState& w) {
  flow::FilterInput input;
  input.src = p.key.src;
  input.dst = p.key.dst;
  input.src_port = p.headers.src_port;
  input.dst_port = p.headers.dst_port;
  input.interface = p.in;
  input.protocol = p.headers.protocol;
  input.tcp_flags = p.headers.tcp_flags;
  input.icmp_type = p.headers.icmp_type;
  input.state = p.state;
  if (!w.by_identity) return input;
  const flow::IdentityTable& identities = *w.generation->identities;
  p.to_identity = identities.sources.at(p.key.dst);
  input.from_class = identities.class_of(p.identity);
  input.to_class = identities.class_of(p.to_identity);
  return input;
}

// What becomes of a packet: kNone, it goes on.
struct Decision {
  DropReason reason = DropReason::kNone;
  Answer answer = Answer::kNone;
};

Decision of_default(const WorkerState& w, flow::InterfaceId in) {
  const flow::Interface& interface = w.generation->interfaces->by_id[in];
  if (!interface.default_deny) return {};
  return {DropReason::filter_default, interface.default_reject ? Answer::kReset : Answer::kNone};
}

Decision of_rule(const flow::FilterRule& rule) {
  switch (rule.action) {
    case flow::FilterAction::kAllow:
      return {};
    case flow::FilterAction::kDeny:
      return {DropReason::filter_denied, Answer::kNone};
    case flow::FilterAction::kReject:
      return {DropReason::filter_rejected, Answer::kReset};
  }
  return {};
}

void apply(Packet& p, const Decision& decision) {
  if (decision.reason == DropReason::kNone) return;
  if (decision.answer == Answer::kNone) return drop(p, decision.reason);
  reject(p, decision.reason, decision.answer);
}

void count_rule(const Packet& p, WorkerState& w, const flow::FilterRule& rule) {
  if (carry_of(p.mbuf).open_here == 0) w.counters->rules[rule.slot].add(p.length);  // else counted where it came from
  if (rule.log_sample != 0 && w.random() % rule.log_sample == 0) log_packet(w, p, rule.slot);
}

Decision decide(Packet& p, WorkerState& w, const flow::FilterResult& result) {
  p.mirrors = result.mirrors;
  p.rule = result.rule;
  const auto& rules = w.generation->filter->rules();
  if (result.shadow != flow::kNoRule) {
    p.shadow_rule = result.shadow;
    count_rule(p, w, rules[result.shadow]);
  }
  if (result.rule == flow::kNoRule) {
    // Replies of flows the interface let in need no rule of their own.
    if (p.state == flow::FlowState::kEstablished || p.state == flow::FlowState::kRelated) return {};
    return of_default(w, p.in);
  }
  count_rule(p, w, rules[result.rule]);
  return of_rule(rules[result.rule]);
}

// Once per flow and generation, and for what is refused: not for the packets of a flow that goes on.
void count_pair(const Packet& p, WorkerState& w, const Decision& decision) {
  flow::IdentityPair& pair = w.counters->identity_pairs.of(p.identity, p.to_identity);
  (decision.reason == DropReason::kNone ? pair.allowed : pair.denied).add(1);
  if (p.shadow_rule == flow::kNoRule) return;
  if (w.generation->filter->rules()[p.shadow_rule].action != flow::FilterAction::kAllow) pair.shadowed.add(1);
}

// Somebody else uses the addresses of an open flow.
bool is_imposter(const Packet& p, const WorkerState& w) {
  return w.by_identity && p.flow != nullptr && !p.stale && !p.related &&
         w.origins[p.flow_index].identity[p.direction] != p.identity;
}

// Flows of which the first packet since a change is at hand: those that would not be let in any more are refused.
void readmit_flows(std::span<Packet* const> due, WorkerState& w) {
  const flow::Filter& filter = *w.generation->filter;
  flow::FilterInput inputs[kBurst];
  const flow::FilterInput* pointers[kBurst];
  flow::FilterResult results[kBurst];
  Packet* who[kBurst];
  unsigned count = 0;
  for (Packet* p : due) {
    if (w.flows_ended() != w.flows_ended_before && !still_has_flow(*p)) continue;  // Open begins it anew
    if (!first_input(*p, w, inputs[count])) {
      readmit(*p, w);
      continue;
    }
    pointers[count] = &inputs[count];
    who[count++] = p;
  }
  if (count == 0) return;
  filter.classify({pointers, count}, results);
  for (unsigned i = 0; i < count; ++i) {
    Packet& p = *who[i];
    const uint32_t rule = results[i].rule;
    const Decision decision =
        rule == flow::kNoRule ? of_default(w, inputs[i].interface) : of_rule(filter.rules()[rule]);
    if (decision.reason == DropReason::kNone) {
      readmit(p, w);
      continue;
    }
    p.rule = rule;
    if (w.by_identity) count_pair(p, w, decision);
    refuse_flow(p, w, decision.reason, decision.answer);
  }
}

}  // namespace

void Filter::run(Burst& burst, WorkerState& w) {
  const flow::Filter& filter = *w.generation->filter;
  const bool keep = !filter.varies_within_flow() && !filter.has_mirrors() && !filter.has_shadow();
  flow::FilterInput inputs[kBurst];
  const flow::FilterInput* pointers[kBurst];
  flow::FilterResult results[kBurst];
  Packet *who[kBurst], *due[kBurst];
  unsigned count = 0, due_count = 0;
  for (Packet& p : burst) {
    if (p.verdict != Verdict::kContinue || p.headers.family == 0 || p.exact != nullptr) continue;
    if (is_imposter(p, w)) {
      drop(p, DropReason::identity_changed);
      continue;
    }
    if (keep && p.flow != nullptr && !p.stale &&
        !p.related) {  // decided when the flow was first seen in this generation
      apply(p, decide(p, w, {.rule = p.rule}));
      continue;
    }
    fill_key(p, w.secret);
    if (is_due(p, w)) due[due_count++] = &p;
    inputs[count] = input_of(p, w);
    pointers[count] = &inputs[count];
    who[count++] = &p;
  }
  if (due_count != 0) readmit_flows({due, due_count}, w);
  if (count == 0) return;
  filter.classify({pointers, count}, results);
  for (unsigned i = 0; i < count; ++i) {
    Packet& p = *who[i];
    if (p.verdict != Verdict::kContinue) continue;  // its flow is refused
    const Decision decision = decide(p, w, results[i]);
    if (w.by_identity && (p.stale || p.flow == nullptr || decision.reason != DropReason::kNone))
      count_pair(p, w, decision);
    apply(p, decision);
  }
}

}  // namespace penstock::engine
