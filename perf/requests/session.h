// The generator at work: commands from standard input, events to standard output (perf/LAB.md, "Generators"), and
// trials of all workers together. Between trials servers go on serving.
//
// run() returns the exit status: 0 after "quit", the end of input or a signal, 2 when a gateway does not answer. At its
// end the connections of clients on the own stack are closed in order, as far as that takes no longer than kParting:
// what is left half closed at the other end would meet the next generator, which has the same addresses and ports.
//
// Borrowed: the workers and sides, which outlive it. One thread; time is CLOCK_MONOTONIC.
#pragma once

#include "generator/control.h"
#include "requests/crew.h"
#include "requests/side.h"
#include "requests/verdict.h"

namespace penstock::requests {

class Session {
 public:
  static constexpr base::Nanos kParting = base::kNanosPerSecond;

  Session(const Spec& spec, std::vector<std::unique_ptr<Worker>>& workers, std::vector<Side*> sides);
  int run();

 private:
  // Of the trial under way.
  struct Trial {
    nlohmann::json id;
    Load load;
    Window window;
    base::Nanos sample = 0, next_sample = 0;  // 0: none
    bool stopped = false;
    std::vector<Side::Counts> before;  // of the sides when it began
  };

  bool find_gateways();
  void part();
  void obey_all(base::Nanos now);
  void obey(const nlohmann::json& command, base::Nanos now);
  void begin(const nlohmann::json& command);
  void stop(base::Nanos now);
  void watch(base::Nanos now);
  void say_sample(base::Nanos now);
  void finish();
  Outcome outcome(const Meter& meter) const;
  nlohmann::json port_counts() const;

  const Spec& spec_;
  std::vector<Side*> sides_;
  Crew crew_;
  load::Control control_;
  std::optional<Trial> trial_;
  bool ready_ = false;  // every gateway is known
  bool over_ = false;
  base::Nanos next_command_ = 0;
};

}  // namespace penstock::requests
