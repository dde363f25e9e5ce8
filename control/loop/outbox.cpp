#include "control/loop/outbox.h"

#include <chrono>
#include <thread>

namespace penstock::loop {

Outbox::~Outbox() {
  for (auto& lane : lanes_) {
    for (auto& item : lane.flying) {  // its worker may still read it
      static_cast<void>(item.neighbour.release());
      static_cast<void>(item.inject.release());
      static_cast<void>(item.probe.release());
    }
  }
}

void Outbox::set_workers(size_t count) { lanes_.resize(count); }

void Outbox::neighbour(const flow::NeighbourCommand& prototype) {
  for (Lane& lane : lanes_) {
    auto command = std::make_unique<flow::NeighbourCommand>();
    command->interface = prototype.interface;
    command->address = prototype.address;
    command->mac = prototype.mac;
    command->state = prototype.state;
    command->refresh_ms = prototype.refresh_ms;
    post(lane, {std::move(command), nullptr, nullptr});
  }
}

void Outbox::inject(unsigned worker, flow::InterfaceId interface, flow::InjectAs as, std::vector<uint8_t> frame) {
  if (lanes_.empty()) return;
  auto command = std::make_unique<flow::InjectCommand>();
  command->interface = interface;
  command->as = as;
  command->frame = std::move(frame);
  post(lanes_[worker % lanes_.size()], {nullptr, std::move(command), nullptr});
}

void Outbox::probe(const flow::ProbeCommand& prototype) {
  if (lanes_.empty()) return;
  auto command = std::make_unique<flow::ProbeCommand>();
  command->peer = prototype.peer;
  command->path = prototype.path;
  command->sequence = prototype.sequence;
  command->size = prototype.size;
  post(lanes_.front(), {nullptr, nullptr, std::move(command)});
}

void Outbox::post(Lane& lane, Item item) {
  if (lane.waiting.size() >= kMaxWaiting) {
    lane.waiting.pop_front();
    ++lost_;
  }
  lane.waiting.push_back(std::move(item));
}

void Outbox::pump() {
  for (unsigned worker = 0; worker < lanes_.size(); ++worker) {
    Lane& lane = lanes_[worker];
    while (!lane.flying.empty() && lane.flying.front().get()->done()) lane.flying.pop_front();
    while (!lane.waiting.empty() && lane.flying.size() < kMaxWaiting &&
           dataplane_.submit(worker, lane.waiting.front().get())) {
      lane.flying.push_back(std::move(lane.waiting.front()));
      lane.waiting.pop_front();
    }
  }
}

void Outbox::finish(base::Nanos deadline) {
  for (Lane& lane : lanes_) {
    lane.waiting.clear();
    for (const Item& item : lane.flying) {
      while (!item.get()->done() && base::monotonic_now() < deadline) {
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
    }
  }
  pump();
}

}  // namespace penstock::loop
