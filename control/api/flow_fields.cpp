#include "control/api/flow_fields.h"

#include <cmath>

#include "flow/tcp_state.h"

namespace penstock::api {

namespace {

constexpr uint32_t kLongestTimeout = 1'728'000;  // seconds: flow/exact_table.h

bool read_address(const std::string& bytes, base::IpAddress& out) {
  if (bytes.size() == 4) {
    out = base::IpAddress::v4_from(bytes.data());
    return true;
  }
  if (bytes.size() != 16) return false;
  out = base::IpAddress::v6_from(bytes.data());
  return out.is_v6();
}

bool read_optional_address(const std::string& bytes, base::IpAddress& out) {
  return bytes.empty() || read_address(bytes, out);
}

std::string write_address(const base::IpAddress& address) {
  if (address.is_v4()) return {reinterpret_cast<const char*>(address.v4_bytes()), 4};
  return {reinterpret_cast<const char*>(address.bytes.data()), 16};
}

const char* read_key(const v1::FlowKey& message, const FlowNames& names, flow::FlowKey& key) {
  if (!read_address(message.src(), key.src)) return "key.src: want 4 or 16 bytes";
  if (!read_address(message.dst(), key.dst)) return "key.dst: want 4 or 16 bytes";
  if (key.src.is_v4() != key.dst.is_v4()) return "key.dst: want an address of the family of key.src";
  if (message.protocol() < 1 || message.protocol() > 255) return "key.protocol: want 1 to 255";
  if (message.src_port() > 65535) return "key.srcPort: want 0 to 65535";
  if (message.dst_port() > 65535) return "key.dstPort: want 0 to 65535";
  key.protocol = static_cast<uint8_t>(message.protocol());
  key.src_port = static_cast<uint16_t>(message.src_port());
  key.dst_port = static_cast<uint16_t>(message.dst_port());
  if (!message.interface().empty()) {
    const uint32_t id = names.interface(message.interface());
    if (id == FlowNames::kUnknown) return "key.interface: no such interface in the Node";
    key.zone = static_cast<uint16_t>(id + 1);
  }
  return nullptr;
}

const char* read_limit(const v1::FlowRate& message, flow::ExactAction& action) {
  const bool bits = message.rate_case() == v1::FlowRate::kBitsPerSecond;
  if (message.rate_case() == v1::FlowRate::RATE_NOT_SET) return "action.limit: want packetsPerSecond or bitsPerSecond";
  const double rate = bits ? message.bits_per_second() : message.packets_per_second();
  if (!(rate >= 1 && rate <= (bits ? 1e13 : 1e9)))
    return "action.limit: want a rate of 1 to 1e9 packets or 1e13 bits per second";
  if (!(message.burst() >= 0) || std::isinf(message.burst())) return "action.limit.burst: want 0 or more";
  const double least = bits ? 4 * 12000 : 4;
  const double burst = message.burst() > 0 ? message.burst() : std::max(rate * 0.005, least);
  action.limited = true;
  action.unit = bits ? flow::LimitUnit::kBits : flow::LimitUnit::kPackets;
  action.rate = flow::Rate::of(rate, burst, base::cycles_per_second());
  return nullptr;
}

const char* read_action(const v1::FlowAction& message, const FlowNames& names, const flow::FlowKey& key,
                        flow::ExactAction& action) {
  switch (message.verb()) {
    case v1::FlowAction::ALLOW:
      action.verb = flow::ExactVerb::kAllow;
      break;
    case v1::FlowAction::DROP:
      action.verb = flow::ExactVerb::kDrop;
      break;
    case v1::FlowAction::REDIRECT:
      action.verb = flow::ExactVerb::kRedirect;
      break;
    case v1::FlowAction::NAT:
      action.verb = flow::ExactVerb::kNat;
      break;
    default:
      return "action.verb: want ALLOW, DROP, REDIRECT or NAT";
  }
  if (message.has_dscp()) {
    if (message.dscp() > 63) return "action.dscp: want 0 to 63";
    action.dscp = static_cast<uint8_t>(message.dscp());
  }
  if (!message.mirror().empty()) {
    const uint32_t slot = names.mirror(message.mirror());
    if (slot == FlowNames::kUnknown) return "action.mirror: no such Mirror";
    action.mirror = true;
    action.mirror_slot = static_cast<uint16_t>(slot);
  }
  if (message.has_limit())
    if (const char* wrong = read_limit(message.limit(), action); wrong != nullptr) return wrong;
  const bool redirects = action.verb == flow::ExactVerb::kRedirect, translates = action.verb == flow::ExactVerb::kNat;
  if (redirects) {
    const uint32_t id = names.interface(message.redirect_interface());
    if (message.redirect_interface().empty() || id == FlowNames::kUnknown)
      return "action.redirectInterface: want an interface of the Node";
    action.redirect_interface = static_cast<uint16_t>(id);
    if (!read_optional_address(message.redirect_via(), action.redirect_via))
      return "action.redirectVia: want 4 or 16 bytes";
  } else if (!message.redirect_interface().empty() || !message.redirect_via().empty()) {
    return "action.redirectInterface: goes with verb REDIRECT only";
  }
  if (!translates) {
    const bool given = !message.nat_source().empty() || !message.nat_destination().empty() ||
                       message.nat_source_port() != 0 || message.nat_destination_port() != 0;
    return given ? "action.natSource and its siblings: go with verb NAT only" : nullptr;
  }
  if (!read_optional_address(message.nat_source(), action.nat_source) ||
      (!message.nat_source().empty() && action.nat_source.is_v4() != key.src.is_v4()))
    return "action.natSource: want an address of the key's family";
  if (!read_optional_address(message.nat_destination(), action.redirect_via) ||
      (!message.nat_destination().empty() && action.redirect_via.is_v4() != key.src.is_v4()))
    return "action.natDestination: want an address of the key's family";
  if (message.nat_source_port() > 65535 || message.nat_destination_port() > 65535)
    return "action.natSourcePort and natDestinationPort: want 0 to 65535";
  action.nat_source_port = static_cast<uint16_t>(message.nat_source_port());
  action.nat_destination_port = static_cast<uint16_t>(message.nat_destination_port());
  return nullptr;
}

}  // namespace

FlowNames::FlowNames(std::shared_ptr<const flow::Generation> generation) : generation_(std::move(generation)) {
  if (generation_ == nullptr) return;
  for (const flow::Interface& each : generation_->interfaces->by_id)
    if (each.id != flow::kNoInterface && !each.is_twin) interfaces_[each.name] = each.id;
  for (const flow::MirrorRule& each : generation_->mirrors)
    if (!each.name.empty()) mirrors_[each.name] = each.slot;
}

uint32_t FlowNames::interface(const std::string& name) const {
  const auto found = interfaces_.find(name);
  return found == interfaces_.end() ? kUnknown : found->second;
}

uint32_t FlowNames::mirror(const std::string& name) const {
  const auto found = mirrors_.find(name);
  return found == mirrors_.end() ? kUnknown : found->second;
}

std::string FlowNames::interface_name(uint32_t id) const {
  if (generation_ == nullptr || id >= generation_->interfaces->by_id.size()) return "";
  return generation_->interfaces->by_id[id].name;
}

std::string FlowNames::mirror_name(uint32_t slot) const {
  if (generation_ == nullptr || slot >= generation_->mirrors.size()) return "";
  return generation_->mirrors[slot].name;
}

const char* to_op(const v1::FlowOperation& message, const FlowNames& names, flow::ExactOp& op) {
  switch (message.kind()) {
    case v1::FlowOperation::ADD:
      op.kind = flow::ExactOpKind::kAdd;
      break;
    case v1::FlowOperation::REPLACE:
      op.kind = flow::ExactOpKind::kReplace;
      break;
    case v1::FlowOperation::DELETE:
      op.kind = flow::ExactOpKind::kDelete;
      break;
    default:
      return "kind: want ADD, REPLACE or DELETE";
  }
  if (const char* wrong = read_key(message.key(), names, op.key); wrong != nullptr) return wrong;
  if (op.kind == flow::ExactOpKind::kDelete) return nullptr;
  if (message.idle_timeout() > kLongestTimeout) return "idleTimeout: want 0 to 1728000 seconds";
  if (message.hard_timeout() > kLongestTimeout) return "hardTimeout: want 0 to 1728000 seconds";
  op.cookie = message.cookie();
  op.idle_seconds = message.idle_timeout();
  op.hard_seconds = message.hard_timeout();
  return read_action(message.action(), names, op.key, op.action);
}

void to_message(const flow::FlowKey& key, const FlowNames& names, v1::FlowKey& message) {
  message.set_src(write_address(key.src));
  message.set_dst(write_address(key.dst));
  message.set_protocol(key.protocol);
  message.set_src_port(key.src_port);
  message.set_dst_port(key.dst_port);
  if (key.zone != 0) message.set_interface(names.interface_name(key.zone - 1u));
}

void to_message(const flow::ExactEntryView& entry, const FlowNames& names, v1::ExactFlow& message) {
  to_message(entry.key, names, *message.mutable_key());
  const flow::ExactAction& a = entry.action;
  v1::FlowAction& action = *message.mutable_action();
  action.set_verb(static_cast<v1::FlowAction::Verb>(a.verb));
  if (a.dscp != 0xff) action.set_dscp(a.dscp);
  if (a.mirror) action.set_mirror(names.mirror_name(a.mirror_slot));
  if (a.limited) {
    const double rate = static_cast<double>(base::cycles_per_second()) /
                        (static_cast<double>(a.rate.cost) / static_cast<double>(1ull << flow::kCostFractionBits));
    if (a.unit == flow::LimitUnit::kBits) {
      action.mutable_limit()->set_bits_per_second(rate);
    } else {
      action.mutable_limit()->set_packets_per_second(rate);
    }
  }
  if (a.verb == flow::ExactVerb::kRedirect) {
    action.set_redirect_interface(names.interface_name(a.redirect_interface));
    if (!a.redirect_via.is_unspecified()) action.set_redirect_via(write_address(a.redirect_via));
  }
  if (a.verb == flow::ExactVerb::kNat) {
    if (!a.nat_source.is_unspecified()) action.set_nat_source(write_address(a.nat_source));
    if (!a.redirect_via.is_unspecified()) action.set_nat_destination(write_address(a.redirect_via));
    action.set_nat_source_port(a.nat_source_port);
    action.set_nat_destination_port(a.nat_destination_port);
  }
  message.set_cookie(entry.cookie);
  message.set_packets(entry.packets);
  message.set_bytes(entry.bytes);
  message.set_age(entry.age_seconds);
  message.set_idle(entry.idle_seconds);
  message.set_idle_timeout(entry.idle_timeout);
  message.set_hard_timeout(entry.hard_timeout);
}

void to_message(const flow::TrackedFlowView& entry, const FlowNames& names, v1::TrackedFlow& message) {
  to_message(entry.original, names, *message.mutable_original());
  to_message(entry.reply, names, *message.mutable_reply());
  message.set_state(flow::to_string(static_cast<flow::FlowStateId>(entry.state)));
  const flow::Generation* g = names.generation();
  if (g != nullptr) {
    if (const flow::ServiceEntry* service = g->services->by_slot(entry.service); service != nullptr) {
      message.set_service(service->name);
      for (const flow::Endpoint& each : service->endpoints)
        if (each.slot == entry.endpoint) message.set_endpoint(each.address.to_string());
    }
    for (const flow::EgressRule& each : g->egresses)
      if (each.slot == entry.egress) message.set_egress(each.name);
  }
  message.set_original_packets(entry.packets[0]);
  message.set_original_bytes(entry.bytes[0]);
  message.set_reply_packets(entry.packets[1]);
  message.set_reply_bytes(entry.bytes[1]);
  message.set_age(entry.age_seconds);
  message.set_idle(entry.idle_seconds);
  message.set_expires(entry.timeout_seconds);
}

}  // namespace penstock::api
