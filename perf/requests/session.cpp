#include "requests/session.h"

#include <signal.h>
#include <unistd.h>

#include <cmath>

namespace penstock::requests {

using nlohmann::json;

namespace {

constexpr base::Nanos kCommandEvery = 10'000'000;  // commands are looked for as often
constexpr base::Nanos kStart = 1'000'000;          // in which every worker hears that a trial begins
constexpr base::Nanos kGatewayPatience = 10 * base::kNanosPerSecond;

volatile sig_atomic_t interrupted = 0;
void on_signal(int) { interrupted = 1; }

base::Nanos nanos_of(double seconds) { return static_cast<base::Nanos>(std::llround(seconds * 1e9)); }
double seconds_of(base::Nanos nanos) { return static_cast<double>(nanos) / 1e9; }

json errors_of(const Errors& e) {
  return {{"timeout", e.timeout}, {"reset", e.reset},       {"refused", e.refused},
          {"status", e.status},   {"protocol", e.protocol}, {"ports", e.ports}};
}

json client_counts(const ClientTally& t) {
  return {{"requests", t.requests},
          {"inTime", t.in_time},
          {"errors", errors_of(t.errors)},
          {"unsent", t.unsent},
          {"unanswered", t.unanswered},
          {"outside", t.outside},
          {"opened", t.opened},
          {"held", t.held},
          {"surprises", t.surprises},
          {"late", t.late},
          {"bytes", t.bytes},
          {"latency", t.latency.to_json()},
          {"service", t.service.to_json()},
          {"connect", t.connect.to_json()}};
}

json server_counts(const ServerTally& t) {
  return {{"accepted", t.accepted}, {"answers", t.answers},   {"bytes", t.bytes},
          {"reset", t.reset},       {"protocol", t.protocol}, {"refused", t.refused}};
}

}  // namespace

Session::Session(const Spec& spec, std::vector<std::unique_ptr<Worker>>& workers, std::vector<Side*> sides)
    : spec_(spec), sides_(std::move(sides)), crew_(workers, spec.cores) {}

int Session::run() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  if (!find_gateways()) return over_ ? 0 : 2;
  ready_ = true;
  load::Control::say({{"event", "ready"}, {"clock", "monotonic"}});
  base::Nanos now = base::monotonic_now();
  while (!over_) {
    base::Nanos until = next_command_;
    if (trial_ && trial_->next_sample != 0) until = std::min(until, trial_->next_sample);
    now = crew_.first().turn(now, until, STDIN_FILENO);
    if (trial_) watch(now);
    obey_all(now);
  }
  if (trial_) {
    stop(base::monotonic_now());
    finish();
  }
  part();
  return 0;
}

// Each port asks where its gateway is until all know; parts run meanwhile, because a port may be another's gateway.
bool Session::find_gateways() {
  const base::Nanos begin = base::monotonic_now();
  const auto unknown = [&] {
    return std::find_if(sides_.begin(), sides_.end(), [](const Side* side) { return !side->ready(); });
  };
  for (base::Nanos now = begin; unknown() != sides_.end();) {
    now = crew_.first().turn(now, now, STDIN_FILENO);
    obey_all(now);
    if (over_) return false;
    if (now - begin > kGatewayPatience) {
      const auto index = std::to_string(unknown() - sides_.begin());
      load::Control::error("ports[" + index + "].gateway", "nobody says within 10 s where it is (ARP, RFC 4861)");
      return false;
    }
  }
  return true;
}

void Session::part() {
  const base::Nanos begin = base::monotonic_now();
  for (size_t i = 0; i < sides_.size(); ++i) {
    if (spec_.ports[i].name != "clients") continue;
    for (base::Nanos now = begin; !sides_[i]->quiet() && now - begin < kParting;)
      now = crew_.first().turn(now, now, STDIN_FILENO);
  }
}

void Session::obey_all(base::Nanos now) {
  if (now < next_command_ && !crew_.first().woken()) return;
  next_command_ = now + kCommandEvery;
  while (const auto command = control_.next(0)) obey(*command, now);
  over_ |= control_.over() || interrupted != 0;
}

void Session::obey(const json& command, base::Nanos now) {
  const std::string what = command.contains("do") && command["do"].is_string() ? command["do"] : "";
  if (what == "quit") {
    over_ = true;
  } else if (what == "stop") {
    if (trial_) stop(now);
  } else if (what != "trial") {
    load::Control::error("do", "must be trial, stop or quit");
  } else if (!ready_ || trial_) {
    load::Control::error("do", ready_ ? "a trial is under way" : "it is too early for a trial: wait for ready");
  } else {
    begin(command);
  }
}

