// A compiler over the sample gateway of the model's tests.
#pragma once

#include <string>

#include "control/compile/compiler.h"
#include "tests/unit/control/model/sample_state.h"

namespace penstock::compile {

using model::ip;
using model::named;
using model::net;
using model::put;

inline const std::vector<PortFacts> kPorts = {
    {"wan", 0, 0xffff, {{0x02, 0, 0, 0, 0, 1}}},
    {"lan", 1, 0xffff, {{0x02, 0, 0, 0, 0, 2}}},
};

// Compiles, accepts and lets every worker adopt one state after the other.
struct Bench {
  Compiler compiler{{}, 2'000'000'000};
  HealthView health;
  PeerView peers;
  config::SessionKeys sessions;
  std::vector<PortFacts> ports = kPorts;
  uint64_t number = 0;
  bool retire = true;  // workers leave the generation before at once

  std::shared_ptr<const flow::Generation> operator()(const model::State& state) {
    Compiled compiled = compiler.compile(state, ports, health, ++number, {}, peers, sessions);
    last_errors = model::lines(compiled.errors);
    if (!compiled.generation) return nullptr;
    compiler.accept();
    if (retire) compiler.retired(number - 1);
    return compiled.generation;
  }
  std::string errors_of(const model::State& state) {
    return model::lines(compiler.compile(state, ports, health, number + 1, {}, peers, sessions).errors);
  }
  std::string last_errors;
};

inline const flow::ServiceEntry* entry(const flow::Generation& g, std::string_view address, uint16_t port,
                                       uint8_t protocol = 6) {
  return g.services->find(ip(address), protocol, port);
}

// "10.0.0.11:8080 10.0.0.12:8080(down)" in table order.
inline std::string text_of(const flow::ServiceEntry& entry) {
  std::string out;
  for (const flow::Endpoint& e : entry.endpoints) {
    if (!out.empty()) out += ' ';
    out += e.address.to_string() + ":" + std::to_string(e.port);
    if (e.weight != 100) out += "*" + std::to_string(e.weight);
    if (e.state == flow::EndpointState::kDraining) out += "(draining)";
    if (e.state == flow::EndpointState::kDown) out += "(down)";
  }
  return out;
}

}  // namespace penstock::compile
