// What a core's loop (worker.h) knows of clients and servers, whatever carries them and whatever they speak. One call a
// round; what a round does is compiled for transport and protocol. One thread.
#pragma once

#include <optional>
#include <string>

#include "requests/schedule.h"
#include "requests/tally.h"

namespace penstock::requests {

constexpr base::Nanos kNever = ~base::Nanos{0};

class Part {
 public:
  virtual ~Part() = default;
  virtual bool act(base::Nanos now) = 0;  // a round; true: there was something to do
  virtual base::Nanos due() const = 0;    // nothing to do before, unless something arrives
  virtual int waits_on() const = 0;       // see transport.h
};

// What a trial asks of clients.
struct Load {
  Window window;             // from its beginning on: begin is 0
  double rate = 0;           // open loop, of all shares together
  uint32_t connections = 1;  // likewise; at most the specification's
  Share share;               // of arrivals and connections
};

class ClientPart : public Part {
 public:
  virtual void prepare(const Load& load) = 0;  // the schedule is made here
  virtual void start(base::Nanos now) = 0;     // and begins now
  virtual void stop(base::Nanos now) = 0;      // the counted time ends now, and nothing new is sent
  virtual bool over(base::Nanos now) const = 0;
  virtual const Window& window() const = 0;
  // Once over(): what was under way is given up and named, every connection closed.
  virtual const ClientTally& finish(base::Nanos now) = 0;
  virtual Interval& interval() = 0;
};

class ServerPart : public Part {
 public:
  virtual void begin() = 0;  // a trial: counts from 0
  virtual ServerTally tally() const = 0;
};

}  // namespace penstock::requests
