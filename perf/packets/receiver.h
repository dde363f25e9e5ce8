// Counts what came back, per stream, from the signatures alone.
//
// A packet of ours is received (once), duplicated, ancient (see Tracker), strayed (a stream's `to` names another port),
// corrupted (not as it was sent, or with a wrong checksum of its own), or stale (of an earlier trial). Only what is
// received has a latency. Everything else is foreign. Lost is sent - received: what came corrupted or strayed, or is
// ancient, is among the lost.
//
// Memory: 16 KiB of window and 40 KiB of histogram for each stream, once. One thread.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "generator/histogram.h"
#include "packets/signature.h"
#include "packets/spec.h"
#include "packets/tracker.h"
#include "wire/parse.h"

namespace penstock::load {

// What can be said of a frame before its signature is read. `headers` are of use unless it is kUnreadable.
enum class Form : uint8_t {
  kWhole,       // as far as its own checksums tell: IPv4's header (RFC 791), TCP, UDP, ICMP, ICMPv6
  kHarmed,      // one of them is wrong
  kUnreadable,  // its headers contradict each other
};
Form read_frame(base::Bytes frame, wire::Headers& headers);  // `frame`: in one piece

class Receiver {
 public:
  struct Counts {
    Tracker tracker;
    Histogram latency;
    uint64_t corrupted = 0, strayed = 0;
    std::optional<unsigned> to;
    bool expected = true;  // has a signature
  };
  enum class Kind : uint8_t { kOurs, kStale, kForeign };

  explicit Receiver(const std::vector<StreamSpec>& streams);

  void restart(uint8_t epoch);
  // `headers`, `form`: from read_frame(), not kUnreadable; `nanos`: the clock when it came.
  Kind add(base::Bytes frame, const wire::Headers& headers, Form form, unsigned port, uint64_t nanos);

  const std::vector<Counts>& streams() const { return streams_; }
  uint64_t received() const { return received_; }  // of all streams
  uint64_t missing() const;                        // numbers below a stream's highest that have not come (yet)
  // Latencies since the last call, for samples.
  const Histogram& interval() const { return interval_; }
  void end_interval() { interval_.clear(); }

 private:
  std::vector<Counts> streams_;
  Histogram interval_;
  uint64_t received_ = 0;
  uint8_t epoch_ = 0;
};

}  // namespace penstock::load
