// Part of proxy.h: rate limits of requests (l7/limit), asked when the route is known and before anything else is done
// with the request, together with those that findings in its head name; those that findings in its content name, when
// it was seen; and what answers say of them.
//
// The fields are those of draft-ietf-httpapi-ratelimit-headers-10, both lists of one item named as the limit:
//   RateLimit-Policy: "shop/api";q=100;w=60      the burst, and the seconds in which an empty bucket fills
//   RateLimit: "shop/api";r=12;t=31              requests left now, seconds until nothing is owed
// Every 429 has them and Retry-After; other answers where the limit says `headers`. They stand in place of what a
// backend says under these names. Where they do not fit they are left out.
#pragma once

#include "l7/http/text.h"
#include "l7/proxy/proxy.h"

namespace penstock::proxy {

// False: the exchange has its answer. `found`: null when no route serves the request.
template <Net N>
bool Proxy<N>::admit_request(Exchange& x, const route::Candidate* found) {
  if (!limiter_.any()) return true;
  const config::RequestLimits& limits = config_->limits;
  const uint32_t listener = listener_numbers_[client_of(x).listener];
  if (listener >= limits.of_listener.size()) return true;
  const config::RequestLimits::OfListener& here = limits.of_listener[listener];
  FoundLimits numbers;
  limit::Lists lists{here.unrouted, {}, take_found(x, numbers)};
  if (found != nullptr) {
    lists[0] = here.of_route[found->route];
    lists[1] = limits.of_action[found->action];
  }
  return pass_limits(x, lists);
}

// Likewise, by what was found in the content. What the head was charged stays charged: it was held, too.
template <Net N>
bool Proxy<N>::admit_findings(Exchange& x) {
  FoundLimits numbers;
  return pass_limits(x, {take_found(x, numbers)});
}

template <Net N>
void Proxy<N>::note_limit(Exchange& x, uint32_t slot) {
  const auto end = x.found_limits.begin() + x.limits_found;
  if (std::find(x.found_limits.begin(), end, slot) != end || end == x.found_limits.end()) return;
  x.found_limits[x.limits_found++] = static_cast<uint16_t>(slot);
}

// Those that were not asked yet: a request counts once against a limit, whatever was found in it.
template <Net N>
std::span<const uint32_t> Proxy<N>::take_found(Exchange& x, FoundLimits& numbers) {
  size_t count = 0;
  for (; x.limits_asked != x.limits_found; ++x.limits_asked)
    if (const auto number = limiter_.number_of(x.found_limits[x.limits_asked]); number && count != numbers.size())
      numbers[count++] = *number;
  return {numbers.data(), count};
}

template <Net N>
bool Proxy<N>::pass_limits(Exchange& x, const limit::Lists& lists) {
  if (std::all_of(lists.begin(), lists.end(), [](const auto& each) { return each.empty(); })) return true;
  route::Scratch& scratch = config_->limit_scratches[worker_];
  scratch.begin();
  const limit::Subject request{message_of(x).request, x.record.peer, *config_->limit_matches, scratch};
  const limit::Decision decision = limiter_.ask(lists, request, now_);
  if (decision.shown != nullptr) say_limit(x, decision);
  if (decision.limited) {
    refuse_limited(x, decision);
    return false;
  }
  if (decision.request_content.count != 0) x.request_pace.shares = decision.request_content;
  if (decision.response_content.count != 0) x.response_pace.shares = decision.response_content;
  return true;
}

// A TCP connection: what its listener limits is the bandwidth.
template <Net N>
void Proxy<N>::join_limits(Exchange& x) {
  const config::RequestLimits& limits = config_->limits;
  const uint32_t listener = listener_numbers_[client_of(x).listener];
  if (!limiter_.any() || listener >= limits.of_listener.size()) return;
  const limit::Decision decision = limiter_.join(limits.of_listener[listener].unrouted, x.record.peer);
  x.request_pace.shares = decision.request_content;
  x.response_pace.shares = decision.response_content;
}

constexpr uint64_t whole_seconds(base::Nanos time) {  // rounded up
  return (time + base::kNanosPerSecond - 1) / base::kNanosPerSecond;
}

template <Net N>
void Proxy<N>::refuse_limited(Exchange& x, const limit::Decision& decision) {
  if (decision.table_full) counters_.count(Count::limit_table_full);
  x.retry_after = std::max<uint64_t>(1, whole_seconds(decision.retry_after));
  answer(x, 429, kRateLimited);
}

// Kept in the request's arena until its answer is written: the configuration may be another one by then.
template <Net N>
void Proxy<N>::say_limit(Exchange& x, const limit::Decision& decision) {
  http::Text<512> state;
  state.put("\"");
  state.put(decision.shown->name);
  state.put("\";r=");
  state.put_number(decision.remaining);
  state.put(";t=");
  state.put_number(whole_seconds(decision.reset));
  http::Arena& arena = message_of(x).request.arena;
  http::Slice policy, now;
  if (state.overflowed() || !arena.append(decision.shown->policy, policy) || !arena.append(state.view(), now)) return;
  x.limit_policy = arena.view(policy);
  x.limit_state = arena.view(now);
}

template <Net N>
void Proxy<N>::write_limit_fields(Exchange& x) {
  http::Fields& fields = message_of(x).response.fields;
  if (x.retry_after != 0) {
    http::Text<20> seconds;
    seconds.put_number(x.retry_after);
    (void)fields.set(http::FieldId::kRetryAfter, seconds.view());
  }
  if (x.limit_policy.empty()) return;
  (void)fields.set("ratelimit-policy", x.limit_policy);
  (void)fields.set("ratelimit", x.limit_state);
}

}  // namespace penstock::proxy
