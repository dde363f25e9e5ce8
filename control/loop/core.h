// The inside of ControlLoop: what the control thread owns, and the few words that other threads may read.
//
//   change.cpp   the order of a change, and every other way to a new generation
//   start.cpp    from the store to a running gateway, and the end of the thread
//   events.cpp   one turn of the thread: jobs, events, machines, housekeeping
//   peers.cpp    other gateways: which are alive, and by which way
//   observe.cpp  what other threads read
//   tunnels.cpp  what peers agree on
//   sessions.cpp the keys of sessions
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

#include "control/compile/compiler.h"
#include "control/health/checker.h"
#include "control/liveness/machine.h"
#include "control/liveness/path_mtu.h"
#include "control/loop/control_loop.h"
#include "control/loop/outbox.h"
#include "control/neighbour/machine.h"
#include "control/publish/publisher.h"
#include "control/sessions/keyring.h"
#include "control/store/store.h"
#include "control/telemetry/collect.h"

namespace penstock::loop {

constexpr base::Nanos kStopTimeout = base::kNanosPerSecond;  // for the workers to leave old generations at the end
constexpr base::Nanos kAdoptSlice = 2'000'000;               // events are served in between
constexpr base::Nanos kTurn = 1'000'000;                     // the workers have no way to wake us: look this often
constexpr base::Nanos kLinkPoll = base::kNanosPerSecond;
constexpr base::Nanos kTidyEvery = base::kNanosPerSecond;
// Results of many health checks become one generation: the first at once, then at most this often.
constexpr base::Nanos kHealthBatch = 100'000'000;
constexpr base::Nanos kPeerBatch = 20'000'000;  // the same for peers: failover is to be quick
// Keys that were agreed become the workers' tables: the first at once, then at most this often. A table of 1,000 peers
// takes about a millisecond to build and to hand over.
constexpr base::Nanos kKeyBatch = 10'000'000;
constexpr unsigned kTooBigPerSecond = 20;  // messages about path MTUs that are looked at: anybody can send them
constexpr size_t kEventsPerTurn = 1024;
// The rings of a few workers: answers that are there count before what is late is called lost.
constexpr size_t kMostEventsPerTurn = 8 * kEventsPerTurn;

class ControlLoop::Core final : public mesh::Tunnels {
 public:
  Core(Dataplane& dataplane, std::unique_ptr<store::Store> store, Options options);
  ~Core() override;

  base::Result<void> start();
  void stop();

  // A job runs on the control thread, in order; `refuse` is called instead when it cannot (queue full, stopping,
  // deadline passed), on either thread.
  struct Job {
    base::Nanos deadline = 0;
    std::function<void()> run;
    std::function<void(const std::string& why)> refuse;
    bool urgent = false;  // never refused for others that wait; its callers are few (agreement on keys: one)
  };
  void enqueue(Job job);
  // Runs `work` on the control thread and waits for what it returns; `refused(why)` otherwise.
  template <typename R>
  R call(base::Nanos deadline, std::function<R()> work, std::function<R(const std::string&)> refused,
         bool urgent = false);
  template <typename R>
  R urgently(std::function<R()> work, std::function<R(const std::string&)> refused) {
    return call<R>(0, std::move(work), std::move(refused), true);
  }

  // ---- control thread ----
  ApplyResult change(model::Change change, const ApplyOptions& options);
  ApplyResult set_limit(const model::Name& name, double rate, std::optional<model::LimitUnit> unit, double burst);
  ApplyResult rollback(uint64_t revision, ApplyOptions options);
  base::Result<void> drain(bool on);
  base::Result<std::vector<RevisionInfo>> history(size_t limit);

  // ---- any thread ----
  std::atomic<base::Nanos> turned_at{0};  // when the control thread last began a turn
  struct Shared {
    std::shared_ptr<const model::State> state = std::make_shared<const model::State>();
    std::shared_ptr<const flow::Generation> generation;
    uint64_t revision = 0;
    std::string own_identity;
    telemetry::ControlStats control;
  };
  Shared shared() const;
  std::shared_ptr<Watcher> watch();
  telemetry::Snapshot stats();
  std::vector<health::Status> health();
  base::Result<mesh::Made> make_inbound(const model::Name& peer, const std::string& identity, uint64_t epoch,
                                        unsigned senders) override;
  base::Result<void> use_outbound(const model::Name& peer, const std::string& identity,
                                  const mesh::Grant& grant) override;
  base::Result<void> learn_identities(const model::Name& peer, const std::string& identity,
                                      const std::vector<model::PeerIdentity>& told) override;
  void drop_inbound(const model::Name& peer, uint64_t epoch) override;
  void drop_outbound(const model::Name& peer) override;
  void settle() override;
  std::vector<mesh::Use> use() override;
  void set_own_identity(const std::string& identity);
  std::vector<PeerPaths> peer_paths();

