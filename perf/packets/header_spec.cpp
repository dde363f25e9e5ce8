// The headers of a stream, read straight into the first bytes of its frames. Lengths and checksums stay zero: they are
// of each packet (packets/frame.h).
#include <algorithm>

#include "packets/spec.h"
#include "wire/headers.h"

namespace penstock::load {

namespace {

using base::store_be16;
using base::store_be32;

Uint128 number_of(const base::IpAddress& address) {
  return static_cast<Uint128>(base::load_be64(&address.bytes[0])) << 64 | base::load_be64(&address.bytes[8]);
}

// Writes layout.bytes and layout.fields from the members of one header after the other.
class HeaderReader {
 public:
  HeaderReader(Layout& layout, const PortSpec& from) : layout_(layout), from_(from) {}

  void ether(const Node& headers);
  void vlan(const Node& tag);
  void ether_types();
  void ip(const Node& node, bool v6);
  void transport(const Node& headers);

 private:
  uint8_t* add(size_t length) {
    layout_.bytes.resize(layout_.bytes.size() + length);
    return layout_.bytes.data() + layout_.bytes.size() - length;
  }
  uint16_t offset(const uint8_t* at) const { return static_cast<uint16_t>(at - layout_.bytes.data()); }

  // A number or an address, or {from, count, step, order, group} of them. `value` reads one.
  template <typename Value>
  void field(const Node& node, uint8_t* at, uint8_t width, Uint128 highest, const Value& value);
  void number(const Node& node, uint8_t* at, uint8_t width, uint64_t low, uint64_t high);
  void mac(const Node& node, uint8_t* at);
  void address(const Node& node, uint8_t* at, bool v6);
  void ports(const Node& node, uint8_t* at);
  void tcp(const Node& node);
  void icmp(const Node& node);
  void esp(const Node& node);

