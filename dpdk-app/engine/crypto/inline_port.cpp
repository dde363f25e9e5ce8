#include "engine/crypto/inline_port.h"

#include <rte_cryptodev.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_mempool.h>
#include <rte_security_driver.h>

#include <array>
#include <cstring>

#include "engine/crypto/esp_job.h"
#include "engine/crypto/key.h"

namespace penstock::crypto {

namespace {

rte_security_ipsec_sa_direction direction_of(Direction direction) {
  return direction == Direction::kOutbound ? RTE_SECURITY_IPSEC_SA_DIR_EGRESS : RTE_SECURITY_IPSEC_SA_DIR_INGRESS;
}

bool is_gcm(Cipher cipher) { return cipher == Cipher::kAesGcm128 || cipher == Cipher::kAesGcm256; }

// The entry for ESP tunnels inline; null: there is none.
const rte_security_capability* capability_of(rte_security_ctx* context, Direction direction) {
  const rte_security_capability* each = context == nullptr ? nullptr : rte_security_capabilities_get(context);
  for (; each != nullptr && each->action != RTE_SECURITY_ACTION_TYPE_NONE; ++each)
    if (each->action == RTE_SECURITY_ACTION_TYPE_INLINE_CRYPTO && each->protocol == RTE_SECURITY_PROTOCOL_IPSEC &&
        each->ipsec.proto == RTE_SECURITY_IPSEC_SA_PROTO_ESP && each->ipsec.mode == RTE_SECURITY_IPSEC_SA_MODE_TUNNEL &&
        each->ipsec.direction == direction_of(direction))
      return each;
  return nullptr;
}

bool offers_tunnels(rte_security_ctx* context) {
  return capability_of(context, Direction::kOutbound) != nullptr &&
         capability_of(context, Direction::kInbound) != nullptr;
}

bool in_range(const rte_crypto_param_range& range, uint16_t wanted) {
  if (range.increment == 0) return wanted == range.min;
  return wanted >= range.min && wanted <= range.max && (wanted - range.min) % range.increment == 0;
}

// Drivers differ in what they call the IV of GCM in ESP: the 8 bytes on the wire, or with the salt 12.
bool offers_gcm(const rte_security_capability& capability, uint16_t key_length) {
  for (const auto* each = capability.crypto_capabilities; each != nullptr && each->op != RTE_CRYPTO_OP_TYPE_UNDEFINED;
       ++each) {
    if (each->op != RTE_CRYPTO_OP_TYPE_SYMMETRIC || each->sym.xform_type != RTE_CRYPTO_SYM_XFORM_AEAD) continue;
    const auto& aead = each->sym.aead;
    if (aead.algo == RTE_CRYPTO_AEAD_AES_GCM && in_range(aead.key_size, key_length) &&
        in_range(aead.digest_size, kIcvLength))
      return true;
  }
  return false;
}

void fill_tunnel(const SaSpec& spec, Direction direction, rte_security_ipsec_tunnel_param& tunnel) {
  const bool out = direction == Direction::kOutbound;
  const base::IpAddress &from = out ? spec.local : spec.remote, &to = out ? spec.remote : spec.local;
  if (from.is_v4()) {
    tunnel.type = RTE_SECURITY_IPSEC_TUNNEL_IPV4;
    std::memcpy(&tunnel.ipv4.src_ip, &from.bytes[12], 4);
    std::memcpy(&tunnel.ipv4.dst_ip, &to.bytes[12], 4);
    tunnel.ipv4.ttl = spec.hop_limit;
  } else {
    tunnel.type = RTE_SECURITY_IPSEC_TUNNEL_IPV6;
    std::memcpy(&tunnel.ipv6.src_addr, from.bytes.data(), 16);
    std::memcpy(&tunnel.ipv6.dst_addr, to.bytes.data(), 16);
    tunnel.ipv6.hlimit = spec.hop_limit;
  }
}

}  // namespace

InlineOffloads offloads_of(uint16_t port) {
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(port, &info) != 0) return {};
  const bool both = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SECURITY) != 0 &&
                    (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_SECURITY) != 0;
  if (!both || !offers_tunnels(static_cast<rte_security_ctx*>(rte_eth_dev_get_sec_ctx(port)))) return {};
  return {RTE_ETH_RX_OFFLOAD_SECURITY, RTE_ETH_TX_OFFLOAD_SECURITY};
}

