// Applied revisions, to whoever watches. The control thread pushes, one thread takes; the queue is bounded, so that a
// client that stalls costs its own events only: what did not fit is counted and reported with the next event.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "control/model/state.h"

namespace penstock::loop {

constexpr size_t kMaxWatchQueue = 256;  // revisions; some seconds of a busy deployment
constexpr size_t kMaxWatchers = 256;    // watch() returns null beyond

struct AppliedRevision {
  uint64_t revision = 0, generation = 0;
  base::Nanos time = 0;  // CLOCK_REALTIME
  std::string message;
  std::vector<model::Difference> differences;         // without the unchanged ones
  std::shared_ptr<const model::State> before, state;  // before and after it
};

class Watcher {
 public:
  // Waits up to `wait` for the next revision. Nothing: none came, or the watch is over (see ended()). `lost` counts the
  // revisions that did not fit since the last call that returned one.
  std::optional<AppliedRevision> next(base::Nanos wait, uint64_t& lost);
  bool ended() const;  // the loop stopped
  void cancel();       // any thread: wakes next() and takes no more

  // Control thread. False: nobody wants more.
  bool push(const AppliedRevision& revision);
  void end();

 private:
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<AppliedRevision> queue_;
  uint64_t lost_ = 0;
  bool ended_ = false, cancelled_ = false;
};

}  // namespace penstock::loop
