// The order of a change, written once: ControlLoop::Core::change(). Everything else here is one of its steps, or
// another reason to take some of them.
#include <algorithm>

#include "control/loop/core.h"
#include "control/loop/log.h"
#include "control/loop/objects.h"

namespace penstock::loop {
namespace {

class Stopwatch {
 public:
  uint64_t lap_us() {
    const base::Nanos now = base::monotonic_now();
    return (now - std::exchange(last_, now)) / 1000;
  }

 private:
  base::Nanos last_ = base::monotonic_now();
};

bool any_of_kind(const std::vector<model::Difference>& differences, std::initializer_list<model::Kind> kinds) {
  return std::any_of(differences.begin(), differences.end(), [&](const model::Difference& d) {
    return d.kind != model::DiffKind::kUnchanged && std::find(kinds.begin(), kinds.end(), d.key.kind) != kinds.end();
  });
}

bool differs(const model::Difference& d) { return d.kind != model::DiffKind::kUnchanged; }

}  // namespace

ApplyResult ControlLoop::Core::change(model::Change change, const ApplyOptions& options) {
  ApplyResult result;
  result.revision = revision_;
  if (options.replace) change = replacing(std::move(change), *state_);

  // validate
  Stopwatch watch;
  const auto next =
      std::make_shared<const model::State>(model::with_change(*state_, change, result.errors, &result.differences));
  if (result.errors.empty()) result.errors = model::validate(*next, state_.get());
  refuse_own_identity(*next, result.errors);
  result.times.validate = watch.lap_us();
  if (!result.errors.empty()) return refused(std::move(result));
  if (options.dry_run) {
    dry_run(*next, result);
    return result;
  }
  if (std::none_of(result.differences.begin(), result.differences.end(), differs)) {  // it is so already
    result.ok = true;
    wait_adopted(result);
    return result;
  }

  // prepare ports
  if (!prepare(*next, result)) return refused(std::move(result));

  // compile
  compile::Compiled compiled;
  if (!compile(*next, result, compiled)) {
    unprepare(*next);
    return refused(std::move(result));
  }

  // prepare tunnels
  if (!prepare_peers(*next, *compiled.generation, Dataplane::MissingKeys::kRefuse, result)) {
    unprepare(*next);
    return refused(std::move(result));
  }

  // store
  store::Revision revision;
  if (!store_revision(*next, options, result, revision)) {
    dataplane_.abandon_peers();
    unprepare(*next);
    return refused(std::move(result));
  }

  // publish; from here on nothing fails
  const auto before = std::exchange(state_, next);
  revision_ = revision.number;
  result.ok = true;
  result.revision = revision_;
  publish(std::move(compiled.generation), result);

  // The machines learn of it before a worker can ask by it; what they send waits until all have adopted it.
  using model::Kind;
  if (any_of_kind(result.differences, {Kind::kNode, Kind::kService, Kind::kServicePolicy, Kind::kEgress})) {
    refresh_neighbours();
  }
  if (any_of_kind(result.differences, {Kind::kNode, Kind::kService, Kind::kServicePolicy, Kind::kEndpointSlice})) {
    refresh_checks();
  }
  if (any_of_kind(result.differences, {Kind::kNode, Kind::kPeer})) refresh_peers();

  // adopted by every worker
  wait_adopted(result);

  // retire: devices first (nobody polls them any more), the rest in housekeeping()
  close_ports_after_ = result.generation;
  announce(before, revision, result);
  return result;
}

ApplyResult ControlLoop::Core::refused(ApplyResult result) {
  const std::lock_guard lock(shared_mutex_);
  ++shared_.control.refused;
  return result;
}

bool ControlLoop::Core::prepare(const model::State& next, ApplyResult& result) {
  Stopwatch watch;
  if (next.node && next.node != prepared_) {
    std::vector<PortInfo> ports;
    result.errors = dataplane_.prepare(*next.node, ports);
    for (auto& error : result.errors) {
      if (error.object.empty()) error.object = "Node/" + next.node->name;
    }
    if (result.errors.empty()) {
      ports_ = std::move(ports);
      prepared_ = next.node;
      outbox_.set_workers(dataplane_.workers().size());
    }
  }
  result.times.prepare = watch.lap_us();
  return result.errors.empty();
}

bool ControlLoop::Core::prepare_peers(const model::State& next, const flow::Generation& generation,
                                      Dataplane::MissingKeys missing, ApplyResult& result) {
  Stopwatch watch;
  commit_keys();  // what was agreed is not to go with a change that fails
  result.errors = dataplane_.prepare_peers(generation, next.peers, missing);
  result.times.prepare += watch.lap_us();
  return result.errors.empty();
}

// Devices that a failed change opened are closed again.
void ControlLoop::Core::unprepare(const model::State& next) {
  if (!next.node || next.node == state_->node) return;
  dataplane_.close_ports_not_in(state_->node ? *state_->node : model::Node{});
  std::erase_if(ports_, [this](const PortInfo& port) {
    return !state_->node || std::none_of(state_->node->interfaces.begin(), state_->node->interfaces.end(),
                                         [&](const auto& interface) { return interface.name == port.interface; });
  });
  prepared_ = state_->node;
}

bool ControlLoop::Core::compile(const model::State& next, ApplyResult& result, compile::Compiled& out) {
  const auto sessions = session_keys_of(next, result);
  if (!sessions) return false;
  Stopwatch watch;
  std::vector<compile::PortFacts> facts;
  for (const PortInfo& port : ports_) facts.push_back({port.interface, port.port, port.twin_port, port.mac});
  out =
      compiler_.compile(next, facts, health_view_, next_generation_, {draining_, drain_until_}, peer_view_, *sessions);
  result.times.compile = watch.lap_us();
  result.errors = out.errors;
  if (out.generation == nullptr && result.errors.empty()) result.failure = "compile: no generation came of it";
  return out.generation != nullptr;
}

// Compiles when that needs no device which is not open; what devices themselves refuse shows only when it is applied.
void ControlLoop::Core::dry_run(const model::State& next, ApplyResult& result) {
  const auto open = [this](const model::Interface& interface) {
    return std::any_of(ports_.begin(), ports_.end(),
                       [&](const auto& port) { return port.interface == interface.name; });
  };
  result.ok = true;
  if (next.node && !std::all_of(next.node->interfaces.begin(), next.node->interfaces.end(), open)) return;
  compile::Compiled compiled;
  result.ok = compile(next, result, compiled);
}

bool ControlLoop::Core::store_revision(const model::State& next, const ApplyOptions& options, ApplyResult& result,
                                       store::Revision& revision) {
  Stopwatch watch;
  revision.number = revision_ + 1;
  revision.time = base::wall_now();
  revision.message = options.message;
  std::deque<model::Object> objects;  // the edits point into it
  std::vector<store::Edit> edits;
  for (const auto& difference : result.differences) {
    switch (difference.kind) {
      case model::DiffKind::kUnchanged:
        continue;
      case model::DiffKind::kRemoved:
        ++revision.removed;
        edits.push_back({difference.key, nullptr});
        continue;
      case model::DiffKind::kCreated:
        ++revision.created;
        break;
      case model::DiffKind::kChanged:
        ++revision.changed;
        break;
    }
    if (auto object = find_object(next, difference.key)) {
      edits.push_back({difference.key, &objects.emplace_back(std::move(*object))});
    }
  }
  const auto stored = store_->put(revision, edits);
  result.times.store = watch.lap_us();
  if (!stored) result.failure = stored.error();
  return stored.ok();
}

void ControlLoop::Core::publish(std::shared_ptr<const flow::Generation> generation, ApplyResult& result) {
  Stopwatch watch;
  compiler_.accept();
  follow_session_keys();
  next_generation_ = generation->number + 1;
  result.generation = generation->number;
  std::vector<const flow::WorkerCounters*> counters;
  for (unsigned worker = 0; worker < outbox_.workers(); ++worker) counters.push_back(&dataplane_.counters(worker));
  dataplane_.commit_peers();
  baselines_.on_publish(publisher_.live().get(), *generation, counters);
  publisher_.publish(generation);
  {
    const std::lock_guard lock(shared_mutex_);
    shared_.state = state_;
    shared_.revision = revision_;
    shared_.generation = std::move(generation);
    shared_.control.revision = revision_;
    shared_.control.generation = result.generation;
    shared_.control.draining = draining_;
    shared_.control.last_compile_us = result.times.compile;
    if (result.times.store != 0) shared_.control.last_store_us = result.times.store;
  }
  result.times.publish = watch.lap_us();
}

void ControlLoop::Core::wait_adopted(ApplyResult& result) {
  const auto live = publisher_.live();
  if (live == nullptr) return;
  result.generation = live->number;
  const base::Nanos end = base::monotonic_now() + options_.adopt_timeout;
  std::vector<publish::Adoption> adoptions;
  bool all = false;
  for (;;) {
    const base::Nanos now = base::monotonic_now();
    adoptions = publisher_.wait_adopted(std::min(end, now + kAdoptSlice));
    all = std::all_of(adoptions.begin(), adoptions.end(), [](const auto& adoption) { return adoption.adopted; });
    if (all || base::monotonic_now() >= end) break;
    serve_events();
  }
  for (const auto& adoption : adoptions) {
    result.workers.push_back({adoption.worker, adoption.adopted, adoption.after / 1000});
    result.times.adopt = std::max(result.times.adopt, adoption.after / 1000);
  }
  if (!all) log::warn("a worker did not adopt the generation in time", {{"generation", std::to_string(live->number)}});
  const std::lock_guard lock(shared_mutex_);
  shared_.control.last_adopt_us = result.times.adopt;
}

void ControlLoop::Core::announce(const std::shared_ptr<const model::State>& before, const store::Revision& revision,
                                 const ApplyResult& result) {
  {
    const std::lock_guard lock(shared_mutex_);
    ++shared_.control.applied;
  }
  log::info("revision applied", {{"revision", std::to_string(revision.number)},
                                 {"generation", std::to_string(result.generation)},
                                 {"created", std::to_string(revision.created)},
                                 {"changed", std::to_string(revision.changed)},
                                 {"removed", std::to_string(revision.removed)},
                                 {"compile_us", std::to_string(result.times.compile)},
                                 {"adopt_us", std::to_string(result.times.adopt)}});
  const std::lock_guard lock(watchers_mutex_);
  if (watchers_.empty()) return;
  AppliedRevision applied{revision.number, result.generation, revision.time, revision.message, {}, before, state_};
  std::copy_if(result.differences.begin(), result.differences.end(), std::back_inserter(applied.differences), differs);
  std::erase_if(watchers_, [&](const auto& watcher) { return !watcher->push(applied); });
}

ApplyResult ControlLoop::Core::set_limit(const model::Name& name, double rate, std::optional<model::LimitUnit> unit,
                                         double burst) {
  const auto at = state_->rate_limits.find(name);
  if (at == state_->rate_limits.end()) {
    ApplyResult result;
    result.revision = revision_;
    result.errors.push_back({"RateLimit/" + name.to_string(), "", "does not exist"});
    return refused(std::move(result));
  }
  model::RateLimit limit = *at->second;
  limit.rate = rate;
  limit.burst = burst;
  if (unit) limit.unit = *unit;
  model::Change edit;
  edit.apply.emplace_back(std::move(limit));
  return change(std::move(edit), {.message = "set limit " + name.to_string()});
}

ApplyResult ControlLoop::Core::rollback(uint64_t revision, ApplyOptions options) {
  auto loaded = store_->load(revision);
  if (!loaded) {
    ApplyResult result;
    result.revision = revision_;
    result.failure = loaded.error();
    return refused(std::move(result));
  }
  if (options.message.empty()) options.message = "rollback to revision " + std::to_string(revision);
  options.replace = true;
  return change({std::move(loaded->objects), {}}, options);
}

bool ControlLoop::Core::republish(ApplyResult& result) {
  compile::Compiled compiled;
  if (!compile(*state_, result, compiled)) return false;
  publish(std::move(compiled.generation), result);
  return true;
}

base::Result<void> ControlLoop::Core::drain(bool on) {
  if (draining_ == on) return {};
  const base::Nanos patience = state_->node ? state_->node->drain_seconds * base::kNanosPerSecond : 0;
  const base::Nanos before = drain_until_;
  draining_ = on;
  drain_until_ = on && patience != 0 ? base::monotonic_now() + patience : 0;
  ApplyResult result;
  if (!republish(result)) {
    draining_ = !on;
    drain_until_ = before;
    return base::Error{result.errors.empty() ? result.failure : result.errors[0].to_string()};
  }
  wait_adopted(result);
  log::info(on ? "draining: new flows are refused" : "drain ended");
  return {};
}

}  // namespace penstock::loop