InlineSession::~InlineSession() { port_.free_session(handle_, rule_); }

std::unique_ptr<InlinePort> InlinePort::of_device(uint16_t id, const std::string& name, uint16_t tx_queues) {
  if (offloads_of(id).tx == 0) return nullptr;
  auto* context = static_cast<rte_security_ctx*>(rte_eth_dev_get_sec_ctx(id));
  std::unique_ptr<InlinePort> port(new InlinePort(id, name, tx_queues, context));
  return port->make_pool().ok() ? std::move(port) : nullptr;
}

base::Result<std::unique_ptr<InlinePort>> InlinePort::of_fake(uint16_t id, const std::string& name, uint16_t tx_queues,
                                                              std::unique_ptr<FakeInline> fake) {
  std::unique_ptr<InlinePort> port(new InlinePort(id, name, tx_queues, fake->context()));
  port->fake_ = std::move(fake);
  if (auto made = port->make_pool(); !made) return base::Error{made.error()};
  return port;
}

base::Result<void> InlinePort::make_pool() {
  const rte_security_capability* out = capability_of(context_, Direction::kOutbound);
  wants_metadata_ = out != nullptr && (out->ol_flags & RTE_SECURITY_TX_OLOAD_NEED_MDATA) != 0;
  const auto size = static_cast<unsigned>(sizeof(rte_security_session)) + rte_security_session_get_size(context_);
  static std::atomic<uint32_t> serial{0};
  const std::string pool = "esp_nic_" + std::to_string(serial++);
  sessions_ = rte_mempool_create(pool.c_str(), kMaxInlineSessions, size, 0, 0, nullptr, nullptr, nullptr, nullptr,
                                 SOCKET_ID_ANY, 0);
  if (sessions_ == nullptr)
    return base::Error{name_ + ": no memory for " + std::to_string(kMaxInlineSessions) + " keys"};
  rte_mempool_mem_iter(
      sessions_,
      [](rte_mempool*, void*, rte_mempool_memhdr* chunk, unsigned) { guard_memory(chunk->addr, chunk->len); }, nullptr);
  return {};
}

InlinePort::~InlinePort() { rte_mempool_free(sessions_); }

std::string InlinePort::lacks(const SaSpec& spec, Direction direction) const {
  const rte_security_capability* can = capability_of(context_, direction);
  if (can == nullptr) return name_ + " does not offer ESP tunnels in this direction";
  if (!is_gcm(spec.cipher)) return name_ + " is asked for AES-GCM only";
  if (!offers_gcm(*can, traits_of(spec.cipher).key_length)) return name_ + " does not offer this key or tag length";
  if (spec.esn && can->ipsec.options.esn == 0) return name_ + " does not offer extended sequence numbers";
  // The NIC checks with a high half of its own, and does not say which: what is old could pass for what is new.
  if (spec.esn && direction == Direction::kInbound)
    return name_ + " is not asked to open extended sequence numbers (extendedSequenceNumbers: false)";
  if (spec.udp_encapsulation) return name_ + " is not asked for ESP in UDP";
  const uint32_t strips =
      direction == Direction::kOutbound ? RTE_SECURITY_TX_HW_TRAILER_OFFLOAD : RTE_SECURITY_RX_HW_TRAILER_OFFLOAD;
  if ((can->ol_flags & strips) != 0) return name_ + " wants to make the trailer itself";
  return "";
}

