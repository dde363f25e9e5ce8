// Kind Peer.
#include "control/api/translate_kinds.h"

namespace penstock::api {

namespace {

template <typename T>
constexpr Choice<T> named(T value) {
  return {model::to_string(value), value};
}
using Cipher = model::PeerCipher;
constexpr Choice<Cipher> kCiphers[] = {named(Cipher::kAesGcm128), named(Cipher::kAesGcm256),
                                       named(Cipher::kChaCha20Poly1305), named(Cipher::kAesCbc128Sha256),
                                       named(Cipher::kAesCbc256Sha256)};
constexpr Choice<model::Encapsulation> kEncapsulations[] = {named(model::Encapsulation::kEsp),
                                                            named(model::Encapsulation::kUdp)};

void read_lifetime(const Path& path, const v1alpha1::Lifetime& message, model::Lifetime& lifetime, Fields& fields) {
  if (message.has_time()) fields.seconds({&path, "time"}, message.time(), lifetime.seconds);
  lifetime.packets = message.packets();
  lifetime.bytes = message.bytes();
}

void write_lifetime(const model::Lifetime& lifetime, v1alpha1::PeerSpec& spec) {
  const model::Lifetime defaults;
  if (lifetime.seconds != defaults.seconds) spec.mutable_lifetime()->set_time(seconds_text(lifetime.seconds));
  if (lifetime.packets != 0) spec.mutable_lifetime()->set_packets(lifetime.packets);
  if (lifetime.bytes != 0) spec.mutable_lifetime()->set_bytes(lifetime.bytes);
}

}  // namespace

void to_model(const v1alpha1::Peer& message, model::Peer& object, Fields& fields) {
  const v1alpha1::PeerSpec& spec = message.spec();
  const Path path{nullptr, "spec"};
  fields.address({&path, "address"}, spec.address(), object.address);
  if (spec.has_local_address()) fields.address({&path, "localAddress"}, spec.local_address(), object.local.emplace());
  fields.prefixes(path, "prefixes", spec.prefixes(), object.prefixes);
  if (spec.has_encryption()) fields.choice({&path, "encryption"}, spec.encryption(), kEncryptions, object.encryption);
  if (spec.has_cipher()) fields.choice({&path, "cipher"}, spec.cipher(), kCiphers, object.cipher);
  if (spec.has_encapsulation())
    fields.choice({&path, "encapsulation"}, spec.encapsulation(), kEncapsulations, object.encapsulation);
  if (spec.has_extended_sequence_numbers()) object.extended_sequence = spec.extended_sequence_numbers();
  if (spec.has_replay_window()) object.replay_window = spec.replay_window();
  fields.number({&path, "pathMtu"}, spec.path_mtu(), object.path_mtu);
  object.priority = spec.priority();
  if (spec.has_weight()) fields.number({&path, "weight"}, spec.weight(), object.weight);
  object.identities = spec.identities();
  object.static_identities.reserve(static_cast<size_t>(spec.static_identities_size()));
  for (int i = 0; i < spec.static_identities_size(); ++i) {
    const Path at{&path, "staticIdentities", i};
    auto& out = object.static_identities.emplace_back();
    fields.number({&at, "number"}, spec.static_identities(i).number(), out.number);
    out.identity = spec.static_identities(i).identity();
  }
  object.key_file = spec.static_keys().file();
  if (!spec.identity().empty()) fields.spiffe_id({&path, "identity"}, spec.identity(), object.identity);
  if (!spec.link().empty()) fields.link_address({&path, "link"}, spec.link(), object.link.emplace());
  read_lifetime({&path, "lifetime"}, spec.lifetime(), object.lifetime, fields);
  fields.addresses(path, "addresses", spec.addresses(), object.more);
  if (spec.has_liveness()) {
    const Path liveness{&path, "liveness"};
    model::PeerLiveness& to = object.liveness.emplace();
    if (spec.liveness().has_interval())
      fields.milliseconds({&liveness, "interval"}, spec.liveness().interval(), to.interval_milliseconds);
    if (spec.liveness().has_misses()) to.misses = spec.liveness().misses();
    if (spec.liveness().has_search_path_mtu()) to.search_path_mtu = spec.liveness().search_path_mtu();
  }
}

void to_message(const model::Peer& object, v1alpha1::Peer& message) {
  const model::Peer defaults;
  v1alpha1::PeerSpec& spec = *message.mutable_spec();
  spec.set_address(object.address.to_string());
  if (object.local) spec.set_local_address(object.local->to_string());
  for (const base::Prefix& prefix : object.prefixes) spec.add_prefixes(prefix.to_string());
  if (object.encryption != defaults.encryption) spec.set_encryption(name_of(object.encryption, kEncryptions));
  if (object.cipher != defaults.cipher) spec.set_cipher(name_of(object.cipher, kCiphers));
  if (object.encapsulation != defaults.encapsulation)
    spec.set_encapsulation(name_of(object.encapsulation, kEncapsulations));
  if (!object.extended_sequence) spec.set_extended_sequence_numbers(false);
  if (object.replay_window != defaults.replay_window) spec.set_replay_window(object.replay_window);
  if (object.path_mtu != 0) spec.set_path_mtu(object.path_mtu);
  if (object.priority != 0) spec.set_priority(object.priority);
  if (object.weight != defaults.weight) spec.set_weight(object.weight);
  if (object.identities) spec.set_identities(true);
  for (const model::PeerIdentity& each : object.static_identities) {
    auto& out = *spec.add_static_identities();
    out.set_number(each.number);
    out.set_identity(each.identity);
  }
  if (!object.key_file.empty()) spec.mutable_static_keys()->set_file(object.key_file);
  spec.set_identity(object.identity);
  if (object.link) spec.set_link(object.link->to_string());
  write_lifetime(object.lifetime, spec);
  for (const base::IpAddress& address : object.more) spec.add_addresses(address.to_string());
  if (object.liveness) {
    v1alpha1::PeerLiveness& liveness = *spec.mutable_liveness();
    const model::PeerLiveness usual;
    if (object.liveness->interval_milliseconds != usual.interval_milliseconds)
      liveness.set_interval(milliseconds_text(object.liveness->interval_milliseconds));
    if (object.liveness->misses != usual.misses) liveness.set_misses(object.liveness->misses);
    if (!object.liveness->search_path_mtu) liveness.set_search_path_mtu(false);
  }
}

base::Result<model::PeerCipher> cipher_named(std::string_view name) {
  for (const auto& each : kCiphers)
    if (name == each.name) return each.value;
  return base::Error{"cipher: " + Fields::quoted(name) + " is none that is known here"};
}

base::Result<model::Encapsulation> encapsulation_named(std::string_view name) {
  for (const auto& each : kEncapsulations)
    if (name == each.name) return each.value;
  return base::Error{"encapsulation: " + Fields::quoted(name) + " is none that is known here"};
}

}  // namespace penstock::api
