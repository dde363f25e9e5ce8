#include "control/sessions/keyring.h"

#include "control/sessions/key_text.h"

namespace penstock::sessions {

static_assert(kMaxFileKeys + 2 <= config::kMaxSessionKeys);

base::Result<void> Keyring::open(std::string_view kept, uint32_t now) {
  clock_->store(now, std::memory_order_relaxed);
  if (kept.empty()) {
    own_ = {.since = now, .current = random_key(), .previous = std::nullopt};
    own_kept_ = keep(own_);
    return {};
  }
  auto own = parse_own_keys(kept);
  if (!own) return base::Error{"the session keys cannot be read: " + own.error()};
  own_ = *own;
  exchange_own(now);
  return {};
}

base::Result<config::SessionKeys> Keyring::keys_of(const std::string& path) {
  const KeyFile* file = file_ && file_->path() == path ? &*file_ : nullptr;
  if (!path.empty() && file == nullptr) {
    auto opened = KeyFile::open(path);
    if (!opened) return base::Error{opened.error()};
    file = &next_file_.emplace(std::move(opened).value());
  }
  config::SessionKeys out;
  if (file != nullptr)
    for (const config::SessionKey& key : file->keys()) out.add(key);
  out.add(own_.current);
  if (own_.previous) out.add(*own_.previous);
  out.clock = clock_;
  return out;
}

void Keyring::follow(const std::string& path) {
  if (path.empty())
    file_.reset();
  else if (next_file_ && next_file_->path() == path)
    file_ = std::move(next_file_);
  next_file_.reset();
}

bool Keyring::poll(uint32_t now) {
  clock_->store(now, std::memory_order_relaxed);
  const bool exchanged = exchange_own(now);
  return (file_ && file_->poll()) || exchanged;
}

bool Keyring::keep(const OwnKeys& keys) {
  const auto kept = keep_(to_text(keys));
  own_fault_ = kept ? "" : "a session key cannot be kept: " + kept.error();
  return kept.ok();
}

// A key that is not kept would end its sessions with the process: until it can be, the one before goes on.
bool Keyring::exchange_own(uint32_t now) {
  if (!own_kept_) own_kept_ = keep(own_);
  if (!own_kept_ || !own_.is_due(now)) return false;
  const OwnKeys next = own_.next(now);
  if (!keep(next)) return false;
  own_ = next;
  return true;
}

std::string Keyring::fault() const { return file_ && !file_->fault().empty() ? file_->fault() : own_fault_; }

}  // namespace penstock::sessions
