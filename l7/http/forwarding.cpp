#include "l7/http/forwarding.h"

#include <arpa/inet.h>

#include <charconv>
#include <optional>

#include "l7/http/chars.h"
#include "l7/http/text.h"

namespace penstock::http {

namespace {

using ChainText = Text<kMaxAddressChainBytes>;

std::string_view scheme_text(Scheme scheme) { return scheme == Scheme::kHttps ? "https" : "http"; }

// Without an allocation, unlike base::IpAddress::parse and to_string.
std::optional<base::IpAddress> parse_address(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN + 1> buffer{};  // inet_pton wants a terminated string
  if (text.size() >= buffer.size()) return std::nullopt;
  text.copy(buffer.data(), text.size());
  std::array<uint8_t, 16> bytes;
  if (inet_pton(AF_INET, buffer.data(), bytes.data()) == 1) return base::IpAddress::v4_from(bytes.data());
  if (inet_pton(AF_INET6, buffer.data(), bytes.data()) == 1) return base::IpAddress::v6_from(bytes.data());
  return std::nullopt;
}

// IPv4 by hand: inet_ntop goes through printf, which costs as much as parsing the request.
void put_address(const base::IpAddress& address, auto& out) {
  if (address.is_v4()) {
    for (unsigned i = 0; i < 4; ++i) {
      if (i != 0) out.put(".");
      out.put_number(address.v4_bytes()[i]);
    }
    return;
  }
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(AF_INET6, address.bytes.data(), buffer.data(), buffer.size());
  out.put(buffer.data());
}

// An entry of X-Forwarded-For: an address, perhaps with a port, as some gateways write it.
std::optional<base::IpAddress> address_of(std::string_view entry) {
  if (!entry.empty() && entry.front() == '[') {
    const size_t close = entry.find(']');
    return parse_address(entry.substr(1, close == std::string_view::npos ? close : close - 1));
  }
  const size_t colon = entry.find(':');
  const bool one_colon = colon != std::string_view::npos && entry.find(':', colon + 1) == std::string_view::npos;
  return parse_address(one_colon ? entry.substr(0, colon) : entry);
}

// The values of all fields of that name as one list (RFC 9110 5.3), then `own`.
void write_chain(const Fields& fields, FieldId id, Chain chain, std::string_view own, ChainText& out) {
  if (chain == Chain::kAppend) {
    for (const Field& field : fields) {
      const std::string_view value = fields.value(field);
      if (field.id != id || value.empty()) continue;
      if (!out.empty()) out.put(", ");
      out.put(value);
    }
    if (!out.empty()) out.put(", ");
  }
  out.put(own);
  if (out.overflowed()) {
    out.clear();
    out.put(own);
  }
}

Fault set_chain(Fields& fields, FieldId id, Chain chain, std::string_view own) {
  if (chain == Chain::kPass) return Fault::kNone;
  if (chain == Chain::kRemove) {
    fields.remove(id);
    return Fault::kNone;
  }
  ChainText text;
  write_chain(fields, id, chain, own, text);
  return fields.set(id, text.view());
}

void put_host(const RequestHead& head, auto& out) {
  out.put(head.host());
  if (head.port != 0) {
    out.put(":");
    out.put_number(head.port);
  }
}

bool believes_sender(const ForwardingPolicy& policy) {
  return policy.trusted_hops > 0 && policy.x_forwarded == Chain::kAppend;
}

// What one entry of the chain would say of itself: kept from a trusted sender, ours otherwise.
Fault set_if_ours(Fields& fields, FieldId id, const ForwardingPolicy& policy, std::string_view own) {
  if (believes_sender(policy) && !fields.value_of(id).empty()) return Fault::kNone;
  return fields.set(id, own);
}

Fault add_x_forwarded(RequestHead& head, const Arrival& arrival, const ForwardingPolicy& policy) {
  Fields& fields = head.fields;
  if (policy.x_forwarded == Chain::kPass) return Fault::kNone;
  if (policy.x_forwarded == Chain::kRemove) {
    fields.remove_all(
        set_of(FieldId::kXForwardedFor, FieldId::kXForwardedProto, FieldId::kXForwardedHost, FieldId::kXForwardedPort));
    return Fault::kNone;
  }
  Text<INET6_ADDRSTRLEN> peer;
  put_address(arrival.peer, peer);
  Fault fault = set_chain(fields, FieldId::kXForwardedFor, policy.x_forwarded, peer.view());
  if (fault != Fault::kNone) return fault;
  fault = set_if_ours(fields, FieldId::kXForwardedProto, policy, scheme_text(arrival.scheme));
  if (fault != Fault::kNone) return fault;
  Text<8> port;
  port.put_number(arrival.local_port);
  fault = set_if_ours(fields, FieldId::kXForwardedPort, policy, port.view());
  if (fault != Fault::kNone || head.host().empty()) return fault;
  Text<kMaxHostBytes + 8> host;
  put_host(head, host);
  return set_if_ours(fields, FieldId::kXForwardedHost, policy, host.view());
}

// RFC 7239 4 and 6: an IPv6 address is bracketed and therefore quoted.
void put_node(std::string_view name, const base::IpAddress& address, auto& out) {
  out.put(name);
  out.put(address.is_v4() ? "=" : "=\"[");
  put_address(address, out);
  if (!address.is_v4()) out.put("]\"");
}

Fault add_forwarded(RequestHead& head, const Arrival& arrival, const ForwardingPolicy& policy) {
  if (policy.forwarded == Chain::kPass || policy.forwarded == Chain::kRemove)
    return set_chain(head.fields, FieldId::kForwarded, policy.forwarded, {});
  Text<kMaxHostBytes + 160> own;
  put_node("for", arrival.peer, own);
  put_node(";by", arrival.local, own);
  own.put(";proto=");
  own.put(scheme_text(arrival.scheme));
  if (!head.host().empty()) {
    own.put(";host=\"");
    put_host(head, own);
    own.put("\"");
  }
  return set_chain(head.fields, FieldId::kForwarded, policy.forwarded, own.view());
}

bool usable_id(std::string_view id) {
  if (id.empty() || id.size() > kMaxRequestIdBytes) return false;
  for (const char c : id)
    if (c <= 0x20 || c >= 0x7f) return false;
  return true;
}

}  // namespace

base::IpAddress client_address(const Fields& fields, const Arrival& arrival, const ForwardingPolicy& policy) {
  if (policy.trusted_hops == 0 || policy.trusted_hops > kMaxTrustedHops) return arrival.peer;
  // The last kMaxTrustedHops entries over all fields of the name, newest overwriting oldest.
  std::array<std::string_view, kMaxTrustedHops> last;
  size_t count = 0;
  for (const Field& field : fields)
    if (field.id == FieldId::kXForwardedFor)
      for_each_element(fields.value(field), [&](std::string_view entry) { last[count++ % last.size()] = entry; });
  if (count < policy.trusted_hops) return arrival.peer;
  const auto address = address_of(last[(count - policy.trusted_hops) % last.size()]);
  return address ? *address : arrival.peer;
}

Entrance client_entrance(const Fields& fields, const Entrance& arrived, const ForwardingPolicy& policy) {
  Entrance entrance = arrived;
  if (!believes_sender(policy)) return entrance;
  const std::string_view proto = fields.value_of(FieldId::kXForwardedProto);
  for (const Scheme scheme : {Scheme::kHttp, Scheme::kHttps})
    if (equals_lower(proto, scheme_text(scheme))) entrance.scheme = scheme;
  if (entrance.scheme != arrived.scheme) entrance.port = entrance.scheme == Scheme::kHttps ? 443 : 80;
  const std::string_view text = fields.value_of(FieldId::kXForwardedPort);
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error == std::errc{} && end == text.data() + text.size() && port != 0) entrance.port = port;
  return entrance;
}

