// One core's ports, streams and counts, and the loop that sends and receives for them: a trial is begin(), round()
// until it says that the trial is over, finish(). Between trials idle() keeps address resolution alive.
//
// Sending ends at the trial's end, or as soon afterwards as everything due was sent, at most kGrace later; then packets
// may arrive for the time of `drain`. One thread: the one that made it; no allocation in round().
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "packets/loop.h"
#include "packets/port.h"
#include "packets/receiver.h"
#include "packets/ring.h"
#include "packets/stream.h"

namespace penstock::load {

struct Plan {
  uint64_t id = 0;
  double seconds = 1, drain = 0.2, sample = 0;  // sample 0: none
  std::optional<double> pps;                    // in all; none: the streams' own rates
  std::vector<unsigned> streams;                // indexes; those that send
};

class Worker {
 public:
  static constexpr uint64_t kGraceNanos = 20'000'000;

  struct Outcome {
    double asked = 0;    // packets a second
    double seconds = 0;  // from the first departure to the end, or to the last packet sent if that was later
    bool bound = false;  // by the generator: its figures say nothing of the subject's limit
    uint64_t due = 0, sent = 0, late = 0;
    // Of each port: due, but not taken in time or at all; and Port::missed.
    std::vector<uint64_t> refused, missed;
  };

  // Opens ports; an error is a fault of the specification ("ports[0].device").
  static std::unique_ptr<Worker> open(const Spec& spec, const Clock& clock, std::optional<Fault>& fault);

  // All ports have links and gateways (asked for every 200 ms); nothing: ready. Polls ports; call it often.
  std::optional<Fault> unready(Cycles now);
  void idle();

  void begin(const Plan& plan);
  bool round();                            // false: the trial is over
  bool worked() const { return worked_; }  // the last round sent or received something
  void stop();                             // nothing departs after now
  void mend();                             // devices whose other side went away; ten times a second
  Outcome finish();

  double elapsed() const;  // seconds since begin()
  uint64_t sent() const;
  const Receiver& receiver() const { return receiver_; }
  Receiver& receiver() { return receiver_; }
  const std::vector<std::unique_ptr<Stream>>& streams() const { return streams_; }
  const std::vector<std::unique_ptr<Port>>& ports() const { return ports_; }

 private:
  Worker(const Spec& spec, const Clock& clock);
  std::optional<Fault> open_ports(rte_mempool* pool);
  void set_links();
  void send_due();
  bool owes() const;  // packets that were due in the trial and are not sent

  const Spec& spec_;
  const Clock& clock_;
  std::unique_ptr<Forwarder> forwarder_;
  std::vector<std::unique_ptr<Way>> ways_;  // by the port that sends; nullptr for devices
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<std::unique_ptr<Stream>> streams_;
  Receiver receiver_;
  std::vector<Stream*> sending_;
  Cycles asked_at_ = 0;

  Cycles start_ = 0, end_ = 0, last_sent_ = 0, over_at_ = 0;
  double asked_ = 0, drain_ = 0;
  bool draining_ = false, worked_ = false;
  uint8_t epoch_;
};

}  // namespace penstock::load