void Session::begin(const json& command) {
  Faults faults;
  Fields from(command, "", faults);
  Trial trial;
  from.take("do");
  trial.id = static_cast<uint64_t>(from.whole("id", 0, UINT32_MAX));
  const base::Nanos warmup = nanos_of(from.number("warmup", 0, 3600, 0));
  const base::Nanos length = nanos_of(from.number("seconds", 0.001, 86400));
  const base::Nanos drain = nanos_of(from.number("drain", 0, 3600, 0.2));
  trial.sample = nanos_of(from.number("sample", 0, 3600, 0));
  if (spec_.clients) {
    const ClientSpec& clients = *spec_.clients;
    trial.load.connections =
        static_cast<uint32_t>(from.whole("connections", 1, clients.connections, clients.connections));
    const bool open = clients.arrivals == ArrivalKind::kOpen;
    if (open) trial.load.rate = from.number("rate", 1e-3, kMostRequestsPerSecond, clients.rate);
    if (open && !fits(trial.load.rate, warmup + length))
      from.fault("rate", "times the seconds is above " + std::to_string(kMostArrivals) + " requests");
    if (open && trial.load.connections < crew_.size()) from.fault("connections", "must be at least one for each core");
  }
  from.finish();
  for (const Fault& fault : faults) load::Control::error(fault.field, fault.message);
  if (!faults.empty()) return;
  trial.load.window = {.begin = 0, .from = warmup, .to = warmup + length, .end = warmup + length + drain};
  crew_.all([&](Worker& worker, size_t number) {
    Load load = trial.load;
    load.share = {.index = static_cast<uint32_t>(number), .of = static_cast<uint32_t>(crew_.size())};
    worker.prepare(load);
  });
  const base::Nanos now = base::monotonic_now() + (crew_.size() > 1 ? kStart : 0);
  trial.window = {
      .begin = now, .from = now + warmup, .to = now + warmup + length, .end = now + warmup + length + drain};
  crew_.all([&](Worker& worker, size_t) { worker.begin(trial.window); });
  if (trial.sample != 0) trial.next_sample = trial.window.from + trial.sample;
  for (const Side* side : sides_) trial.before.push_back(side->counts());
  trial_ = std::move(trial);
}

void Session::stop(base::Nanos now) {
  Trial& t = *trial_;
  if (t.stopped || now >= t.window.to) return;
  t.stopped = true;
  t.window.stop(now);
  if (t.next_sample > now) t.next_sample = 0;
  crew_.all([now](Worker& worker, size_t) { worker.stop(now); });
}

// The trial goes on: its samples, and its end.
void Session::watch(base::Nanos now) {
  if (trial_->next_sample != 0 && now >= trial_->next_sample) say_sample(now);
  if (crew_.over()) finish();
}

void Session::say_sample(base::Nanos now) {
  Trial& t = *trial_;
  json event = {{"event", "sample"}, {"id", t.id}, {"t", seconds_of(now - t.window.from)}};
  if (spec_.clients) {
    std::vector<Interval> each(crew_.size());
    crew_.all([&each](Worker& worker, size_t number) { each[number] = worker.take_interval(); });
    for (size_t n = 1; n < each.size(); ++n) each[0].merge(each[n]);
    const Interval& i = each[0];
    event.update({{"sent", i.sent},
                  {"received", i.received},
                  {"lost", i.failed},
                  {"p50", i.latency.percentile(0.5)},
                  {"p99", i.latency.percentile(0.99)}});
  }
  load::Control::say(event);
  while (t.next_sample <= now) t.next_sample += t.sample;
  if (t.next_sample > t.window.to) t.next_sample = 0;
}

void Session::finish() {
  const Trial& t = *trial_;
  std::vector<Worker::Result> each(crew_.size());
  crew_.all([&each](Worker& worker, size_t number) { each[number] = worker.finish(base::monotonic_now()); });
  for (size_t n = 1; n < each.size(); ++n) each[0].merge(each[n]);
  const auto& [clients, servers, meter] = each[0];
  json event = {{"event", "trial"},
                {"id", t.id},
                {"stopped", t.stopped},
                {"clock", "monotonic"},
                {"seconds", seconds_of(t.window.to - t.window.from)},
                {"bound", "none"}};
  if (spec_.clients) {
    event.update(client_counts(clients));
    event["connections"] = t.load.connections;
    if (spec_.clients->arrivals == ArrivalKind::kOpen) event["asked"] = t.load.rate;
    event["bound"] = bound(outcome(meter), clients);
  }
  if (spec_.servers) event["servers"] = server_counts(servers);
  event["busy"] = meter.busy();
  event["resolutionNanos"] = {{"p99", meter.resolution(0.99)}, {"max", meter.resolution(1)}};
  event["ports"] = port_counts();
  load::Control::say(event);
  trial_.reset();
}

Outcome Session::outcome(const Meter& meter) const {
  uint64_t lost = 0;
  for (size_t i = 0; i < sides_.size(); ++i) {
    const Side::Counts counts = sides_[i]->counts().since(trial_->before[i]);
    lost += counts.missed + counts.starved;
  }
  return {
      .arrivals = spec_.clients->arrivals, .connections = trial_->load.connections, .busy = meter.busy(), .lost = lost};
}

json Session::port_counts() const {
  json all = json::array();
  for (size_t i = 0; i < sides_.size(); ++i) {
    const Side::Counts counts = sides_[i]->counts().since(trial_->before[i]);
    all.push_back({{"name", spec_.ports[i].name},
                   {"sent", counts.sent},
                   {"received", counts.received},
                   {"refused", counts.refused},
                   {"corrupted", counts.corrupted},
                   {"missed", counts.missed},
                   {"starved", counts.starved}});
  }
  return all;
}

}  // namespace penstock::requests