 private:
  // tunnels.cpp
  std::optional<uint16_t> slot_of(const model::Name& peer) const;
  void keys_changed();
  void publish_keys(base::Nanos now);
  void commit_keys();
  void refuse_own_identity(const model::State& next, model::FieldErrors& errors) const;
  // sessions.cpp
  base::Result<void> open_sessions();
  base::Result<void> keep_session_keys(const std::string& text);
  std::optional<config::SessionKeys> session_keys_of(const model::State& next, ApplyResult& result);
  void follow_session_keys();
  void watch_sessions(base::Nanos now);
  // change.cpp
  ApplyResult refused(ApplyResult result);
  bool prepare(const model::State& next, ApplyResult& result);
  bool prepare_peers(const model::State& next, const flow::Generation& generation, Dataplane::MissingKeys missing,
                     ApplyResult& result);
  bool compile(const model::State& next, ApplyResult& result, compile::Compiled& out);
  bool store_revision(const model::State& next, const ApplyOptions& options, ApplyResult& result,
                      store::Revision& revision);
  void publish(std::shared_ptr<const flow::Generation> generation, ApplyResult& result);
  void wait_adopted(ApplyResult& result);
  void unprepare(const model::State& next);
  void dry_run(const model::State& next, ApplyResult& result);
  void announce(const std::shared_ptr<const model::State>& before, const store::Revision& revision,
                const ApplyResult& result);
  bool republish(ApplyResult& result);  // the same state, other health or draining
  // start.cpp
  base::Result<std::shared_ptr<const model::State>> stored_state();
  // events.cpp
  void run();
  void run_jobs();
  bool serve_events();
  void on_event(const flow::Event& event);
  void run_machines(base::Nanos now);
  void take_health_changes();
  void publish_health(base::Nanos now);
  void watch_links(base::Nanos now);
  void watch_crypto(base::Nanos now);
  // peers.cpp
  void refresh_peers();
  void on_probe_answer(const flow::Event& event, base::Nanos now);
  void run_liveness(base::Nanos now);
  void publish_peers(base::Nanos now);
  void note_peer(uint16_t slot);
  bool take_too_big(base::Bytes frame, base::Nanos now);
  void housekeeping(base::Nanos now);
  void wait();
  void refresh_neighbours();
  void refresh_checks();

  Dataplane& dataplane_;
  const std::unique_ptr<store::Store> store_;
  const Options options_;
  const base::Nanos started_wall_ = base::wall_now();

  // Control thread.
  std::shared_ptr<const model::State> state_ = std::make_shared<const model::State>();
  uint64_t revision_ = 0;
  uint64_t next_generation_ = 1;
  std::vector<PortInfo> ports_;  // of the node that was prepared last
  std::shared_ptr<const model::Node> prepared_;
  compile::Compiler compiler_;
  compile::HealthView health_view_;
  compile::PeerView peer_view_;
  sessions::Keyring session_keys_;
  publish::Publisher publisher_;
  telemetry::Baselines baselines_;
  neighbour::Machine neighbours_;
  health::Checker checker_;
  liveness::Machine liveness_;
  liveness::PathMtus path_mtus_;
  base::Nanos too_big_since_ = 0;  // the second in which `too_big_` messages were looked at
  unsigned too_big_ = 0;
  Outbox outbox_;
  std::set<health::TargetKey> checked_;  // what checker_ has
  std::map<std::string, bool> links_;    // by interface
  std::set<std::string> failed_crypto_;  // devices, and why
  uint64_t close_ports_after_ = 0;       // generation whose adoption allows to close devices; 0: nothing to do
  bool draining_ = false;
  base::Nanos drain_until_ = 0;  // flow::Settings
  bool health_dirty_ = false, peers_dirty_ = false;
  base::Nanos health_published_ = 0, peers_published_ = 0, links_seen_ = 0, crypto_seen_ = 0, tidied_ = 0;

  base::Nanos sessions_seen_ = 0;
  bool sessions_dirty_ = false;
  std::string session_fault_;  // that was said

  base::Nanos keys_committed_at_ = 0;

  mutable std::mutex shared_mutex_;
  Shared shared_;
  std::mutex keys_mutex_;
  std::condition_variable keys_done_;
  uint64_t keys_made_ = 0, keys_committed_ = 0;  // changes so far
  bool keys_over_ = false;
  std::mutex watchers_mutex_;
  std::vector<std::shared_ptr<Watcher>> watchers_;

  std::mutex jobs_mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stopping_ = false, running_ = false;
  std::thread thread_;
};

template <typename R>
R ControlLoop::Core::call(base::Nanos deadline, std::function<R()> work, std::function<R(const std::string&)> refused,
                          bool urgent) {
  std::promise<R> promise;
  auto future = promise.get_future();
  enqueue({deadline, [&] { promise.set_value(work()); },
           [&](const std::string& why) { promise.set_value(refused(why)); }, urgent});
  return future.get();
}

}  // namespace penstock::loop
