#include "engine/stages/rewrite.h"

#include <algorithm>

#include "engine/tunnel.h"
#include "wire/checksum.h"
#include "wire/rewrite.h"
#include "wire/tcp_options.h"

namespace penstock::engine {

namespace {

using flow::Verdict;

// The identity that packets of this direction have after translation: the other direction's, turned round.
flow::FlowKey translated_key(const flow::Flow& f, unsigned direction) {
  return (direction == 0 ? f.reply : f.original).reversed();
}

wire::Translation translation_of(const flow::Flow& f, unsigned direction) {
  const flow::FlowKey to = translated_key(f, direction);
  return {to.src, to.dst, to.src_port, to.dst_port, f.way[direction].l3, f.way[direction].l4};
}

// Like wire::translate, for a packet quoted in an ICMP error: it may end anywhere after eight transport bytes.
void translate_quoted(base::MutableBytes quoted, const wire::Headers& h, const wire::Translation& t) {
  wire::write_addresses(quoted.data(), h.family, t.src, t.dst);
  if (h.family == 4) wire::update_checksum(quoted.data() + wire::kIpv4ChecksumAt, t.l3);
  if (h.is(wire::kIsLaterFragment)) return;
  uint8_t* l4 = quoted.data() + h.l4_offset;
  if (h.protocol == wire::kProtocolTcp || h.protocol == wire::kProtocolUdp) {
    base::store_be16(l4 + wire::kTcpSrcPortAt, t.src_port);
    base::store_be16(l4 + wire::kTcpDstPortAt, t.dst_port);
  } else if (wire::is_echo(h)) {
    base::store_be16(l4 + wire::kIcmpIdAt, t.src_port);
  }
  const bool whole_header = h.protocol != wire::kProtocolTcp || quoted.size() >= h.l4_offset + wire::kTcpChecksumAt + 2;
  if (whole_header) wire::update_l4_checksum(quoted.data(), h, t.l4);
}

// An ICMP error quotes a packet of the opposite direction as the reporter saw it. The receiver must see it as it was
// sent: the quote gets the addresses and ports of before the translation, then the message its checksum anew (RFC 5508
// §4.2).
void translate_error(Packet& p, const flow::Flow& f) {
  const flow::FlowKey& seen = p.direction == 0 ? f.original : f.reply;
  const flow::FlowKey to = translated_key(f, p.direction);
  const base::IpAddress src = p.key.src == seen.src ? to.src : p.key.src;  // a router's own address is left alone
  wire::Endpoints from{p.key.src, p.key.dst, 0, 0}, now{src, to.dst, 0, 0};
  wire::translate(p.data, p.headers, wire::make_translation(from, now, p.headers.protocol));

  uint8_t* quote = p.data + p.headers.l4_offset + wire::kIcmpLength;
  wire::Headers inner;
  const base::MutableBytes quoted{quote,
                                  static_cast<size_t>(p.headers.end - (p.headers.l4_offset + wire::kIcmpLength))};
  if (wire::parse_ip(quoted, wire::Whole::kQuoted, wire::Ipv4Checksum::kVerifiedByDevice, inner) ==
      wire::ParseError::kNone) {
    const wire::Endpoints quoted_from{seen.dst, seen.src, seen.dst_port, seen.src_port};
    const wire::Endpoints quoted_to{to.dst, to.src, to.dst_port, to.src_port};
    translate_quoted(quoted, inner, wire::make_translation(quoted_from, quoted_to, inner.protocol));
  }
  wire::write_l4({p.data, p.headers.end}, p.headers);
}

void translate_exact(Packet& p) {
  const flow::ExactAction& a = p.exact->action;
  const wire::Endpoints from{p.key.src, p.key.dst, p.key.src_port, p.key.dst_port};
  wire::Endpoints to = from;
  const auto fits = [&](const base::IpAddress& each) {
    return !each.is_unspecified() && each.is_v4() == (p.headers.family == 4);
  };
  if (fits(a.nat_source)) to.src = a.nat_source;
  if (fits(a.redirect_via)) to.dst = a.redirect_via;
  if (a.nat_source_port != 0) to.src_port = a.nat_source_port;
  if (a.nat_destination_port != 0) to.dst_port = a.nat_destination_port;
  wire::translate(p.data, p.headers, wire::make_translation(from, to, p.headers.protocol));
}

// RFC 6691, RFC 4459 §3.2: the smaller of what the two sides' interfaces ask for.
void clamp_mss(Packet& p, const WorkerState& w) {
  const wire::Headers& h = p.headers;
  if (h.protocol != wire::kProtocolTcp || (h.tcp_flags & wire::kTcpSyn) == 0) return;
  const auto& table = w.generation->interfaces->by_id;
  uint16_t most = 0xffff;
  for (const flow::InterfaceId id : {p.in, p.out}) {
    const flow::Interface& each = table[id];
    if (each.mss_clamp == 0) continue;
    const uint16_t headers = h.family == 4 ? 40 : 60;
    most = std::min<uint16_t>(most, each.mss_clamp == 1 ? static_cast<uint16_t>(each.mtu - headers) : each.mss_clamp);
  }
  if (most != 0xffff && p.to_peer != flow::kNoPeer && !p.in_clear)
    most = std::min<uint16_t>(most,
                              w.associations->lanes_of(p.to_peer).inner_mtu(w.generation->peers->by_slot[p.to_peer]) -
                                  (h.family == 4 ? 40 : 60));
  if (most != 0xffff) wire::clamp_mss(p.data, h, most);
}

void rewrite(Packet& p, WorkerState& w) {
  if (p.flow != nullptr && p.flow->translates()) {
    if (p.related) {
      translate_error(p, *p.flow);
    } else {
      wire::translate(p.data, p.headers, translation_of(*p.flow, p.direction));
    }
  } else if (p.exact != nullptr && p.exact->action.verb == flow::ExactVerb::kNat) {
    translate_exact(p);
  }
  wire::decrement_hop_limit(p.data, p.headers);
  if (p.dscp != 0xff) wire::set_dscp(p.data, p.headers, p.dscp);
  if (w.clamps) clamp_mss(p, w);
  if (tunnel_overhead(p) != 0 && !encapsulate(p, w)) drop(p, flow::DropReason::no_buffers);
}

}  // namespace

void Rewrite::run(Burst& burst, WorkerState& w) {
  if (burst.origin == Origin::kOwn) return;
  for (Packet& p : burst)
    if (p.verdict == Verdict::kForward) rewrite(p, w);
}

}  // namespace penstock::engine
