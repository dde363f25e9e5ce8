#include "control/loop/watch.h"

#include <chrono>

namespace penstock::loop {

std::optional<AppliedRevision> Watcher::next(base::Nanos wait, uint64_t& lost) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::chrono::nanoseconds(wait), [this] { return !queue_.empty() || ended_ || cancelled_; });
  if (queue_.empty() || cancelled_) return std::nullopt;
  AppliedRevision revision = std::move(queue_.front());
  queue_.pop_front();
  lost = std::exchange(lost_, 0);
  return revision;
}

bool Watcher::ended() const {
  const std::lock_guard lock(mutex_);
  return (ended_ && queue_.empty()) || cancelled_;
}

void Watcher::cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  queue_.clear();
  wake_.notify_all();
}

bool Watcher::push(const AppliedRevision& revision) {
  const std::lock_guard lock(mutex_);
  if (cancelled_) return false;
  if (queue_.size() >= kMaxWatchQueue) {
    ++lost_;
  } else {
    queue_.push_back(revision);
    wake_.notify_one();
  }
  return true;
}

void Watcher::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  wake_.notify_all();
}

}  // namespace penstock::loop
