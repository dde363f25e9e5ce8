// The generator at work: rounds of clients and servers on one thread, commands from standard input, events to standard
// output (perf/LAB.md, "Generators"). Between trials servers go on serving.
//
// run() returns the exit status: 0 after "quit", the end of input or a signal, 2 when a gateway does not answer.
// Borrowed: the parts and sides, which outlive it. Time: CLOCK_MONOTONIC, read once a round.
#pragma once

#include <vector>

#include "generator/control.h"
#include "requests/part.h"
#include "requests/side.h"
#include "requests/verdict.h"

namespace penstock::requests {

class Session {
 public:
  Session(const Spec& spec, ClientPart* clients, ServerPart* servers, std::vector<Side*> sides);
  int run();

 private:
  // Of the trial under way.
  struct Trial {
    nlohmann::json id;
    Load load;
    Window window;
    base::Nanos sample = 0, next_sample = 0;  // 0: none
    bool stopped = false;
    bool counting = false;
    std::vector<Side::Counts> before;  // of the sides when it began
  };

  bool find_gateways();
  bool round(base::Nanos now);
  void rest(base::Nanos now);
  void obey(const nlohmann::json& command, base::Nanos now);
  void begin(const nlohmann::json& command);
  void stop(base::Nanos now);
  void watch(base::Nanos now);
  void say_sample(base::Nanos now);
  void finish(base::Nanos now);
  Outcome outcome() const;
  nlohmann::json port_counts() const;

  const Spec& spec_;
  ClientPart* clients_;
  ServerPart* servers_;
  std::vector<Side*> sides_;
  std::vector<Part*> parts_;
  load::Control control_;
  std::optional<Trial> trial_;
  Meter meter_;
  bool ready_ = false;  // every gateway is known
  bool over_ = false;
  bool slept_ = false;  // in this round
  base::Nanos next_command_ = 0;
};

}  // namespace penstock::requests
