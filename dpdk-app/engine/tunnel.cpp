#include "engine/tunnel.h"

#include <cstring>

#include "wire/build.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {
// An address of the service's source pool, or of the egress interface's network: chosen by the flow's hash, so that it
// is constant for a flow and varies between flows. Servers look only at the packet inside.
base::IpAddress outer_source(const Packet& p, const WorkerState& w, bool v4) {
  const uint32_t hash = static_cast<uint32_t>(p.key_hash);
  if (const flow::ServiceEntry* service = w.generation->services->by_slot(p.flow->service);
      service != nullptr && !service->source_pool.empty()) {
    const base::IpAddress& pooled = service->source_pool[hash % service->source_pool.size()];
    if (pooled.is_v4() == v4) return pooled;
  }
  for (const base::Prefix& each : w.generation->interfaces->by_id[p.out].addresses) {
    if (each.is_v4() != v4 || each.address.is_link_local()) continue;
    base::IpAddress source = each.address;
    if (v4 && each.length <= 30) {
      const uint32_t hosts = (1u << (32 - each.length)) - 2;
      source = base::IpAddress::v4(each.network().address.v4_host_order() + 1 + hash % hosts);
    } else if (!v4 && each.length <= 96) {
      base::store_raw(&source.bytes[12], hash);
    }
    return source;
  }
  return {};
}
}  // namespace

bool encapsulate(Packet& p, const WorkerState& w) {
  const base::IpAddress server = p.flow->reply.src;
  const bool v4 = server.is_v4();
  const auto outer = static_cast<uint16_t>(v4 ? wire::kIpv4MinLength : wire::kIpv6Length);
  const unsigned inner_length = p.headers.end - p.headers.l2_length;
  if (rte_pktmbuf_prepend(p.mbuf, outer) == nullptr) return false;
  p.data = rte_pktmbuf_mtod(p.mbuf, uint8_t*);
  wire::IpipHeaders headers;
  headers.ip.src = outer_source(p, w, v4);
  headers.ip.dst = server;
  headers.ip.traffic_class = p.headers.traffic_class;
  headers.inner_family = p.headers.family;
  headers.inner_length = inner_length;
  if (wire::build_ipip_headers({p.data + p.headers.l2_length, outer}, headers) != outer) return false;
  p.headers.protocol = p.headers.family == 4 ? wire::kProtocolIpip : wire::kProtocolIpv6;
  p.headers.family = v4 ? 4 : 6;
  p.headers.l4_offset = static_cast<uint16_t>(p.headers.l2_length + outer);
  p.headers.payload_offset = p.headers.l4_offset;
  p.headers.end = static_cast<uint16_t>(p.headers.end + outer);
  return true;
}

}  // namespace penstock::engine