  Layout& layout_;
  const PortSpec& from_;
};

template <typename Value>
void HeaderReader::field(const Node& node, uint8_t* at, uint8_t width, Uint128 highest, const Value& value) {
  if (!node.is_object()) return store_number(at, width, value(node));
  if (!node.object({"from", "count", "step", "order", "group"})) return;
  Field made{.at = offset(at), .width = width};
  made.from = value(node["from"]);
  if (node.has("count")) made.count = node["count"].integer(1, 1ull << 40);
  if (node.has("step")) made.step = node["step"].integer(1, UINT32_MAX);
  if (node.has("order")) made.random = node["order"].choice({"increment", "random"}) == 1;
  if (node.has("group")) made.group = node["group"].text();
  if (made.from > highest || (highest - made.from) / made.step < made.count - 1)
    return node.fault("goes beyond the field's largest value: from + (count - 1) * step");
  store_number(at, width, made.from);
  if (made.count > 1) layout_.fields.push_back(made);
}

void HeaderReader::number(const Node& node, uint8_t* at, uint8_t width, uint64_t low, uint64_t high) {
  field(node, at, width, high, [&](const Node& each) { return Uint128{each.integer(low, high)}; });
}

void HeaderReader::mac(const Node& node, uint8_t* at) {
  field(node, at, 6, (Uint128{1} << 48) - 1, [](const Node& each) {
    const auto address = each.parsed<base::MacAddress>("a MAC address like 02:00:00:00:00:01, or a range of them");
    uint64_t number = 0;
    for (const uint8_t byte : address.bytes) number = number << 8 | byte;
    return Uint128{number};
  });
}

void HeaderReader::address(const Node& node, uint8_t* at, bool v6) {
  const Uint128 highest = v6 ? ~Uint128{0} : Uint128{UINT32_MAX};
  field(node, at, v6 ? 16 : 4, highest, [&](const Node& each) {
    const size_t before = each.faults();
    const auto address = each.parsed<base::IpAddress>(v6 ? "an IPv6 address, or a range of them"
                                                         : "an IPv4 address, or a range of them");
    if (each.faults() == before && address.is_v6() != v6) each.fault(v6 ? "is not of IPv6" : "is not of IPv4");
    return v6 ? number_of(address) : Uint128{address.v4_host_order()};
  });
}

void HeaderReader::ether(const Node& headers) {
  uint8_t* at = add(wire::kEthernetLength);
  const Node node = headers["ether"];
  if (!headers.has("ether") || !node.object({"source", "destination"})) return;
  layout_.own_source = !node.has("source");
  layout_.own_destination = !node.has("destination");
  if (node.has("destination")) mac(node["destination"], at + wire::kEthernetDstAt);
  if (node.has("source")) mac(node["source"], at + wire::kEthernetSrcAt);
}

void HeaderReader::vlan(const Node& node) {
  uint8_t* at = add(wire::kVlanTagLength);  // the tag's number, then the type of what follows
  if (!node.object({"id", "priority"})) return;
  const uint64_t priority = node.has("priority") ? node["priority"].integer(0, 7) : 0;
  // The priority's bits stand above the id's in one number: a range of ids counts in it without touching them.
  const uint64_t above = priority << 13;
  field(node["id"], at, 2, above + 4094, [&](const Node& each) { return Uint128{above + each.integer(0, 4094)}; });
}

// Each tag, the outer of two a service provider's (IEEE 802.1Q §9.6), then IP.
void HeaderReader::ether_types() {
  uint8_t* at = layout_.bytes.data() + wire::kEthernetTypeAt;
  const uint8_t* last = layout_.bytes.data() + layout_.l3 - 2;
  const bool stacked = last - at > static_cast<ptrdiff_t>(wire::kVlanTagLength);
  for (bool outer = true; at != last; at += wire::kVlanTagLength, outer = false)
    store_be16(at, stacked && outer ? wire::kEtherTypeServiceVlan : wire::kEtherTypeVlan);
  store_be16(at, layout_.family == 6 ? wire::kEtherTypeIpv6 : wire::kEtherTypeIpv4);
}

void HeaderReader::ip(const Node& node, bool v6) {
  layout_.family = v6 ? 6 : 4;
  layout_.l3 = static_cast<uint8_t>(layout_.bytes.size());
  uint8_t* at = add(v6 ? wire::kIpv6Length : wire::kIpv4MinLength);
  layout_.l4 = static_cast<uint8_t>(layout_.bytes.size());
  if (!node.object({"source", "destination", "ttl", "dscp"})) return;
  const uint64_t traffic_class = node.has("dscp") ? node["dscp"].integer(0, 63) << 2 : 0;
  const uint64_t hops = node.has("ttl") ? node["ttl"].integer(1, 255) : 64;
  if (v6) {
    store_be32(at, static_cast<uint32_t>(6u << 28 | traffic_class << 20));
    at[wire::kIpv6HopLimitAt] = static_cast<uint8_t>(hops);
  } else {
    at[wire::kIpv4VersionAt] = 0x45;
    at[wire::kIpv4TosAt] = static_cast<uint8_t>(traffic_class);
    store_be16(at + wire::kIpv4FragmentAt, wire::kIpv4DontFragment);
    at[wire::kIpv4TtlAt] = static_cast<uint8_t>(hops);
  }
  uint8_t* source = at + (v6 ? wire::kIpv6SrcAt : wire::kIpv4SrcAt);
  if (node.has("source"))
    address(node["source"], source, v6);
  else if (from_.address && from_.address->is_v4() != v6)
    store_number(source, v6 ? 16 : 4, v6 ? number_of(from_.address->address) : from_.address->address.v4_host_order());
  else
    node["source"].fault("is needed: port " + from_.name + " has no address of this family");
  address(node["destination"], at + (v6 ? wire::kIpv6DstAt : wire::kIpv4DstAt), v6);
}

void HeaderReader::ports(const Node& node, uint8_t* at) {
  if (node.has("source"))
    number(node["source"], at, 2, 0, 65535);
  else
    store_be16(at, 1024);
  if (node.has("destination"))
    number(node["destination"], at + 2, 2, 0, 65535);
  else
    store_be16(at + 2, 9);  // discard, RFC 863; RFC 2544 appendix C.2.6.4 uses it
}

void HeaderReader::tcp(const Node& node) {
  uint8_t* at = add(wire::kTcpMinLength);
  if (!node.object({"source", "destination", "flags", "sequence", "acknowledgement", "window"})) return;
  ports(node, at);
  if (node.has("sequence")) number(node["sequence"], at + wire::kTcpSeqAt, 4, 0, UINT32_MAX);
  if (node.has("acknowledgement")) number(node["acknowledgement"], at + wire::kTcpAckAt, 4, 0, UINT32_MAX);
  at[wire::kTcpDataOffsetAt] = 5 << 4;
  constexpr std::string_view kLetters = "FSRPAUEC";  // from the lowest bit on
  for (const char letter : node.has("flags") ? node["flags"].text() : std::string("A")) {
    const size_t bit = kLetters.find(letter);
    if (bit == std::string_view::npos) return node["flags"].fault("must be of the letters F, S, R, P, A, U, E, C");
    at[wire::kTcpFlagsAt] = static_cast<uint8_t>(at[wire::kTcpFlagsAt] | 1u << bit);
  }
  store_be16(at + wire::kTcpWindowAt,
             static_cast<uint16_t>(node.has("window") ? node["window"].integer(0, 65535) : 65535));
}

void HeaderReader::icmp(const Node& node) {
  uint8_t* at = add(8);
  if (!node.object({"id", "sequence"})) return;
  at[0] = layout_.family == 6 ? 128 : 8;  // an echo request: RFC 4443 §4.1, RFC 792
  if (node.has("id")) number(node["id"], at + wire::kIcmpIdAt, 2, 0, 65535);
  if (node.has("sequence")) number(node["sequence"], at + wire::kIcmpSequenceAt, 2, 0, 65535);
}

void HeaderReader::esp(const Node& node) {
  uint8_t* at = add(8);  // RFC 4303 §2: index, sequence number; what follows is opaque
  if (!node.object({"spi", "sequence"})) return;
  number(node["spi"], at, 4, 1, UINT32_MAX);
  layout_.esp_counts = !node.has("sequence") || node["sequence"].is_text();
  if (!layout_.esp_counts)
    number(node["sequence"], at + 4, 4, 0, UINT32_MAX);
  else if (node.has("sequence"))
    node["sequence"].choice({"increment"});
}

void HeaderReader::transport(const Node& headers) {
  const unsigned given = headers.has("udp") + headers.has("tcp") + headers.has("icmp") + headers.has("esp");
  if (given > 1) headers.fault("may have one of udp, tcp, icmp and esp");
  if (headers.has("tcp")) {
    layout_.protocol = wire::kProtocolTcp;
    tcp(headers["tcp"]);
  } else if (headers.has("icmp")) {
    layout_.protocol = layout_.family == 6 ? wire::kProtocolIcmpv6 : wire::kProtocolIcmp;
    icmp(headers["icmp"]);
  } else if (headers.has("esp")) {
    layout_.protocol = wire::kProtocolEsp;
    esp(headers["esp"]);
  } else {
    layout_.protocol = wire::kProtocolUdp;
    uint8_t* at = add(wire::kUdpLength);
    if (!headers.has("udp") || headers["udp"].object({"source", "destination"})) ports(headers["udp"], at);
  }
  const size_t protocol_at = layout_.family == 6 ? wire::kIpv6NextHeaderAt : wire::kIpv4ProtocolAt;
  layout_.bytes[layout_.l3 + protocol_at] = layout_.protocol;
}

}  // namespace

Layout read_headers(const Node& node, const PortSpec& from) {
  Layout layout;
  if (!node.object({"ether", "vlan", "ipv4", "ipv6", "udp", "tcp", "icmp", "esp"})) return layout;
  HeaderReader reader(layout, from);
  reader.ether(node);
  if (node["vlan"].is_array())
    for (const Node& tag : node["vlan"].items(1, 2)) reader.vlan(tag);
  else if (node.has("vlan"))
    reader.vlan(node["vlan"]);
  if (node.has("ipv4") == node.has("ipv6")) {
    node.fault("must have ipv4 or ipv6");
    return layout;
  }
  reader.ip(node[node.has("ipv6") ? "ipv6" : "ipv4"], node.has("ipv6"));
  reader.transport(node);
  reader.ether_types();
  return layout;
}

}  // namespace penstock::load