Fault add_forwarding_fields(RequestHead& head, const Arrival& arrival, const ForwardingPolicy& policy) {
  if (const Fault fault = add_x_forwarded(head, arrival, policy); fault != Fault::kNone) return fault;
  if (const Fault fault = add_forwarded(head, arrival, policy); fault != Fault::kNone) return fault;
  return add_via(head.fields, head.version, policy.via);
}

Fault add_request_id(RequestHead& head, const std::array<uint8_t, 16>& random, const ForwardingPolicy& policy) {
  if (policy.keep_request_id && usable_id(head.fields.value_of(FieldId::kXRequestId)))
    return head.fields.set(FieldId::kXRequestId, head.fields.value_of(FieldId::kXRequestId));
  Text<40> uuid;
  for (size_t i = 0; i < random.size(); ++i) {
    unsigned byte = random[i];
    if (i == 6) byte = 0x40 | (byte & 0x0f);  // version
    if (i == 8) byte = 0x80 | (byte & 0x3f);  // variant
    if (i == 4 || i == 6 || i == 8 || i == 10) uuid.put("-");
    uuid.put_hex_byte(byte);
  }
  return head.fields.set(FieldId::kXRequestId, uuid.view());
}

Fault add_via(Fields& fields, Version received, std::string_view pseudonym) {
  if (pseudonym.empty()) return Fault::kNone;
  Text<128> own;
  own.put(received == Version::kHttp10 ? "1.0 " : received == Version::kHttp11 ? "1.1 " : "2 ");
  own.put(pseudonym);
  return own.overflowed() ? Fault::bad_field_value : fields.add(FieldId::kVia, own.view());
}

Hop next_hop(RequestHead& head) {
  if (head.method != Method::kTrace && head.method != Method::kOptions) return Hop::kForward;
  const Field* field = head.fields.find(FieldId::kMaxForwards);
  if (field == nullptr) return Hop::kForward;
  const std::string_view text = head.fields.value(*field);
  uint32_t hops = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), hops);
  if (error != std::errc{} || end != text.data() + text.size() || !all(text, kDigit)) return Hop::kRefuse;
  if (hops == 0) return Hop::kAnswer;
  Text<16> less;
  less.put_number(hops - 1);
  return head.fields.set(FieldId::kMaxForwards, less.view()) == Fault::kNone ? Hop::kForward : Hop::kRefuse;
}

}  // namespace penstock::http
