// HTTP/1.1 and raw TCP between clients and endpoints, for one worker: a machine without hands. Connections are numbers
// of a transport (net.h); what happens to them comes in as events and a time, what is to be done goes out as calls of
// the transport and a deadline.
//
// Use: adopt() a configuration before anything else and whenever there is another one, between rounds; then, a round,
// on_accept() for each new connection of a client, on_events() for each that has some, on_time() when deadline() has
// passed. Every call does all that can be done at once and never waits.
//
// Life of a request: serve() lends it an exchange and heads at its first byte; request.h reads, routes and filters it;
// affinity.h says which backend it belongs to; upstream.h finds an endpoint and a connection to it, resilience.h says
// what to make of one that fails; request.h and
// response.h move both bodies, each asking its codec only for what the other side has room for; client.h goes on with
// the connection. tunnel.h carries upgrades, CONNECT and TCP listeners, mirror.h copies.
//
// Configuration: L7Config stays alive until the next adopt() has returned. After its head is sent an exchange carries
// only numbers, and a copy of the filters that its answer still needs if they vanish. Connections belong to whoever
// has their address, port and protocol; where nobody has, they get Connection: close with their next answer, and idle
// ones are closed; connections to endpoints that vanished
// are closed when they are idle.
//
// Memory: bounded by Limits, allocated when first needed. Thread: the worker's; counters() and log() also for the
// control thread. Failure: a client gets the status of RFC 9110 with a flag in the record (access_record.h), or, once
// an answer has begun, an end it can tell from the answer's. Not here: TLS, HTTP/2.
#pragma once

#include <unordered_map>

#include "l7/http/date.h"
#include "l7/limit/limiter.h"
#include "l7/proxy/clusters.h"
#include "l7/proxy/cors.h"
#include "l7/proxy/counters.h"
#include "l7/proxy/exchange.h"
#include "l7/proxy/filter_chain.h"
#include "l7/proxy/lending.h"
#include "l7/proxy/outliers.h"
#include "l7/proxy/retry_budget.h"
#include "l7/proxy/upstream_pool.h"
#include "l7/tcp/timer_wheel.h"

namespace penstock::proxy {

template <Net N>
class Proxy {
 public:
  Proxy(N& net, const Limits& limits, uint64_t seed, base::Nanos now, limit::Limiter limiter = limit::Limiter(),
        std::shared_ptr<OutlierTable> outliers = nullptr);
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  void adopt(const route::L7Config& config, uint32_t worker);

  // `listener`: its number in the adopted configuration.
  void on_accept(uint32_t id, uint32_t listener, base::Nanos now);
  void on_events(uint32_t id, uint8_t events, base::Nanos now);
  void on_time(base::Nanos now);
  base::Nanos deadline() const { return std::min(wheel_.next(), drain_until_); }

  // The gateway stops: answers are their connections' last. Who is idle hears of it with the next answer; those that
  // stay idle are closed in the second half of the time until `until`, not all at once. What has not ended by then is
  // broken off. ~0: there is no such time, and idle connections end as always. resume_service() takes it back for
  // connections that are still there; those that were about to be closed still are.
  void drain(base::Nanos until, base::Nanos now);
  void resume_service();

  const Counters& counters() const { return counters_; }
  const Clusters& clusters() const { return clusters_; }  // whose gauges any thread may read
  const Outliers& outliers() const { return outliers_; }  // whose counters any thread may read
  AccessLog& log() { return log_; }
  const limit::Limiter& limiter() const { return limiter_; }

  uint32_t clients() const { return clients_.lent(); }
  uint32_t upstreams() const { return upstreams_.lent(); }
  uint32_t exchanges() const { return exchanges_.lent(); }
  uint32_t messages() const { return messages_.lent(); }
  uint32_t held_bodies() const { return held_bodies_.lent(); }

 private:
  enum class Ran : uint8_t { kWaits, kMoved, kOver };
  static constexpr uint32_t kUpstreamSide = 1;  // in sides_: session * 2 + side

  // client.h: connections of clients
  const config::Listener* listener_of(const DownstreamSession& client) const;
  void resume(uint32_t client);
  bool take_header(uint32_t client);
  bool begin_exchange(uint32_t client);
  void refuse_client(uint32_t client);
  void enter_heads(Exchange& x);
  void leave_heads(Exchange& x);
  bool evict_head();
  void let_go(uint32_t& connection, bool in_peace);
  void end_client(uint32_t client, bool in_peace);
  void close_client(uint32_t client, bool all_read);
  void linger(uint32_t client);
  void on_client_time(uint32_t client);
  void over(Exchange& x);
  void log(Exchange& x);

