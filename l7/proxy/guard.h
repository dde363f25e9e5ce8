// Part of proxy.h: what stands between a request's route and its filters, and may refuse it: access policies,
// inspection of the head, and, before the first try, of the beginning of the content, which is held back until then.
#pragma once

#include "l7/http/text.h"
#include "l7/proxy/proxy.h"

namespace penstock::proxy {

// False: the exchange has its answer.
template <Net N>
bool Proxy<N>::admit(Exchange& x, const config::Listener& listener, const route::Candidate& found) {
  const guard::Set& set = config_->guards;
  const std::array<uint32_t, 2> lists{
      found.route < listener.guards.size() ? listener.guards[found.route] : config::kNoGuards,
      config_->actions[found.action].guards};
  if (lists[0] == config::kNoGuards && lists[1] == config::kNoGuards) return true;
  std::array<guard::PolicyList, 2> access;
  for (size_t i = 0; i < lists.size(); ++i)
    if (lists[i] != config::kNoGuards) access[i] = set.lists[lists[i]].access;
  if (access[0].empty() && access[1].empty()) return inspect_head(x, lists);

  const http::RequestHead& head = message_of(x).request;
  guard::Judge judge(*set.access, head, x.record.peer, *set.access_scratches[worker_]);
  const guard::AccessVerdict verdict = judge.run(access, [this](uint32_t slot) { counters_.count_guard(slot); });
  if (!verdict.denied) return inspect_head(x, lists);
  x.record.guard = verdict.slot;
  answer(x, 403, kAccessDenied);
  return false;
}

// Likewise. What the client sent in the name of a tag goes, whatever was found.
template <Net N>
bool Proxy<N>::inspect_head(Exchange& x, const std::array<uint32_t, 2>& lists) {
  const guard::Set& set = config_->guards;
  http::RequestHead& head = message_of(x).request;
  uint32_t denied = kNone;
  bool fits = true;
  std::array<uint32_t, 2> slots{};
  for (size_t i = 0; i < lists.size(); ++i)
    slots[i] = lists[i] == config::kNoGuards ? guard::kNoSlot : set.lists[lists[i]].inspection;
  if (slots[1] == slots[0]) slots[1] = guard::kNoSlot;
  for (const uint32_t slot : slots) {
    if (slot == guard::kNoSlot) continue;
    for (const std::string& name : set.inspections[slot]->tag_names()) {
      head.fields.remove(name);
      x.without_trailers = true;  // nor may a trailer say it
    }
  }
  for (size_t i = 0; i < slots.size(); ++i) {
    const uint32_t slot = slots[i];
    if (slot == guard::kNoSlot) continue;
    const guard::Inspection& inspection = *set.inspections[slot];
    guard::InspectionScratch& scratch = *set.inspection_scratches[worker_];
    inspection.scan_head(head, scratch);
    inspection.report(scratch, [&](const auto& pattern) { fits &= note_finding(x, pattern, denied); });
    if (inspection.body_bytes() == 0) continue;
    x.inspections[i] = slot;
    x.hold_bytes = std::max(x.hold_bytes, inspection.body_bytes());
  }
  if (denied == kNone && fits) return true;
  if (denied == kNone) counters_.count(Count::filters_failed);
  x.record.guard = denied;
  answer(x, denied == kNone ? 500 : 403, denied == kNone ? 0 : uint32_t{kAccessDenied});
  return false;
}

// False: a tag did not fit into the head.
template <Net N>
bool Proxy<N>::note_finding(Exchange& x, const guard::Inspection::Pattern& pattern, uint32_t& denied) {
  counters_.count_guard(pattern.slot);
  if (x.record.findings++ == 0) x.record.finding = pattern.slot;
  if (pattern.action == config::InspectionAction::kDeny && denied == kNone) denied = pattern.slot;
  if (pattern.action == config::InspectionAction::kLimit) note_limit(x, pattern.limit_slot);
  return pattern.action != config::InspectionAction::kTag ||
         message_of(x).request.fields.add(pattern.tag_name, pattern.tag_value) == http::Fault::kNone;
}

// Calls `look(inspection)` for those that look at the content: what the live configuration has under the same slot;
// what it has no more does not look.
template <Net N>
template <typename Look>
void Proxy<N>::for_each_look(const Exchange& x, Look&& look) {
  const guard::Set& set = config_->guards;
  for (const uint32_t slot : x.inspections)
    if (slot < set.inspections.size() && set.inspections[slot] != nullptr && set.inspections[slot]->body_bytes() != 0)
      look(*set.inspections[slot]);
}

// Whatever the content will be, all who look at it deny it. What is streamed may turn out to be none.
template <Net N>
bool Proxy<N>::is_refused_unseen(const Exchange& x) {
  const http::RequestHead& head = messages_.at(x.message).request;
  if (head.content.kind != http::Content::Kind::kLength || head.content.length == 0) return false;
  if (guard::codings_of(head.fields).known) return false;
  bool looks = false, denied = true;
  for_each_look(x, [&](const guard::Inspection& inspection) {
    looks = true;
    denied &= inspection.uninspectable().action == config::InspectionAction::kDeny;
  });
  return looks && denied;
}

// To an endpoint, or first to those who look at the content.
template <Net N>
void Proxy<N>::proceed(Exchange& x) {
  if (x.hold_bytes == 0 || message_of(x).request.content.kind == http::Content::Kind::kNone) {
    begin_mirrors(x);
    return start_try(x);
  }
  if (is_refused_unseen(x)) {
    counters_.count(Count::uninspectable_coding);
    uint32_t denied = kNone;
    for_each_look(x, [&](const auto& inspection) { (void)note_finding(x, inspection.uninspectable(), denied); });
    x.record.guard = denied;
    return answer(x, 403, kAccessDenied);
  }
  x.held = held_bodies_.take();
  if (x.held == kNone) {
    counters_.count(Count::held_bodies_exhausted);
    return answer(x, 503, kOverload);
  }
  x.held_size = x.held_at = 0;
  x.hold_most =
      guard::codings_of(message_of(x).request.fields).count != 0 ? config::encoded_room(x.hold_bytes) : x.hold_bytes;
  const config::Listener* listener = listener_of(client_of(x));
  x.try_until = listener != nullptr && listener->timeouts.header != 0 ? now_ + listener->timeouts.header : 0;
  x.phase = Phase::kHolding;
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::hold_content(Exchange& x) {
  DownstreamSession& client = client_of(x);
  if (x.expects_continue && x.gate->continue_due()) {
    // Nobody but us can ask for the content: the endpoint has not heard of the request.
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    const base::Bytes bytes{reinterpret_cast<const uint8_t*>(kContinue.data()), kContinue.size()};
    if (write_whole(net_, client.connection, bytes, now_) != Sent::kAll) return Ran::kWaits;
    x.gate->admit(http::kContinue);
    x.expects_continue = false;
    return Ran::kMoved;
  }
  const size_t room = paced_room(x.request_pace, client.connection, x.hold_most - x.held_size);
  const h1::Step step = x.down.next(net_, client.connection, room, client.dead, now_);
  switch (step.event) {
    case h1::Event::kMore:
      return Ran::kWaits;
    case h1::Event::kContent:
      x.gate->on_content();
      x.record.bytes_received += step.data.size();
      x.request_pace.spend(step.data.size());
      std::memcpy(held_bodies_.at(x.held).bytes.get() + x.held_size, step.data.data(), step.data.size());
      x.held_size += static_cast<uint32_t>(step.data.size());
      net_.consume(client.connection, step.consumed, now_);
      if (x.held_size == x.hold_most) inspect_content(x);
      return Ran::kMoved;
    case h1::Event::kEnd:
      net_.consume(client.connection, step.consumed, now_);
      x.content_ended = x.request_ending = true;
      x.record.request_ended = now_;
      inspect_content(x);
      return Ran::kMoved;
    case h1::Event::kHead:
    case h1::Event::kInterim:
    case h1::Event::kTunnel:
    case h1::Event::kClosed:
    case h1::Event::kRefused:
      break;
  }
  return on_broken_request(x);
}

// The content without its codings, as far as those want to see it who look at it.
template <Net N>
guard::Inflation Proxy<N>::read_content(const Exchange& x, base::Bytes held) {
  const guard::Codings codings = guard::codings_of(messages_.at(x.message).request.fields);
  uint32_t most = 0;
  for_each_look(x, [&](const guard::Inspection& inspection) { most = std::max(most, inspection.body_bytes()); });
  most = std::min(most, x.hold_bytes);  // as it was when so much was held
  if (most == 0 || held.empty()) return {};
  const bool whole = x.request_ending;
  const guard::Inflation read =
      config_->guards.inspection_scratches[worker_]->inflater().run(codings, held, whole, most);
  if (codings.known && codings.count != 0) counters_.count(Count::contents_inflated);
  switch (read.outcome) {
    case guard::Inflated::kWhole:
      break;
    case guard::Inflated::kFull:
      counters_.count(Count::contents_cut);
      break;
    case guard::Inflated::kUnknown:
      counters_.count(Count::uninspectable_coding);
      break;
    case guard::Inflated::kCorrupt:
      counters_.count(Count::uninspectable_corrupt);
      break;
    case guard::Inflated::kSparse:
      counters_.count(Count::uninspectable_sparse);
      break;
  }
  return read;
}

template <Net N>
void Proxy<N>::inspect_content(Exchange& x) {
  const http::RequestHead& head = message_of(x).request;
  const base::Bytes body{held_bodies_.at(x.held).bytes.get(), x.held_size};
  static constexpr std::string_view kForm = "application/x-www-form-urlencoded";
  bool is_form = false;  // by any of several lines: nobody knows which the endpoint takes
  for (const http::Field* field = head.fields.find(http::FieldId::kContentType); field != nullptr;
       field = head.fields.find(http::FieldId::kContentType, field + 1))
    is_form |= http::equals_lower(head.fields.value(*field).substr(0, kForm.size()), kForm);
  uint32_t denied = kNone;
  bool fits = true;
  x.try_until = 0;
  const guard::Inflation read = read_content(x, body);
  for_each_look(x, [&](const guard::Inspection& inspection) {
    guard::InspectionScratch& scratch = *config_->guards.inspection_scratches[worker_];
    inspection.scan_body(body, read.text, is_form, scratch);
    inspection.report(scratch, [&](const auto& pattern) { fits &= note_finding(x, pattern, denied); });
    if (!read.can_be_trusted_for(inspection.body_bytes())) fits &= note_finding(x, inspection.uninspectable(), denied);
  });
  if (denied == kNone && fits) {
    if (!admit_findings(x)) return;
    begin_mirrors(x);
    return start_try(x);
  }
  if (denied == kNone) counters_.count(Count::filters_failed);
  x.record.guard = denied;
  answer(x, denied == kNone ? 500 : 403, denied == kNone ? 0 : uint32_t{kAccessDenied});
}

}  // namespace penstock::proxy
