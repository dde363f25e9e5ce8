#include "requests/session.h"

#include <poll.h>
#include <signal.h>

#include <cmath>

namespace penstock::requests {

using nlohmann::json;

namespace {

constexpr base::Nanos kCommandEvery = 10'000'000;  // commands are looked for as often
constexpr base::Nanos kNap = 200'000;              // the last of every wait is spent awake: waking may take as long
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

Session::Session(const Spec& spec, ClientPart* clients, ServerPart* servers, std::vector<Side*> sides)
    : spec_(spec), clients_(clients), servers_(servers), sides_(std::move(sides)) {
  if (clients_ != nullptr) parts_.push_back(clients_);
  if (servers_ != nullptr) parts_.push_back(servers_);
}

int Session::run() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  if (!find_gateways()) return over_ ? 0 : 2;
  ready_ = true;
  load::Control::say({{"event", "ready"}, {"clock", "monotonic"}});
  base::Nanos now = base::monotonic_now();
  while (!over_ && interrupted == 0) {
    const bool worked = round(now);
    if (!worked) rest(now);
    const base::Nanos later = base::monotonic_now();
    if (trial_ && trial_->counting) meter_.add(later - now, worked, std::exchange(slept_, false));
    now = later;
    if (now >= next_command_) {
      next_command_ = now + kCommandEvery;
      while (const auto command = control_.next(0)) obey(*command, now);
      over_ |= control_.over();
    }
  }
  if (trial_) {
    stop(base::monotonic_now());
    finish(base::monotonic_now());
  }
  return 0;
}

// Each port asks where its gateway is until all know; parts run meanwhile, because a port may be another's gateway.
bool Session::find_gateways() {
  const base::Nanos begin = base::monotonic_now();
  const auto unknown = [&] {
    return std::find_if(sides_.begin(), sides_.end(), [](const Side* side) { return !side->ready(); });
  };
  while (unknown() != sides_.end()) {
    const base::Nanos now = base::monotonic_now();
    round(now);
    if (now >= next_command_) {
      next_command_ = now + kCommandEvery;
      while (const auto command = control_.next(0)) obey(*command, now);
      over_ |= control_.over() || interrupted != 0;
    }
    if (over_) return false;
    if (now - begin > kGatewayPatience) {
      const auto index = std::to_string(unknown() - sides_.begin());
      load::Control::error("ports[" + index + "].gateway", "nobody answers ARP for it within 10 s");
      return false;
    }
  }
  return true;
}

bool Session::round(base::Nanos now) {
  bool worked = false;
  for (Part* part : parts_) worked |= part->act(now);
  if (trial_) watch(now);
  return worked;
}

// Nothing to do: sleep if every part can be woken, else only where nobody is served and nothing measured.
void Session::rest(base::Nanos now) {
  base::Nanos until = next_command_;
  pollfd wanted[3] = {{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}};
  nfds_t count = 1;
  for (const Part* part : parts_) {
    if (part->waits_on() < 0) {
      const bool quiet = !trial_ && servers_ == nullptr;
      if (!quiet) return;
      continue;
    }
    wanted[count++] = {.fd = part->waits_on(), .events = POLLIN, .revents = 0};
  }
  if (trial_) {
    if (clients_ != nullptr) until = std::min(until, clients_->due());
    const Window& w = trial_->window;
    until = std::min(until, now < w.from ? w.from : now < w.to ? w.to : w.end);
    if (trial_->next_sample != 0) until = std::min(until, trial_->next_sample);
  }
  if (until <= now + kNap) return;
  const timespec length{.tv_sec = static_cast<time_t>((until - now - kNap) / base::kNanosPerSecond),
                        .tv_nsec = static_cast<long>((until - now - kNap) % base::kNanosPerSecond)};
  if (::ppoll(wanted, count, &length, nullptr) > 0 && wanted[0].revents != 0) next_command_ = 0;
  slept_ = true;
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
  if (clients_ != nullptr) {
    const ClientSpec& clients = *spec_.clients;
    trial.load.connections =
        static_cast<uint32_t>(from.whole("connections", 1, clients.connections, clients.connections));
    const bool open = clients.arrivals == ArrivalKind::kOpen;
    if (open) trial.load.rate = from.number("rate", 1e-3, kMostRequestsPerSecond, clients.rate);
    if (open && !fits(trial.load.rate, warmup + length))
      from.fault("rate", "times the seconds is above " + std::to_string(kMostArrivals) + " requests");
  }
  from.finish();
  for (const Fault& fault : faults) load::Control::error(fault.field, fault.message);
  if (!faults.empty()) return;
  trial.load.window = {.begin = 0, .from = warmup, .to = warmup + length, .end = warmup + length + drain};
  if (clients_ != nullptr) clients_->prepare(trial.load);
  const base::Nanos now = base::monotonic_now();
  if (clients_ != nullptr) clients_->start(now);
  trial.window = {
      .begin = now, .from = now + warmup, .to = now + warmup + length, .end = now + warmup + length + drain};
  if (trial.sample != 0) trial.next_sample = trial.window.from + trial.sample;
  trial_ = std::move(trial);
  if (servers_ != nullptr) servers_->begin();
  for (const Side* side : sides_) trial_->before.push_back(side->counts());
}

void Session::stop(base::Nanos now) {
  Trial& t = *trial_;
  if (t.stopped || now >= t.window.to) return;
  t.stopped = true;
  t.window.stop(now);
  if (t.next_sample > now) t.next_sample = 0;
  if (clients_ != nullptr) clients_->stop(now);
}

// The trial goes on: its samples, and its end.
void Session::watch(base::Nanos now) {
  Trial& t = *trial_;
  if (!t.counting && t.window.counts(now)) {
    t.counting = true;
    meter_.clear();
    if (clients_ != nullptr) clients_->interval() = {};
  }
  if (t.counting && now >= t.window.to) t.counting = false;
  if (t.next_sample != 0 && now >= t.next_sample) say_sample(now);
  const bool over = clients_ != nullptr ? clients_->over(now) : now >= t.window.end;
  if (over) finish(now);
}

void Session::say_sample(base::Nanos now) {
  Trial& t = *trial_;
  json event = {{"event", "sample"}, {"id", t.id}, {"t", seconds_of(now - t.window.from)}};
  if (clients_ != nullptr) {
    Interval& i = clients_->interval();
    event.update({{"sent", i.sent},
                  {"received", i.received},
                  {"lost", i.failed},
                  {"p50", i.latency.percentile(0.5)},
                  {"p99", i.latency.percentile(0.99)}});
    i = {};
  }
  load::Control::say(event);
  while (t.next_sample <= now) t.next_sample += t.sample;
  if (t.next_sample > t.window.to) t.next_sample = 0;
}

void Session::finish(base::Nanos now) {
  const Trial& t = *trial_;
  json event = {{"event", "trial"},
                {"id", t.id},
                {"stopped", t.stopped},
                {"clock", "monotonic"},
                {"seconds", seconds_of(t.window.to - t.window.from)},
                {"bound", "none"}};
  if (clients_ != nullptr) {
    const ClientTally& tally = clients_->finish(now);
    event.update(client_counts(tally));
    event["connections"] = t.load.connections;
    if (spec_.clients->arrivals == ArrivalKind::kOpen) event["asked"] = t.load.rate;
    event["bound"] = bound(outcome(), tally);
  }
  if (servers_ != nullptr) event["servers"] = server_counts(servers_->tally());
  event["busy"] = meter_.busy();
  event["resolutionNanos"] = {{"p99", meter_.resolution(0.99)}, {"max", meter_.resolution(1)}};
  event["ports"] = port_counts();
  load::Control::say(event);
  trial_.reset();
}

Outcome Session::outcome() const {
  uint64_t lost = 0;
  for (size_t i = 0; i < sides_.size(); ++i) {
    const Side::Counts counts = sides_[i]->counts().since(trial_->before[i]);
    lost += counts.missed + counts.starved;
  }
  return {.arrivals = spec_.clients->arrivals,
          .connections = trial_->load.connections,
          .busy = meter_.busy(),
          .lost = lost};
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
