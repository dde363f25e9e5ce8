#include "engine/stages/filter.h"

namespace penstock::engine {

namespace {

using flow::DropReason;
using flow::Verdict;

flow::FilterInput input_of(const Packet& p) {
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
  return input;
}

void decide(Packet& p, WorkerState& w, const flow::FilterResult& result) {
  p.mirrors = result.mirrors;
  p.rule = result.rule;
  const flow::Filter& filter = *w.generation->filter;
  if (result.rule == flow::kNoRule) {
    // Replies of flows the interface let in need no rule of their own.
    if (w.generation->interfaces->by_id[p.in].default_deny && p.state != flow::FlowState::kEstablished &&
        p.state != flow::FlowState::kRelated)
      drop(p, DropReason::filter_default);
    return;
  }
  const flow::FilterRule& rule = filter.rules()[result.rule];
  if (carry_of(p.mbuf).open_here == 0) w.counters->rules[rule.slot].add(p.length);  // else counted where it came from
  if (rule.log_sample != 0 && w.random() % rule.log_sample == 0) log_packet(w, p, rule.slot);
  switch (rule.action) {
    case flow::FilterAction::kAllow:
      return;
    case flow::FilterAction::kDeny:
      return drop(p, DropReason::filter_denied);
    case flow::FilterAction::kReject:
      return reject(p, DropReason::filter_rejected, Answer::kReset);
  }
}

}  // namespace

void Filter::run(Burst& burst, WorkerState& w) {
  const flow::Filter& filter = *w.generation->filter;
  const bool keep = !filter.varies_within_flow() && !filter.has_mirrors();
  flow::FilterInput inputs[kBurst];
  const flow::FilterInput* pointers[kBurst];
  flow::FilterResult results[kBurst];
  Packet* who[kBurst];
  unsigned count = 0;
  for (Packet& p : burst) {
    if (p.verdict != Verdict::kContinue || p.headers.family == 0 || p.exact != nullptr) continue;
    if (keep && p.flow != nullptr && !p.stale &&
        !p.related) {  // decided when the flow was first seen in this generation
      decide(p, w, {p.rule, 0});
      continue;
    }
    fill_key(p, w.secret);
    inputs[count] = input_of(p);
    pointers[count] = &inputs[count];
    who[count++] = &p;
  }
  if (count == 0) return;
  filter.classify({pointers, count}, results);
  for (unsigned i = 0; i < count; ++i) decide(*who[i], w, results[i]);
}

}  // namespace penstock::engine
