// From the store to a running gateway, and the end of the thread.
#include <random>

#include "control/loop/core.h"
#include "control/loop/log.h"
#include "control/loop/surroundings.h"

namespace penstock::loop {
namespace {

publish::Workers workers_of(Dataplane& dataplane) {
  publish::Workers out;
  out.hand_over = [&dataplane](const auto& generation) { dataplane.publish(generation); };
  out.states = [&dataplane] {
    std::vector<publish::WorkerState> states;
    for (const auto& worker : dataplane.workers()) {
      if (worker.running) states.push_back({worker.id, true, worker.generation, worker.adopted_at});
    }
    return states;
  };
  return out;
}

// Whoever can choose addresses and ports should not be able to choose where they fall in our tables.
flow::HashSecret random_secret() {
  std::random_device random;
  const auto word = [&random] { return static_cast<uint64_t>(random()) << 32 | random(); };
  return {{word(), word()}};
}

std::string summary(const model::FieldErrors& errors) {
  std::string out = errors[0].to_string();
  if (errors.size() > 1) out += " (and " + std::to_string(errors.size() - 1) + " more)";
  return out;
}

}  // namespace

ControlLoop::Core::Core(Dataplane& dataplane, std::unique_ptr<store::Store> store, Options options)
    : dataplane_(dataplane),
      store_(std::move(store)),
      options_(std::move(options)),
      compiler_(random_secret()),
      session_keys_([this](const std::string& text) { return keep_session_keys(text); }),
      publisher_(workers_of(dataplane)),
      checker_(options_.seed != 0 ? options_.seed : std::random_device()(),
               [this](const base::IpAddress& destination) -> std::optional<base::IpAddress> {
                 const auto live = publisher_.live();
                 return live ? source_for(*live, destination) : std::nullopt;
               }),
      outbox_(dataplane) {}

ControlLoop::Core::~Core() { stop(); }

base::Result<std::shared_ptr<const model::State>> ControlLoop::Core::stored_state() {
  auto loaded = store_->load();
  if (!loaded) return base::Error{loaded.error()};
  revision_ = loaded->revision.number;
  model::FieldErrors errors;
  auto state = std::make_shared<const model::State>(
      model::with_change(model::State{}, {std::move(loaded->objects), {}}, errors));
  if (errors.empty()) errors = model::validate(*state);
  if (!errors.empty()) {
    return base::Error{"the stored revision " + std::to_string(revision_) + " is not valid for this program: " +
                       summary(errors) + ": run the program that wrote it, or move the store away and apply again"};
  }
  return state;
}

base::Result<void> ControlLoop::Core::start() {
  auto stored = stored_state();
  if (!stored) return base::Error{stored.error()};
  if (auto opened = open_sessions(); !opened) return opened;
  ApplyResult result;
  const std::string revision = "revision " + std::to_string(revision_);
  if (!prepare(**stored, result)) {
    return base::Error{"cannot bring " + revision + " up: " + summary(result.errors)};
  }
  compile::Compiled compiled;
  if (!compile(**stored, result, compiled)) {
    unprepare(**stored);
    return base::Error{"cannot compile " + revision + ": " +
                       (result.errors.empty() ? result.failure : summary(result.errors))};
  }
  // A key file that has gone is no reason to leave everybody else without a gateway.
  if (!prepare_peers(**stored, *compiled.generation, Dataplane::MissingKeys::kGoWithout, result)) {
    unprepare(**stored);
    return base::Error{"cannot bring " + revision + " up: " + summary(result.errors)};
  }
  state_ = *stored;
  publish(std::move(compiled.generation), result);
  refresh_neighbours();
  refresh_checks();
  refresh_peers();
  wait_adopted(result);
  log::info("gateway is up", {{"revision", std::to_string(revision_)},
                              {"workers", std::to_string(outbox_.workers())},
                              {"interfaces", std::to_string(ports_.size())}});
  const std::lock_guard lock(jobs_mutex_);
  running_ = true;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "control");
    run();
  });
  return {};
}

void ControlLoop::Core::stop() {
  std::deque<Job> left;
  {
    const std::lock_guard lock(jobs_mutex_);
    stopping_ = true;
    left.swap(jobs_);
  }
  wake_.notify_all();
  for (auto& job : left) job.refuse("the gateway is stopping");
  if (thread_.joinable()) {
    thread_.join();
    // The engine may outlive us: it keeps the newest generation, and nobody should read an older one when they go.
    const base::Nanos end = base::monotonic_now() + kStopTimeout;
    publisher_.wait_adopted(end);
    publisher_.retire();
    outbox_.finish(end);
  }
  {
    const std::lock_guard lock(keys_mutex_);
    keys_over_ = true;
  }
  keys_done_.notify_all();
  const std::lock_guard lock(watchers_mutex_);
  for (auto& watcher : watchers_) watcher->end();
  watchers_.clear();
}

}  // namespace penstock::loop
