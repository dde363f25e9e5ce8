// What the main loop knows of clients and servers, whatever carries them. One call a round; what a round does is
// compiled for its transport. One thread.
#pragma once

#include <optional>
#include <string>

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
  double rate = 0;           // open loop
  uint32_t connections = 1;  // at most the specification's
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
