// The control thread: one thread and one order for everything that changes the gateway. Every other thread (gRPC,
// signals, metrics) calls the methods here; those that change something enqueue and wait for their turn.
//
// The order of a change, written once (loop/change.cpp):
//   validate -> prepare ports -> compile -> prepare tunnels -> store -> publish -> adopted by every worker -> retire
//   what nobody reads.
// A fault before `publish` changes nothing: not the devices, not the store, not the state that state() shows.
// Health results, peers that come and go, and drain() take the same road from `compile` on, without a revision: they
// are not desired state.
//
// Memory: the loop owns the store, the machines (neighbours, health) and the live generation; the Dataplane is the
// caller's and must outlive the loop. Snapshots are shared and immutable.
// Threads: all methods but the constructor, start() and stop() may be called from any thread. None may be called from
// inside a callback of the loop. Times: µs in results, CLOCK_MONOTONIC ns in deadlines.
// Failure: one line or a list of FieldErrors; nothing throws.
// What it does not do: parse what users write (control/api), single flows (ask the workers through dataplane()).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "control/health/status.h"
#include "control/liveness/machine.h"
#include "control/loop/dataplane.h"
#include "control/loop/watch.h"
#include "control/model/state.h"
#include "control/telemetry/snapshot.h"

namespace penstock::store {
class Store;
}

namespace penstock::loop {

// Changes that may wait for their turn; a gRPC client that floods gets "busy" instead of memory.
constexpr size_t kMaxQueuedChanges = 128;

struct ApplyOptions {
  bool dry_run = false;      // validate and compile, change nothing
  bool replace = false;      // objects that the change does not name are removed (a whole configuration file)
  std::string message;       // kept with the revision
  base::Nanos deadline = 0;  // a change that did not begin by then is given up; 0: none
};

// How long a change waits for a worker. One that has not adopted by then is stuck or stopped; the change holds anyway.
constexpr base::Nanos kAdoptTimeout = 5 * base::kNanosPerSecond;

struct PhaseTimes {    // µs; 0: the phase was not reached
  uint64_t queue = 0;  // waiting for its turn
  uint64_t validate = 0, prepare = 0, compile = 0, store = 0, publish = 0;
  uint64_t adopt = 0;  // from publish to the last worker's adoption
};

struct WorkerAdoption {
  unsigned worker = 0;
  bool adopted = false;   // false: not in time; the worker will adopt it when it runs again
  uint64_t after_us = 0;  // after publish
};

struct ApplyResult {
  bool ok = false;
  model::FieldErrors errors;  // what is wrong with the change
  std::string failure;        // what is wrong with the gateway ("store: disk full ..."); empty: nothing
  std::vector<model::Difference> differences;  // created, changed, removed (and unchanged) objects
  uint64_t revision = 0;                       // the stored revision that now holds; unchanged when nothing differed
  uint64_t generation = 0;                     // live number
  PhaseTimes times;
  std::vector<WorkerAdoption> workers;
};

struct DiffResult {
  model::FieldErrors errors;
  std::vector<model::Difference> differences;
};

struct RevisionInfo {
  uint64_t revision = 0;
  base::Nanos time = 0;  // CLOCK_REALTIME
  std::string message;
  uint32_t created = 0, changed = 0, removed = 0;
};

struct PeerPaths {  // of a peer that is asked whether it is alive
  uint16_t slot = 0;
  bool up = true;
  std::vector<liveness::PathStatus> paths;
  base::Nanos interval = 0;  // between two probes of the path in use
};

class ControlLoop {
 public:
  struct Options {
    std::vector<std::string> stages;  // names of the pipeline's stages, in order, for stats
    uint64_t seed = 0;                // of health checks' jitter and ports; 0: from the system
    base::Nanos adopt_timeout = kAdoptTimeout;
  };

  ControlLoop(Dataplane& dataplane, std::unique_ptr<store::Store> store, Options options);
  ~ControlLoop();  // stop()
  ControlLoop(const ControlLoop&) = delete;

  // Brings the last stored revision to life (workers, devices, generation) and starts the thread. On an error nothing
  // runs and nothing is lost; the line says what to do.
  base::Result<void> start();
  // Ends the thread after the change it is at; changes in the queue get "the gateway is stopping".
  void stop();

  // ---- desired state ----
  ApplyResult apply(model::Change change, ApplyOptions options);
  // One field of one RateLimit, by "namespace/name": a revision like any other. An absent `unit` keeps it; burst 0: the
  // default of the rate. Returns when every worker measures by the new rate.
  ApplyResult set_limit(const model::Name& name, double rate, std::optional<model::LimitUnit> unit, double burst,
                        base::Nanos deadline = 0);
  // The state of an older revision becomes a new revision.
  ApplyResult rollback(uint64_t revision, ApplyOptions options);

  std::shared_ptr<const model::State> state() const;
  uint64_t revision() const;
  DiffResult diff(const model::Change& change, bool replace = false) const;  // on the caller's thread
  base::Result<std::vector<RevisionInfo>> history(size_t limit);             // newest first
  // Revisions applied from now on. The queue is bounded (loop/watch.h).
  std::shared_ptr<Watcher> watch();

  // ---- running state ----
  // draining: new flows are refused (drop reason `draining`), others go on; connections that end here end with their
  // next answer, or when the Node's drainTimeout has passed (0: never). Not stored: a restart ends it.
  base::Result<void> drain(bool on);
  bool draining() const;
  bool is_alive() const;  // the control thread took a turn in the last 10 s (for a watchdog)
  // Over all workers: when both are 0, a drain is over.
  uint64_t tracked_flows() const;
  uint64_t client_connections() const { return dataplane_.client_connections(); }
  std::shared_ptr<const flow::Generation> generation() const;  // published last; null before the first Node
  std::vector<health::Status> health();
  std::vector<PeerPaths> peer_paths();
  telemetry::Snapshot stats();
  Dataplane& dataplane() { return dataplane_; }
  // The identity of this gateway, as its certificate says: no Peer may have it. Empty: none. Any thread.
  void set_own_identity(const std::string& identity);
  // What peers agree on is made and dropped between two changes. Any thread; as long as the loop lives.
  mesh::Tunnels& tunnels();

 private:
  class Core;
  Dataplane& dataplane_;
  std::unique_ptr<Core> core_;
};

}  // namespace penstock::loop
