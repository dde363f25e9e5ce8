#include "engine/stages/route.h"

#include <cstring>

namespace penstock::engine {

namespace {

using flow::Verdict;

// Addresses of one family gathered from the burst, looked up in one call.
struct Lookup {
  unsigned count4 = 0, count6 = 0;
  uint32_t v4[kBurst];
  uint8_t v6[kBurst][16];
  uint32_t results4[kBurst], results6[kBurst];
  uint8_t who4[kBurst], who6[kBurst];

  void add(unsigned index, uint8_t family, const uint8_t* address) {
    if (family == 4) {
      who4[count4] = static_cast<uint8_t>(index);
      v4[count4++] = base::load_be32(address);
    } else {
      who6[count6] = static_cast<uint8_t>(index);
      std::memcpy(v6[count6++], address, 16);
    }
  }

  void find(const flow::RouteTable& routes) {
    if (count4 != 0) routes.find_v4(v4, results4, count4);
    if (count6 != 0) routes.find_v6(v6, results6, count6);
  }
};

// Where the packet will be addressed to: an exact entry may translate it without a flow.
const uint8_t* destination_of(const Packet& p) {
  if (p.exact != nullptr && p.exact->action.verb == flow::ExactVerb::kNat) {
    const base::IpAddress& to = p.exact->action.redirect_via;
    if (!to.is_unspecified() && to.is_v4() == (p.headers.family == 4))
      return p.headers.family == 4 ? to.v4_bytes() : to.bytes.data();
  }
  return p.data + p.headers.l2_length + (p.headers.family == 4 ? 16 : 24);
}
const uint8_t* source_of(const Packet& p) { return p.data + p.headers.l2_length + (p.headers.family == 4 ? 12 : 8); }

// Over a peer in clear: by the way to the peer itself.
bool leads_to(const flow::Generation& g, const flow::NextHop& hop, flow::InterfaceId in) {
  if (hop.peer == flow::kNoPeer) return hop.interface == in;
  return g.routes->at(g.peers->by_slot[hop.peer].route).interface == in;
}

bool leads_back(const flow::Generation& g, const flow::RouteResult& result, flow::InterfaceId in, flow::Rpf mode) {
  if (result.kind != flow::RouteKind::kConnected && result.kind != flow::RouteKind::kGateway) return false;
  if (mode == flow::Rpf::kLoose || result.interface == in) return true;
  const uint32_t slots = result.hops <= 1 ? 1 : flow::kEcmpSlots;
  for (uint32_t slot = 0; slot < slots; ++slot)
    if (leads_to(g, g.routes->next_hop(g.routes->next_hop_in(result, slot)), in)) return true;
  return false;
}

void check_reverse_path(Burst& burst, const WorkerState& w) {
  const flow::RouteTable& routes = *w.generation->routes;
  const flow::InterfaceTable& interfaces = *w.generation->interfaces;
  Lookup sources;
  for (unsigned i = 0; i < burst.count; ++i) {
    const Packet& p = burst.packets[i];
    if (p.verdict == Verdict::kContinue && p.flow == nullptr && p.from_peer == flow::kNoPeer &&
        interfaces.by_id[p.in].rpf != flow::Rpf::kOff)
      sources.add(i, p.headers.family, source_of(p));
  }
  sources.find(routes);
  const auto judge = [&](unsigned index, uint32_t result) {
    Packet& p = burst.packets[index];
    if (!leads_back(*w.generation, routes.at(result), p.in, interfaces.by_id[p.in].rpf))
      drop(p, flow::DropReason::reverse_path);
  };
  for (unsigned i = 0; i < sources.count4; ++i) judge(sources.who4[i], sources.results4[i]);
  for (unsigned i = 0; i < sources.count6; ++i) judge(sources.who6[i], sources.results6[i]);
}

}  // namespace

void Route::run(Burst& burst, WorkerState& w) {
  const flow::RouteTable& routes = *w.generation->routes;
  Lookup destinations;
  for (unsigned i = 0; i < burst.count; ++i) {
    const Packet& p = burst.packets[i];
    if (p.verdict == Verdict::kContinue && p.next_hop == kNone32 && p.headers.family != 0)
      destinations.add(i, p.headers.family, destination_of(p));
  }
  destinations.find(routes);
  for (unsigned i = 0; i < destinations.count4; ++i)
    burst.packets[destinations.who4[i]].route = destinations.results4[i];
  for (unsigned i = 0; i < destinations.count6; ++i)
    burst.packets[destinations.who6[i]].route = destinations.results6[i];
  if (w.any_rpf && burst.origin != Origin::kOwn) check_reverse_path(burst, w);
}

}  // namespace penstock::engine
