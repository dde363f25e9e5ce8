// The keys of sessions: kept in the store, exchanged in time, shared by a file.
#include "control/loop/core.h"
#include "control/loop/log.h"

namespace penstock::loop {
namespace {

constexpr const char* kKept = "session keys";  // what the store calls them

uint32_t seconds_now() { return static_cast<uint32_t>(base::wall_now() / base::kNanosPerSecond); }

std::string key_file_of(const model::State& state) { return state.node ? state.node->session_key_file : ""; }

}  // namespace

base::Result<void> ControlLoop::Core::open_sessions() {
  const auto kept = store_->kept(kKept);
  if (!kept) return base::Error{kept.error()};
  return session_keys_.open(*kept, seconds_now());
}

base::Result<void> ControlLoop::Core::keep_session_keys(const std::string& text) { return store_->keep(kKept, text); }

std::optional<config::SessionKeys> ControlLoop::Core::session_keys_of(const model::State& next, ApplyResult& result) {
  auto keys = session_keys_.keys_of(key_file_of(next));
  if (keys) return std::move(keys).value();
  result.errors.push_back({"Node/" + next.node->name, "spec.sessions.keyFile", keys.error()});
  return std::nullopt;
}

void ControlLoop::Core::follow_session_keys() { session_keys_.follow(key_file_of(*state_)); }

void ControlLoop::Core::watch_sessions(base::Nanos now) {
  if (now < sessions_seen_ + kLinkPoll) return;
  sessions_seen_ = now;
  sessions_dirty_ |= session_keys_.poll(seconds_now());
  if (const std::string fault = session_keys_.fault(); fault != session_fault_) {
    if (!fault.empty()) log::error("session keys stay as they were", {{"reason", fault}});
    session_fault_ = fault;
  }
  {
    const std::lock_guard lock(shared_mutex_);
    shared_.control.session_key_since = session_keys_.sealing_since();
  }
  if (!sessions_dirty_) return;
  ApplyResult result;
  if (!republish(result)) {
    log::error("cannot compile new session keys",
               {{"reason", result.errors.empty() ? result.failure : result.errors[0].to_string()}});
    return;
  }
  sessions_dirty_ = false;
  log::info("session keys were exchanged");
}

}  // namespace penstock::loop
