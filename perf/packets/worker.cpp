#include "packets/worker.h"

#include <algorithm>
#include <numeric>

#include "packets/device.h"

namespace penstock::load {

namespace {

base::MacAddress loop_mac(unsigned port) { return {{0x02, 'l', 'o', 'o', 'p', static_cast<uint8_t>(port)}}; }

constexpr double kTolerance = 0.001;  // share of the load that may be late or not sent

std::string path_of(size_t port, const char* name) { return "ports[" + std::to_string(port) + "]." + name; }

}  // namespace

// The first epoch differs from run to run: a subject may still hold packets of an earlier generator.
Worker::Worker(const Spec& spec, const Clock& clock)
    : spec_(spec), clock_(clock), receiver_(spec.streams), epoch_(static_cast<uint8_t>(mixed(Clock::now()))) {}

std::unique_ptr<Worker> Worker::open(const Spec& spec, const Clock& clock, std::optional<Fault>& fault) {
  auto pool = make_pool(spec);
  if (!pool) {
    fault = {"memoryMegabytes", pool.error()};
    return nullptr;
  }
  std::unique_ptr<Worker> worker(new Worker(spec, clock));
  fault = worker->open_ports(*pool);
  if (fault) return nullptr;
  for (unsigned i = 0; i < spec.streams.size(); ++i)
    worker->streams_.push_back(std::make_unique<Stream>(spec.streams[i], i, spec.seed));
  return worker;
}

std::optional<Fault> Worker::open_ports(rte_mempool* pool) {
  const auto count = static_cast<unsigned>(spec_.ports.size());
  std::optional<Fault> fault;
  forwarder_ = Forwarder::start(spec_, fault);
  if (fault) return fault;
  for (unsigned i = 0; i < count; ++i) {
    StageSpec stage{.from = i};
    for (const StageSpec& each : spec_.stages)
      if (each.from == i) stage = each;
    ways_.push_back(spec_.ports[i].loop_to ? std::make_unique<Way>(stage, clock_, pool) : nullptr);
  }
  for (unsigned i = 0; i < count; ++i) {
    const PortSpec& spec = spec_.ports[i];
    if (spec.loop_to) {
      std::vector<Way*> arriving;
      for (unsigned from = 0; from < count; ++from)
        if (spec_.ports[from].loop_to == i) arriving.push_back(ways_[from].get());
      ports_.push_back(std::make_unique<Port>(spec, i, std::make_unique<LoopLink>(*ways_[i], std::move(arriving)),
                                              spec.mac.value_or(loop_mac(i)), pool));
      continue;
    }
    if (spec.ring_to) {
      ports_.push_back(std::make_unique<Port>(spec, i, forwarder_->link(i), spec.mac.value_or(loop_mac(i)), pool));
      continue;
    }
    auto device = DeviceLink::open(spec.device, spec_.largest_frame(), pool);
    if (!device) return Fault{path_of(i, "device"), device.error()};
    if (spec.mac) (*device)->set_mac(*spec.mac);
    const base::MacAddress own = spec.mac.value_or((*device)->mac());
    ports_.push_back(std::make_unique<Port>(spec, i, std::move(*device), own, pool));
  }
  return std::nullopt;
}

std::optional<Fault> Worker::unready(Cycles now) {
  const bool ask = now - asked_at_ > clock_.hz() / 5;
  if (ask) asked_at_ = now;
  std::optional<Fault> fault;
  for (size_t i = 0; i < ports_.size(); ++i) {
    Port& port = *ports_[i];
    const auto* device = dynamic_cast<const DeviceLink*>(&port.link());
    if (device != nullptr && !device->is_up()) {
      fault = {path_of(i, "device"), "has no link: the other side is not there"};
    } else if (!port.neighbours().resolved()) {
      if (ask) port.ask_for_gateway(now);
      fault = {path_of(i, "gateway"), port.spec().gateway->to_string() + " does not answer"};
    }
  }
  idle();
  if (!fault) set_links();
  return fault;
}

void Worker::set_links() {
  for (const auto& stream : streams_) {
    const Port& port = *ports_[stream->spec().from];
    base::MacAddress next_hop = port.neighbours().gateway().value_or(base::MacAddress{});
    const auto& other = port.spec().loop_to ? port.spec().loop_to : port.spec().ring_to;
    if (!port.spec().gateway && other) next_hop = ports_[*other]->neighbours().own();
    stream->set_link(port.neighbours().own(), next_hop);
  }
}

void Worker::idle() {
  for (const auto& port : ports_)
    for (unsigned bursts = 0; bursts < 64 && port->receive(receiver_, clock_) != 0; ++bursts) continue;
}

void Worker::begin(const Plan& plan) {
  double own = 0;
  for (const unsigned i : plan.streams) own += spec_.streams[i].pps;
  asked_ = plan.pps.value_or(own);
  receiver_.restart(++epoch_);
  for (const auto& port : ports_) port->restart();
  sending_.clear();
  start_ = last_sent_ = Clock::now();
  end_ = start_ + static_cast<Cycles>(plan.seconds * static_cast<double>(clock_.hz()));
  for (const auto& stream : streams_) stream->sent = stream->bytes = stream->late = stream->refused = 0;
  for (const unsigned i : plan.streams) {
    streams_[i]->start(spec_.streams[i].pps * asked_ / own, start_, clock_, epoch_);
    sending_.push_back(streams_[i].get());
  }
  drain_ = plan.drain;
  draining_ = false;
}

void Worker::send_due() {
  for (Stream* stream : sending_) {
    Port& port = *ports_[stream->spec().from];
    for (Cycles now = Clock::now(); port.has_room() && stream->ready(now, end_); now = Clock::now())
      if (!port.push(*stream, now, clock_)) break;
  }
  for (const auto& port : ports_)
    if (port->waiting() != 0 && port->flush(Clock::now(), clock_)) {
      last_sent_ = Clock::now();
      worked_ = true;
    }
}

bool Worker::owes() const {
  return std::ranges::any_of(ports_, [](const auto& port) { return port->waiting() != 0; }) ||
         std::ranges::any_of(sending_, [&](const Stream* stream) { return stream->remaining(end_) != 0; });
}

bool Worker::round() {
  worked_ = false;
  if (!draining_) send_due();
  for (const auto& port : ports_) worked_ |= port->receive(receiver_, clock_) != 0;
  const Cycles now = Clock::now();
  if (draining_) return now < over_at_;
  if (now < end_) return true;
  if (owes() && now < end_ + clock_.cycles(kGraceNanos)) return true;
  draining_ = true;
  over_at_ = now + static_cast<Cycles>(drain_ * static_cast<double>(clock_.hz()));
  return true;
}

void Worker::stop() { end_ = std::min(end_, Clock::now()); }

void Worker::mend() {
  for (const auto& port : ports_)
    if (auto* device = dynamic_cast<DeviceLink*>(&port->link())) device->mend();
}

Worker::Outcome Worker::finish() {
  idle();  // what arrived in time is read before it is asked what was missed
  Outcome outcome{.asked = asked_};
  bool stuck = false;
  for (size_t i = 0; i < ports_.size(); ++i) {
    uint64_t short_of = ports_[i]->waiting(), refused = 0;
    for (const Stream* stream : sending_) {
      if (stream->spec().from != i) continue;
      short_of += stream->remaining(end_);
      refused += stream->refused;
    }
    outcome.due += short_of;
    if (ports_[i]->waiting() != 0) {
      refused += short_of;
      stuck = true;
    }
    outcome.refused.push_back(refused);
    outcome.missed.push_back(ports_[i]->missed());
    stuck |= outcome.missed[i] != 0;
    ports_[i]->abandon();
  }
  for (const Stream* stream : sending_) {
    outcome.sent += stream->sent;
    outcome.late += stream->late;
  }
  outcome.due += outcome.sent;
  stuck |= static_cast<double>(outcome.late) > kTolerance * static_cast<double>(outcome.due);
  const auto hz = static_cast<double>(clock_.hz());
  const double planned = static_cast<double>(end_ - start_) / hz;
  outcome.seconds = std::max(planned, static_cast<double>(last_sent_ - start_) / hz);
  outcome.bound = stuck || static_cast<double>(outcome.sent) * planned <
                               (1 - kTolerance) * static_cast<double>(outcome.due) * outcome.seconds;
  return outcome;
}

double Worker::elapsed() const { return static_cast<double>(Clock::now() - start_) / static_cast<double>(clock_.hz()); }

uint64_t Worker::sent() const {
  return std::accumulate(sending_.begin(), sending_.end(), uint64_t{0},
                         [](uint64_t sum, const Stream* stream) { return sum + stream->sent; });
}

}  // namespace penstock::load
