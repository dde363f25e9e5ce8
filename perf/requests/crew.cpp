#include "requests/crew.h"

#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace penstock::requests {

namespace {

constexpr base::Nanos kLongestSleep = base::kNanosPerSecond;

}  // namespace

Crew::Crew(std::vector<std::unique_ptr<Worker>>& workers, const std::vector<unsigned>& cores) : workers_(workers) {
  sigset_t all, before;  // signals are the first thread's
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  for (size_t n = 1; n < workers_.size(); ++n) {
    members_.push_back(std::make_unique<Member>());
    Member& member = *members_.back();
    member.wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    member.thread = std::thread([this, &member, n, core = cores[n]] { work(member, n, core); });
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Crew::~Crew() {
  ended_ = true;
  all([](Worker&, size_t) {});
  for (const auto& member : members_) {
    member->thread.join();
    ::close(member->wake);
  }
}

bool Crew::over() const {
  return std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->over(); });
}

void Crew::all(const std::function<void(Worker&, size_t)>& job) {
  job_ = &job;
  ++jobs_;
  for (const auto& member : members_) {
    member->asked.store(jobs_, std::memory_order_release);
    ::eventfd_write(member->wake, 1);
  }
  job(*workers_[0], 0);
  for (const auto& member : members_)
    for (uint64_t done; (done = member->done.load(std::memory_order_acquire)) != jobs_;)
      member->done.wait(done, std::memory_order_acquire);
}

void Crew::work(Member& member, size_t number, unsigned core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  ::sched_setaffinity(0, sizeof cores, &cores);  // possible: it was tried before
  Worker& worker = *workers_[number];
  base::Nanos now = base::monotonic_now();
  for (uint64_t done = 0;;) {
    if (const uint64_t asked = member.asked.load(std::memory_order_acquire); asked != done) {
      (*job_)(worker, number);
      done = asked;
      const bool last = ended_;
      member.done.store(done, std::memory_order_release);
      member.done.notify_one();
      if (last) return;
    }
    now = worker.turn(now, now + kLongestSleep, member.wake);
    if (eventfd_t count; worker.woken()) ::eventfd_read(member.wake, &count);
  }
}

}  // namespace penstock::requests