base::Result<std::shared_ptr<const InlineSession>> InlinePort::make_session(const SaSpec& spec, Direction direction) {
  if (const std::string reason = lacks(spec, direction); !reason.empty()) return base::Error{reason};
  const CipherTraits& traits = traits_of(spec.cipher);
  rte_crypto_sym_xform transform{};
  transform.type = RTE_CRYPTO_SYM_XFORM_AEAD;
  transform.aead.op = direction == Direction::kOutbound ? RTE_CRYPTO_AEAD_OP_ENCRYPT : RTE_CRYPTO_AEAD_OP_DECRYPT;
  transform.aead.algo = RTE_CRYPTO_AEAD_AES_GCM;
  transform.aead.key = {.data = spec.key.secret().data(), .length = traits.key_length};
  transform.aead.iv = {.offset = 0, .length = kNonceLength};
  transform.aead.digest_length = kIcvLength;
  transform.aead.aad_length = aad_length(spec.esn);
  rte_security_session_conf conf{};
  conf.action_type = RTE_SECURITY_ACTION_TYPE_INLINE_CRYPTO;
  conf.protocol = RTE_SECURITY_PROTOCOL_IPSEC;
  conf.ipsec.spi = spec.spi;
  std::memcpy(&conf.ipsec.salt, spec.key.secret().data() + traits.key_length, sizeof conf.ipsec.salt);  // as it lies
  conf.ipsec.options.esn = spec.esn ? 1 : 0;
  conf.ipsec.direction = direction_of(direction);
  conf.ipsec.proto = RTE_SECURITY_IPSEC_SA_PROTO_ESP;
  conf.ipsec.mode = RTE_SECURITY_IPSEC_SA_MODE_TUNNEL;
  fill_tunnel(spec, direction, conf.ipsec.tunnel);
  conf.crypto_xform = &transform;
  void* handle = rte_security_session_create(context_, &conf, sessions_);
  explicit_bzero(&conf.ipsec.salt, sizeof conf.ipsec.salt);
  if (handle == nullptr) return base::Error{name_ + " has no room for another key, or refuses it"};
  rte_flow* rule = nullptr;
  if (direction == Direction::kInbound && fake_ == nullptr) {
    rule = steer(spec, handle);
    if (rule == nullptr) {
      free_session(handle, nullptr);
      return base::Error{name_ + " takes no rule that leads the packets to the key"};
    }
  }
  return std::make_shared<const InlineSession>(*this, spec.spi, direction, handle, rule);
}

// What arrives for this key is decrypted, and goes on by whatever spreads packets over the queues: some drivers are
// told so with an action of its own, and others do not take one.
rte_flow* InlinePort::steer(const SaSpec& spec, void* session) {
  rte_flow_item_ipv4 v4{}, v4_mask{};
  rte_flow_item_ipv6 v6{}, v6_mask{};
  rte_flow_item_esp esp{}, esp_mask{};
  std::array<rte_flow_item, 4> pattern{};
  pattern[0].type = RTE_FLOW_ITEM_TYPE_ETH;
  if (spec.local.is_v4()) {
    std::memcpy(&v4.hdr.dst_addr, &spec.local.bytes[12], 4);
    v4_mask.hdr.dst_addr = UINT32_MAX;
    pattern[1] = {.type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &v4, .last = nullptr, .mask = &v4_mask};
  } else {
    std::memcpy(v6.hdr.dst_addr, spec.local.bytes.data(), 16);
    std::memset(v6_mask.hdr.dst_addr, 0xff, 16);
    pattern[1] = {.type = RTE_FLOW_ITEM_TYPE_IPV6, .spec = &v6, .last = nullptr, .mask = &v6_mask};
  }
  esp.hdr.spi = rte_cpu_to_be_32(spec.spi);
  esp_mask.hdr.spi = UINT32_MAX;
  pattern[2] = {.type = RTE_FLOW_ITEM_TYPE_ESP, .spec = &esp, .last = nullptr, .mask = &esp_mask};
  pattern[3].type = RTE_FLOW_ITEM_TYPE_END;
  rte_flow_attr attributes{};
  attributes.ingress = 1;
  rte_flow_error error{};
  for (const auto after : {RTE_FLOW_ACTION_TYPE_PASSTHRU, RTE_FLOW_ACTION_TYPE_END}) {
    std::array<rte_flow_action, 3> actions{};
    actions[0] = {.type = RTE_FLOW_ACTION_TYPE_SECURITY, .conf = session};
    actions[1].type = after;
    actions[2].type = RTE_FLOW_ACTION_TYPE_END;
    // Not asked before: some drivers take a key already when they are asked whether they would.
    if (rte_flow* rule = rte_flow_create(id_, &attributes, pattern.data(), actions.data(), &error); rule != nullptr)
      return rule;
  }
  return nullptr;
}

bool InlinePort::set_metadata(rte_mbuf* packet, void* session, uint64_t sequence) const {
  return rte_security_set_pkt_metadata(context_, session, packet, &sequence) == 0;
}

// As with crypto devices, the pool hands sessions out on the control thread only.
void InlinePort::free_session(void* handle, rte_flow* rule) {
  rte_flow_error error{};
  if (rule != nullptr) rte_flow_destroy(id_, rule, &error);
  if (rte_security_session_destroy(context_, handle) == 0) explicit_bzero(handle, sessions_->elt_size);
}

}  // namespace penstock::crypto