  // request.h: what comes from the client
  bool pump(Exchange& x);
  Ran step_request(Exchange& x);
  Ran read_head(Exchange& x);
  void on_request_head(Exchange& x);
  void route_request(Exchange& x, const config::Listener& listener);
  void follow_rule(Exchange& x, uint32_t filters);
  bool run_filters(Exchange& x, uint32_t number, const RequestAt& at, base::Nanos& delay, bool of_rule);
  http::Arrival arrival_of(const Exchange& x) const;
  bool prepare_forwarding(Exchange& x, const config::Listener& listener);
  Ran send_request_head(Exchange& x);
  Ran stream_request(Exchange& x);
  Ran end_request(Exchange& x);
  Ran on_broken_request(Exchange& x);
  bool turn_away(Exchange& x, const config::Listener& listener);
  void answer(Exchange& x, uint16_t status, uint32_t flags);
  void begin_answer(Exchange& x);
  void client_gone(Exchange& x);
  void break_off(Exchange& x, uint32_t flags);
  void time_out(Exchange& x, uint32_t flag);
  void on_exchange_time(Exchange& x);

  // guard.h: what may not pass
  bool admit(Exchange& x, const config::Listener& listener, const route::Candidate& found);
  bool inspect_head(Exchange& x, const std::array<uint32_t, 2>& lists);
  bool note_finding(Exchange& x, const guard::Inspection::Pattern& pattern, uint32_t& denied);
  template <typename Look>
  void for_each_look(const Exchange& x, Look&& look);
  bool is_refused_unseen(const Exchange& x);
  void proceed(Exchange& x);
  Ran hold_content(Exchange& x);
  void inspect_content(Exchange& x);
  guard::Inflation read_content(const Exchange& x, base::Bytes held);

  // replay.h
  void keep_content(Exchange& x, base::Bytes data);
  void rewind_content(Exchange& x);
  Ran send_held(Exchange& x);
  void forget_content(Exchange& x);
  void drop_held(Exchange& x);

  // rate_limit.h
  using FoundLimits = std::array<uint32_t, config::kMaxFoundLimits>;
  bool admit_request(Exchange& x, const route::Candidate* found);
  bool admit_findings(Exchange& x);
  void join_limits(Exchange& x);
  bool pass_limits(Exchange& x, const limit::Lists& lists);
  void note_limit(Exchange& x, uint32_t slot);
  std::span<const uint32_t> take_found(Exchange& x, FoundLimits& numbers);
  void refuse_limited(Exchange& x, const limit::Decision& decision);
  void say_limit(Exchange& x, const limit::Decision& decision);
  void write_limit_fields(Exchange& x);

  // bandwidth.h
  size_t paced_room(Paced& pace, uint32_t from, size_t room);
  size_t draw_credit(Paced& pace, size_t wanted);
  void throttle(Exchange& x, double bits);

  // response.h: what comes from the endpoint
  Ran step_response(Exchange& x);
  Ran send_answer(Exchange& x);
  Ran stream_response(Exchange& x);
  Ran on_interim(Exchange& x);
  Ran on_response_head(Exchange& x);
  bool filter_answer(Exchange& x);
  bool date_answer(http::ResponseHead& head);
  Ran send_response_head(Exchange& x);
  Ran end_response(Exchange& x);
  Ran on_broken_response(Exchange& x);
  bool must_close(const Exchange& x) const;
  Ran finish(Exchange& x);

  // affinity.h: sessions and hashes
  const config::Backend* choose_backend(Exchange& x, const config::Action& action);
  const config::Backend* find_session(Exchange& x, const config::Action& action,
                                      const config::SessionPersistence& how) const;
  const config::SessionPersistence* session_persistence(uint32_t filters) const;
  void hash_exchange(Exchange& x, const http::RequestHead* head);
  bool tell_session(Exchange& x, http::ResponseHead& head);

  // upstream.h: endpoints and connections to them
  void start_try(Exchange& x);
  bool reuse(Exchange& x, uint32_t endpoint);
  void connect(Exchange& x, const config::Endpoint& endpoint, const config::Cluster& cluster);
  uint32_t connect_for(const DownstreamSession& client, const config::Endpoint& endpoint,
                       const config::Cluster& cluster);
  void attach(Exchange& x, uint32_t upstream);
  void wait(Exchange& x, const config::Cluster& cluster);
  void stop_waiting(Exchange& x);
  void leave_cluster(Exchange& x);
  void leave_backend(Exchange& x, bool keep);

  // hedge.h
  bool may_hedge(const Exchange& x) const;
  void set_aside(Exchange& x);
  void turn_aside(Exchange& x);
  void leave_aside(Exchange& x);
  void refuse_try(Exchange& x, uint32_t flags);
  void on_aside_events(uint32_t index);
  void close_upstream(uint32_t upstream, bool in_peace);
  bool is_fresh(const UpstreamSession& upstream);
  uint32_t open_upstream(const DownstreamSession& client, const config::Endpoint& endpoint,
                         const config::Cluster& cluster);
  void keep_upstream(uint32_t upstream);
  void note_failure(const Exchange& x);
  void fail_try(Exchange& x, Failure why);
  void on_upstream_events(uint32_t upstream, uint8_t events);
  void on_upstream_time(uint32_t upstream);
  void note_room(uint32_t cluster);
  void give_room();

