#include "requests/worker.h"

#include <poll.h>

namespace penstock::requests {

namespace {

constexpr base::Nanos kNap = 200'000;  // the last of every wait is spent awake: waking may take as long

}  // namespace

Worker::Worker(ClientPart* clients, ServerPart* servers) : clients_(clients), servers_(servers) {
  if (clients_ != nullptr) parts_.push_back(clients_);
  if (servers_ != nullptr) parts_.push_back(servers_);
}

base::Nanos Worker::turn(base::Nanos now, base::Nanos until, int wake) {
  woken_ = false;
  const bool worked = round(now);
  const bool slept = !worked && rest(now, until, wake);
  const base::Nanos later = base::monotonic_now();
  if (counting_) meter_.add(later - now, worked, slept);
  return later;
}

bool Worker::round(base::Nanos now) {
  bool worked = false;
  for (Part* part : parts_) worked |= part->act(now);
  if (under_way_) watch(now);
  return worked;
}

void Worker::watch(base::Nanos now) {
  if (!counting_ && window_.counts(now)) {
    counting_ = true;
    meter_.clear();
    if (clients_ != nullptr) clients_->interval() = {};
  }
  if (counting_ && now >= window_.to) counting_ = false;
  if (clients_ != nullptr ? clients_->over(now) : now >= window_.end) over_.store(true, std::memory_order_release);
}

// Nothing to do: sleep if every part can be woken, else only where nobody is served and nothing measured.
bool Worker::rest(base::Nanos now, base::Nanos until, int wake) {
  pollfd wanted[3] = {{.fd = wake, .events = POLLIN, .revents = 0}};
  nfds_t count = 1;
  for (const Part* part : parts_) {
    if (part->waits_on() < 0) {
      const bool quiet = !under_way_ && servers_ == nullptr;
      if (!quiet) return false;
      continue;
    }
    wanted[count++] = {.fd = part->waits_on(), .events = POLLIN, .revents = 0};
  }
  if (under_way_) {
    if (clients_ != nullptr) until = std::min(until, clients_->due());
    until = std::min(until, now < window_.from ? window_.from : now < window_.to ? window_.to : window_.end);
  }
  if (until <= now + kNap) return false;
  const timespec length{.tv_sec = static_cast<time_t>((until - now - kNap) / base::kNanosPerSecond),
                        .tv_nsec = static_cast<long>((until - now - kNap) % base::kNanosPerSecond)};
  woken_ = ::ppoll(wanted, count, &length, nullptr) > 0 && wanted[0].revents != 0;
  return true;
}

void Worker::prepare(const Load& load) {
  if (clients_ != nullptr) clients_->prepare(load);
}

void Worker::begin(const Window& window) {
  window_ = window;
  under_way_ = true;
  counting_ = false;
  over_.store(false, std::memory_order_release);
  meter_.clear();
  if (clients_ != nullptr) clients_->start(window.begin);
  if (servers_ != nullptr) servers_->begin();
}

void Worker::stop(base::Nanos now) {
  window_.stop(now);
  if (clients_ != nullptr) clients_->stop(now);
}

Interval Worker::take_interval() { return clients_ != nullptr ? std::exchange(clients_->interval(), {}) : Interval(); }

Worker::Result Worker::finish(base::Nanos now) {
  under_way_ = counting_ = false;
  Result result;
  if (clients_ != nullptr) result.clients = clients_->finish(now);
  if (servers_ != nullptr) result.servers = servers_->tally();
  result.meter = meter_;
  return result;
}

void Worker::Result::merge(const Result& other) {
  clients.merge(other.clients);
  servers.merge(other.servers);
  meter.merge(other.meter);
}

}  // namespace penstock::requests
