#include "control/api/patience.h"

namespace penstock::api {

Patience::~Patience() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Patience::run() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::seconds(1), [this] { return ending_; })) {
    const base::Nanos now = base::monotonic_now();
    // A Wait cannot leave while we hold the lock, so its call is still there.
    for (Wait* wait : waits_)
      if (now > wait->deadline_) wait->call_.TryCancel();
  }
}

Patience::Wait::Wait(Patience& patience, grpc::ServerContext& call, base::Nanos bound)
    : patience_(patience), call_(call), deadline_(base::monotonic_now() + bound) {
  const std::lock_guard lock(patience_.mutex_);
  patience_.waits_.insert(this);
}

Patience::Wait::~Wait() {
  const std::lock_guard lock(patience_.mutex_);
  patience_.waits_.erase(this);
}

}  // namespace penstock::api