  // resilience.h
  void follow_cluster(Exchange& x, const config::Retry& of_route);
  void judge(const Exchange& x, Outcome outcome);
  void judge_endpoint(uint32_t cluster, uint32_t endpoint, Outcome outcome);
  void learn_ejections(uint32_t cluster);
  void arm_cluster(uint32_t cluster);
  void on_cluster_time(uint32_t cluster);
  void on_ejections(const config::Cluster& cluster);
  bool may_retry(const Exchange& x, Failure why) const;
  bool is_repeatable(const Exchange& x) const;
  bool is_retriable(const Exchange& x, const http::ResponseHead& head) const;
  base::Nanos pause_wanted(std::string_view after) const;
  bool retry_answer(Exchange& x);
  bool spend_retry(Exchange& x);
  void begin_retry(Exchange& x, base::Nanos pause);
  void preconnect(const Exchange& x, const config::Endpoint& endpoint, const config::Cluster& cluster);
  void on_ahead_events(uint32_t upstream, uint8_t events);
  void fail_ahead(uint32_t upstream);

  // tunnel.h
  void begin_tcp(uint32_t client, const config::Listener& listener);
  void begin_tunnel(Exchange& x);
  Ran pump_tunnel(Exchange& x);
  Ran carry(uint32_t from, uint32_t to, bool to_dead, bool& finished, Paced& pace, uint64_t& bytes);

  // mirror.h
  std::span<MirrorCopy> copies_of(const Exchange& x);
  void choose_mirrors(Exchange& x, const config::Filters& filters);
  void begin_mirrors(Exchange& x);
  void begin_mirror(Exchange& x, MirrorCopy& copy);
  void mirror_content(Exchange& x, base::Bytes data);
  void mirror_end(Exchange& x);
  void drop_mirrors(Exchange& x);
  void on_mirror_events(uint32_t upstream);

  // lifecycle.h: configuration, time
  void keep_filters();
  void adopt_clients(const std::vector<const config::Listener*>& changed);
  const config::Listener* listener_at(const config::Listener& was, const base::IpAddress& address) const;
  void adopt_terms(uint32_t index, const config::Listener& was, const config::Listener& is);
  void adopt_upstreams();
  void arm(uint32_t member, base::Nanos at);
  void arm_client(uint32_t client);
  base::Nanos after(base::Nanos time) const { return time != 0 ? now_ + time : kMaxFarAway; }  // 0: no such limit

  Exchange& exchange_of(const DownstreamSession& client) { return exchanges_.at(client.exchange); }
  DownstreamSession& client_of(const Exchange& x) { return clients_.at(x.client); }
  const DownstreamSession& client_of(const Exchange& x) const { return clients_.at(x.client); }
  UpstreamSession& backend_of(const Exchange& x) { return upstreams_.at(x.backend); }
  Message& message_of(const Exchange& x) { return messages_.at(x.message); }
  base::MutableBytes scratch() { return {scratch_.get(), scratch_size_}; }

  N& net_;
  const Limits limits_;
  const route::L7Config* config_ = nullptr;
  uint32_t worker_ = 0;
  std::vector<uint32_t> listener_numbers_;  // by slot
  std::unordered_map<const config::Filters*, std::unique_ptr<config::Filters>> kept_filters_;

  Lending<DownstreamSession> clients_;
  Lending<UpstreamSession> upstreams_;
  Lending<Exchange> exchanges_;
  Lending<Message> messages_;
  Lending<HeldBody> held_bodies_;
  Lending<MirrorCopies> copies_;
  std::vector<uint32_t> sides_;  // by number of connection
  Clusters clusters_;
  Outliers outliers_;
  RetryBudgets budgets_;
  UpstreamPool pool_;
  uint32_t oldest_head_ = kNone, newest_head_ = kNone;  // exchanges whose head is read
  uint32_t first_freed_ = kNone;                        // clusters that have room and somebody who waits

  tcp::TimerWheel wheel_;  // members: clients, then upstreams, then clusters
  std::vector<base::Nanos> armed_;
  base::Nanos now_;
  base::Nanos drain_until_ = ~base::Nanos{0};
  bool draining_ = false;

  limit::Limiter limiter_;
  Random random_;
  Counters counters_;
  AccessLog log_;
  http::DateText date_;
  size_t scratch_size_;
  std::unique_ptr<uint8_t[]> scratch_;  // a head on its way out
};

}  // namespace penstock::proxy

#include "l7/proxy/affinity.h"
#include "l7/proxy/bandwidth.h"
#include "l7/proxy/client.h"
#include "l7/proxy/guard.h"
#include "l7/proxy/hedge.h"
#include "l7/proxy/lifecycle.h"
#include "l7/proxy/mirror.h"
#include "l7/proxy/rate_limit.h"
#include "l7/proxy/replay.h"
#include "l7/proxy/request.h"
#include "l7/proxy/resilience.h"
#include "l7/proxy/response.h"
#include "l7/proxy/tunnel.h"
#include "l7/proxy/upstream.h"
