// penstock-lab-packets: sends streams of packets at exact rates and counts what comes back (perf/LAB.md, "Generators").
//
//   penstock-lab-packets --check FILE     reads a specification; every fault is an event
//   penstock-lab-packets --spec FILE      opens its ports, says "ready", takes commands from standard input
//
// Exit status: 0, or 2 when the specification has faults or its ports cannot be had. Ends when standard input ends.
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <optional>
#include <sstream>

#include "generator/control.h"
#include "packets/device.h"
#include "packets/events.h"
#include "packets/spec.h"
#include "packets/worker.h"

namespace penstock::load {
namespace {

constexpr int kFaulty = 2;
constexpr size_t kLongestSpec = 16 << 20;
constexpr double kReadyWithin = 10;  // seconds

volatile sig_atomic_t asked_to_end = 0;

int tell(const std::vector<Fault>& faults) {
  for (const Fault& fault : faults) Control::error(fault.field, fault.message);
  return kFaulty;
}

std::optional<nlohmann::json> read_json(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text(kLongestSpec + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.empty() || text.size() > kLongestSpec) {
    Control::error("", file + " cannot be read, is empty, or has more than 16 MiB");
    return std::nullopt;
  }
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    const std::string_view what = error.what();
    const size_t begin = what.find("] ");
    Control::error("",
                   file + " is not JSON: " + std::string(what.substr(begin == std::string_view::npos ? 0 : begin + 2)));
    return std::nullopt;
  }
}

class Session {
 public:
  Session(const Spec& spec, const Clock& clock, Worker& worker) : spec_(spec), clock_(clock), worker_(worker) {}

  // Waits for links and gateways, or until nobody wants them any more; a fault: they do not come.
  std::optional<Fault> get_ready() {
    const Cycles begin = Clock::now();
    const auto limit = static_cast<Cycles>(kReadyWithin * static_cast<double>(clock_.hz()));
    while (const auto fault = worker_.unready(Clock::now())) {
      if (Clock::now() - begin > limit) return Fault{fault->field, fault->message + " (waited for 10 s)"};
      if (const auto command = control_.next(1)) refuse("the generator is not ready yet");
      if (over()) return std::nullopt;
    }
    Control::say(ready_event(worker_, clock_));
    return std::nullopt;
  }

  void serve() {
    while (!over()) {
      worker_.idle();
      const auto command = control_.next(1);
      if (!command) continue;
      const std::string verb = verb_of(*command);
      if (verb == "trial")
        run(*command);
      else if (verb == "quit")
        quit_ = true;
      else if (verb != "stop")  // of a trial that is over already
        refuse("\"do\" must be trial, stop or quit");
    }
  }

 private:
  bool over() const { return quit_ || control_.over() || asked_to_end != 0; }
  static void refuse(const std::string& message) { Control::error("command", message); }
  static std::string verb_of(const nlohmann::json& command) {
    const auto verb = command.find("do");
    return verb != command.end() && verb->is_string() ? verb->get<std::string>() : "";
  }

  // Commands in a trial: ten times a second.
  bool told_to_stop() {
    while (const auto command = control_.next(0)) {
      const std::string verb = verb_of(*command);
      if (verb == "quit") quit_ = true;
      if (verb == "stop" || verb == "quit") return true;
      refuse("a trial is under way: only stop and quit are heard");
    }
    return over();
  }

  // After a round without work, if it shall: another process has the core meanwhile.
  bool rest() const {
    if (spec_.rest_micros == 0 || worker_.worked()) return false;
    const timespec length{.tv_sec = 0, .tv_nsec = static_cast<long>(spec_.rest_micros) * 1000};
    nanosleep(&length, nullptr);
    return true;
  }

  void run(const nlohmann::json& command) {
    std::vector<Fault> faults;
    const Plan plan = read_plan(command, spec_, faults);
    if (!faults.empty()) {
      tell(faults);
      return;
    }
    constexpr unsigned kRoundsBetweenLooks = 256;
    const Cycles pause = clock_.hz() / 10;
    bool stopped = false;
    worker_.begin(plan);
    Samples samples(plan);
    Cycles next_look = Clock::now() + pause;
    for (unsigned rounds = 0; worker_.round();) {
      const bool rested = rest();
      if (!rested && ++rounds % kRoundsBetweenLooks != 0) continue;
      if (samples.due(worker_)) Control::say(samples.take(worker_));
      if (Clock::now() < next_look) continue;
      next_look = Clock::now() + pause;
      worker_.mend();
      if (told_to_stop()) {
        stopped = true;
        worker_.stop();
      }
      if (over()) break;  // nobody waits for what still arrives
    }
    const Worker::Outcome outcome = worker_.finish();
    Control::say(trial_event(plan, stopped, worker_, outcome));
  }

  const Spec& spec_;
  const Clock& clock_;
  Worker& worker_;
  Control control_;
  bool quit_ = false;
};

int serve(const Spec& spec) {
  ::prctl(PR_SET_TIMERSLACK, 1);  // a rest is as long as it was asked to be
  const Calibration calibration;
  std::optional<Fault> fault = start_dpdk(spec);
  if (fault) return tell({*fault});
  const Clock clock(calibration.hz());
  if (const auto worker = Worker::open(spec, clock, fault)) {
    Session session(spec, clock, *worker);
    fault = session.get_ready();
    if (!fault) session.serve();
  }
  end_dpdk();
  return fault ? tell({*fault}) : 0;
}

int run(const std::string& file, bool check_only) {
  const auto json = read_json(file);
  if (!json) return kFaulty;
  const Spec spec = read_spec(*json);
  if (!spec.faults.empty()) return tell(spec.faults);
  if (check_only) {
    Control::say({{"event", "ok"}});
    return 0;
  }
  if (!Clock::trustworthy()) return tell({{"", "the processor's cycle counter is not invariant: no clock to trust"}});
  return serve(spec);
}

}  // namespace
}  // namespace penstock::load

int main(int argc, char** argv) {
  // Who started the generator decides when it ends, also when a terminal interrupts both.
  signal(SIGINT, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, [](int) { penstock::load::asked_to_end = 1; });
  std::string check, spec;
  CLI::App app{"Streams of packets at exact rates, counted where they come back.", "penstock-lab-packets"};
  auto* one = app.add_option_group("mode");
  one->add_option("--check", check, "read this specification and tell its faults");
  one->add_option("--spec", spec, "carry it out: open ports, take commands from standard input");
  one->require_option(1);
  CLI11_PARSE(app, argc, argv);
  return penstock::load::run(check.empty() ? spec : check, !check.empty());
}
