// What was counted in a trial: by the clients, by the servers, and how close the generator's own loop was to its limit.
// Values of one thread, merged by adding: histograms, too. Nanoseconds; bytes of HTTP's content, or of plain TCP.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "generator/histogram.h"

namespace penstock::requests {

// The times of a trial: requests are sent from `begin` to `to`, counted from `from`, and answered until `end`.
struct Window {
  base::Nanos begin = 0, from = 0, to = 0, end = 0;

  bool counts(base::Nanos at) const { return at >= from && at < to; }
  // The counted time ends now.
  void stop(base::Nanos now) {
    end = std::min(end, now + (end - to));
    to = std::min(to, now);
    from = std::min(from, to);  // in the warm-up: there is none
  }
};

// Why a request, or a connection that was to be held, failed.
struct Errors {
  uint64_t timeout = 0;   // connecting or the answer took longer than allowed
  uint64_t reset = 0;     // the connection ended before its answer was complete
  uint64_t refused = 0;   // no connection: a reset, or the network says nobody is there
  uint64_t status = 0;    // a complete answer with another status than 2xx
  uint64_t protocol = 0;  // bytes that are no answer, or more of them than asked for
  uint64_t ports = 0;     // no source port or descriptor was left: the generator's own limit

  uint64_t total() const { return timeout + reset + refused + status + protocol + ports; }
  void merge(const Errors& other) {
    timeout += other.timeout;
    reset += other.reset;
    refused += other.refused;
    status += other.status;
    protocol += other.protocol;
    ports += other.ports;
  }
};

struct ClientTally {
  uint64_t requests = 0;    // good answers
  uint64_t in_time = 0;     // those of them that came before the counted time was over
  uint64_t bytes = 0;       // of the content of these
  uint64_t outside = 0;     // answers that came but do not count: warm-up, or too late
  uint64_t unsent = 0;      // due, but never sent
  uint64_t unanswered = 0;  // sent; neither answered nor failed when the trial ended
  uint64_t opened = 0;      // connections established in the counted time
  uint64_t held = 0;        // that lived at its end, and had brought a good answer
  uint64_t surprises = 0;   // connections with bytes that nobody had asked for
  uint64_t late = 0;        // requests that a free connection waited for: our loop was elsewhere
  Errors errors;
  load::Histogram latency, service, connect;

  void merge(const ClientTally& other) {
    requests += other.requests;
    in_time += other.in_time;
    bytes += other.bytes;
    outside += other.outside;
    unsent += other.unsent;
    unanswered += other.unanswered;
    opened += other.opened;
    held += other.held;
    surprises += other.surprises;
    late += other.late;
    errors.merge(other.errors);
    latency.merge(other.latency);
    service.merge(other.service);
    connect.merge(other.connect);
  }
};

// Of the time since the last sample, whatever it counts for.
struct Interval {
  uint64_t sent = 0, received = 0, failed = 0;
  load::Histogram latency;

  void merge(const Interval& other) {
    sent += other.sent;
    received += other.received;
    failed += other.failed;
    latency.merge(other.latency);
  }
};

struct ServerTally {
  uint64_t accepted = 0;
  uint64_t answers = 0;   // completely written
  uint64_t bytes = 0;     // of their content
  uint64_t reset = 0;     // connections that broke
  uint64_t protocol = 0;  // that brought what is no request
  uint64_t refused = 0;   // that could not be accepted

  void merge(const ServerTally& other) {
    accepted += other.accepted;
    answers += other.answers;
    bytes += other.bytes;
    reset += other.reset;
    protocol += other.protocol;
    refused += other.refused;
  }
};

// The loop's rounds: an answer is stamped with the beginning of the round that found it, so a round's length is the
// resolution of every time measured, and time without work is what the generator has left.
class Meter {
 public:
  void clear() { *this = Meter(); }
  void add(base::Nanos length, bool worked, bool slept) {
    if (!slept) rounds_.add(length);
    (worked ? busy_ : idle_) += length;
  }
  // Of all time, 0 to 1; of several loops, the busiest one's: it has nothing left, whatever the others have.
  double busy() const { return std::max(busiest_, share()); }
  void merge(const Meter& other) {
    busiest_ = std::max(busiest_, other.busy());
    rounds_.merge(other.rounds_);
  }
  base::Nanos resolution(double share) const { return rounds_.percentile(share); }

 private:
  double share() const {
    return busy_ + idle_ == 0 ? 0 : static_cast<double>(busy_) / static_cast<double>(busy_ + idle_);
  }

  load::Histogram rounds_;
  base::Nanos busy_ = 0, idle_ = 0;
  double busiest_ = 0;  // of those merged
};

}  // namespace penstock::requests
