#include "engine/crypto/crypto_device.h"

#include <rte_crypto_sym.h>
#include <rte_cryptodev.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_mempool.h>

#include <array>
#include <cstring>

#include "engine/crypto/esp_job.h"

namespace penstock::crypto {

namespace {

constexpr uint16_t kQueueDepth = 2048;  // a power of two well above what one round submits, so that bursts fit
constexpr std::array kBestFirst{CryptoPath::kLookaside, CryptoPath::kCpu, CryptoPath::kSoftware};

struct Transforms {
  rte_crypto_sym_xform first{};
  rte_crypto_sym_xform second{};
};

rte_crypto_aead_algorithm aead_of(Cipher cipher) {
  return cipher == Cipher::kChaCha20Poly1305 ? RTE_CRYPTO_AEAD_CHACHA20_POLY1305 : RTE_CRYPTO_AEAD_AES_GCM;
}

void fill_aead(const SaSpec& spec, Direction direction, rte_crypto_sym_xform& x) {
  x.type = RTE_CRYPTO_SYM_XFORM_AEAD;
  x.aead.op = direction == Direction::kOutbound ? RTE_CRYPTO_AEAD_OP_ENCRYPT : RTE_CRYPTO_AEAD_OP_DECRYPT;
  x.aead.algo = aead_of(spec.cipher);
  x.aead.key.data = spec.key.secret().data();
  x.aead.key.length = traits_of(spec.cipher).key_length;
  x.aead.iv.offset = kJobIvOffset;
  x.aead.iv.length = kNonceLength;
  x.aead.digest_length = kIcvLength;
  x.aead.aad_length = aad_length(spec.esn);
}

void fill_hmac(const SaSpec& spec, Direction direction, rte_crypto_sym_xform& x) {
  x.type = RTE_CRYPTO_SYM_XFORM_AUTH;
  x.auth.op = direction == Direction::kOutbound ? RTE_CRYPTO_AUTH_OP_GENERATE : RTE_CRYPTO_AUTH_OP_VERIFY;
  x.auth.algo = RTE_CRYPTO_AUTH_SHA256_HMAC;
  x.auth.key.data = spec.integrity_key.secret().data();
  x.auth.key.length = static_cast<uint16_t>(spec.integrity_key.size());
  x.auth.digest_length = kIcvLength;
}

void fill_cbc(const SaSpec& spec, Direction direction, rte_crypto_sym_xform& x) {
  x.type = RTE_CRYPTO_SYM_XFORM_CIPHER;
  x.cipher.op = direction == Direction::kOutbound ? RTE_CRYPTO_CIPHER_OP_ENCRYPT : RTE_CRYPTO_CIPHER_OP_DECRYPT;
  x.cipher.algo = RTE_CRYPTO_CIPHER_AES_CBC;
  x.cipher.key.data = spec.key.secret().data();
  x.cipher.key.length = traits_of(spec.cipher).key_length;
  x.cipher.iv.offset = kJobIvOffset;
  x.cipher.iv.length = kCbcIvLength;
}

// RFC 4303 §3.3.2, §3.4.4: encrypt, then authenticate; authenticate, then decrypt.
void fill_transforms(const SaSpec& spec, Direction direction, Transforms& t) {
  if (traits_of(spec.cipher).aead) return fill_aead(spec, direction, t.first);
  if (spec.cipher == Cipher::kNullSha256) return fill_hmac(spec, direction, t.first);
  const bool out = direction == Direction::kOutbound;
  fill_cbc(spec, direction, out ? t.first : t.second);
  fill_hmac(spec, direction, out ? t.second : t.first);
  t.first.next = &t.second;
}

const char* missing_aead(uint8_t id, Cipher cipher, bool esn) {
  const rte_cryptodev_sym_capability_idx index{.type = RTE_CRYPTO_SYM_XFORM_AEAD, .algo = {.aead = aead_of(cipher)}};
  const auto* capability = rte_cryptodev_sym_capability_get(id, &index);
  if (capability == nullptr) return "does not offer the algorithm";
  if (rte_cryptodev_sym_capability_check_aead(capability, traits_of(cipher).key_length, kIcvLength, aad_length(esn),
                                              kNonceLength) != 0)
    return "does not offer its key, nonce or tag length";
  return nullptr;
}

const char* missing_hmac(uint8_t id) {
  const rte_cryptodev_sym_capability_idx index{.type = RTE_CRYPTO_SYM_XFORM_AUTH,
                                               .algo = {.auth = RTE_CRYPTO_AUTH_SHA256_HMAC}};
  const auto* capability = rte_cryptodev_sym_capability_get(id, &index);
  if (capability == nullptr) return "does not offer HMAC-SHA-256";
  if (rte_cryptodev_sym_capability_check_auth(capability, 32, kIcvLength, 0) != 0)
    return "does not offer HMAC-SHA-256 truncated to 128 bits";
  return nullptr;
}

const char* missing_cbc(uint8_t id, Cipher cipher) {
  const rte_cryptodev_sym_capability_idx index{.type = RTE_CRYPTO_SYM_XFORM_CIPHER,
                                               .algo = {.cipher = RTE_CRYPTO_CIPHER_AES_CBC}};
  const auto* capability = rte_cryptodev_sym_capability_get(id, &index);
  if (capability == nullptr) return "does not offer AES-CBC";
  if (rte_cryptodev_sym_capability_check_cipher(capability, traits_of(cipher).key_length, kCbcIvLength) != 0)
    return "does not offer AES-CBC with this key length";
  return nullptr;
}

// Of that name, or on the device of that name: a PCI device may be several of DPDK's. -1: none that ciphers.
int find_device(const std::string& name) {
  for (int id = 0; id < RTE_CRYPTO_MAX_DEVS; ++id) {
    if (rte_cryptodev_is_valid_dev(static_cast<uint8_t>(id)) == 0) continue;
    rte_cryptodev_info info;
    rte_cryptodev_info_get(static_cast<uint8_t>(id), &info);
    const bool named = name == rte_cryptodev_name_get(static_cast<uint8_t>(id)) ||
                       (info.device != nullptr && name == rte_dev_name(info.device));
    if (named && (info.feature_flags & RTE_CRYPTODEV_FF_SYMMETRIC_CRYPTO) != 0) return id;
  }
  return -1;
}

const char* sentence_of(DeviceFault fault) {
  switch (fault) {
    case DeviceFault::kNone:
      return "did not";
    case DeviceFault::kErrors:
      return "could not do an operation";
    case DeviceFault::kSilent:
      return "does not give back what it was given";
    case DeviceFault::kRefuses:
      return "takes nothing, though nothing is with it";
  }
  return "?";
}

}  // namespace

const char* to_string(CryptoPath path) {
  switch (path) {
    case CryptoPath::kLookaside:
      return "look-aside";
    case CryptoPath::kCpu:
      return "cpu";
    case CryptoPath::kSoftware:
      return "software";
  }
  return "?";
}

CryptoSession::~CryptoSession() {
  if (handle_ != nullptr) device_->free_session(handle_);
}

base::Result<std::unique_ptr<CryptoDevice>> CryptoDevice::open(const CryptoDeviceConfig& config) {
  const bool fake = config.name.starts_with(kFakeLookaside);
  FakeSettings settings;
  std::string plugged = config.name, arguments = config.arguments;
  if (fake) {
    auto read = read_fake_settings(config.arguments);
    if (!read) return base::Error{config.name + ": " + read.error()};
    settings = *read;
    plugged = kUnderFake + ("_" + config.name);
    arguments = "max_nb_queue_pairs=" + std::to_string(config.queue_pairs);
  }
  if (find_device(plugged) >= 0) return base::Error{config.name + ": is in use already"};
  const int failed = rte_dev_probe((plugged + (arguments.empty() ? "" : "," + arguments)).c_str());
  if (failed != 0)
    return base::Error{config.name + ": cannot be opened: no such device, no permission, or wrong arguments (" +
                       rte_strerror(-failed) + ")"};
  const int id = find_device(plugged);
  if (id < 0) return base::Error{config.name + ": is no crypto device with symmetric ciphers"};
  std::unique_ptr<CryptoDevice> device(new CryptoDevice(config.name, static_cast<uint8_t>(id)));
  if (auto started = device->start(config); !started.ok()) return base::Error{config.name + ": " + started.error()};
  if (fake) {
    device->features_ &= ~static_cast<uint64_t>(RTE_CRYPTODEV_FF_SYM_CPU_CRYPTO);
    device->features_ |= RTE_CRYPTODEV_FF_HW_ACCELERATED;
    device->fake_ = std::make_unique<FakeLookaside>(device->id_, config.queue_pairs, settings);
  }
  return device;
}

base::Result<void> CryptoDevice::start(const CryptoDeviceConfig& config) {
  rte_cryptodev_info info;
  rte_cryptodev_info_get(id_, &info);
  features_ = info.feature_flags;
  if (config.use == CryptoUse::kQueues) features_ &= ~static_cast<uint64_t>(RTE_CRYPTODEV_FF_SYM_CPU_CRYPTO);
  if (info.max_nb_queue_pairs != 0 && config.queue_pairs > info.max_nb_queue_pairs)
    return base::Error{"has " + std::to_string(info.max_nb_queue_pairs) + " queue pairs, one per worker is needed"};
  const std::string pool = "esp_key_" + std::to_string(id_);
  sessions_ = rte_cryptodev_sym_session_pool_create(
      pool.c_str(), config.max_sessions, rte_cryptodev_sym_get_private_session_size(id_), 0, 0, config.socket);
  if (sessions_ == nullptr) return base::Error{"no memory for " + std::to_string(config.max_sessions) + " sessions"};
  rte_mempool_mem_iter(
      sessions_,
      [](rte_mempool*, void* locked, rte_mempool_memhdr* chunk, unsigned) {
        if (!guard_memory(chunk->addr, chunk->len)) *static_cast<bool*>(locked) = false;
      },
      &keys_locked_);
  rte_cryptodev_config device{.socket_id = config.socket, .nb_queue_pairs = config.queue_pairs, .ff_disable = 0};
  device.ff_disable = RTE_CRYPTODEV_FF_ASYMMETRIC_CRYPTO & features_;
  if (rte_cryptodev_configure(id_, &device) != 0) return base::Error{"refuses its configuration"};
  const rte_cryptodev_qp_conf queue{.nb_descriptors = kQueueDepth, .mp_session = sessions_};
  for (uint16_t i = 0; i < config.queue_pairs; ++i)
    if (rte_cryptodev_queue_pair_setup(id_, i, &queue, config.socket) != 0)
      return base::Error{"refuses queue pair " + std::to_string(i)};
  if (rte_cryptodev_start(id_) != 0) return base::Error{"does not start"};
  started_ = true;
  return {};
}

void CryptoDevice::stop() {
  if (!std::exchange(started_, false)) return;
  fake_.reset();
  rte_cryptodev_stop(id_);
}

CryptoDevice::~CryptoDevice() {
  stop();
  rte_cryptodev_info info;
  rte_cryptodev_info_get(id_, &info);
  rte_cryptodev_close(id_);
  rte_dev_remove(info.device);
  rte_mempool_free(sessions_);
}

void CryptoDevice::fail(DeviceFault fault) {
  DeviceFault up = DeviceFault::kNone;
  fault_.compare_exchange_strong(up, fault, std::memory_order_relaxed);
}

std::string CryptoDevice::why_failed() const { return name_ + " failed: " + sentence_of(fault()); }

bool CryptoDevice::offers(CryptoPath path) const {
  const bool hardware = (features_ & RTE_CRYPTODEV_FF_HW_ACCELERATED) != 0;
  switch (path) {
    case CryptoPath::kLookaside:
      return hardware;
    case CryptoPath::kCpu:
      return (features_ & RTE_CRYPTODEV_FF_SYM_CPU_CRYPTO) != 0;
    case CryptoPath::kSoftware:
      return !hardware;
  }
  return false;
}

std::string CryptoDevice::lacks(Cipher cipher, bool esn) const {
  const char* reason = nullptr;
  if (traits_of(cipher).aead) {
    reason = missing_aead(id_, cipher, esn);
  } else {
    reason = missing_hmac(id_);
    if (reason == nullptr && cipher != Cipher::kNullSha256) reason = missing_cbc(id_, cipher);
  }
  return reason == nullptr ? "" : name_ + " " + reason;
}

base::Result<CryptoSession> CryptoDevice::make_session(const SaSpec& spec, Direction direction, CryptoPath path) {
  if (!offers(path)) return base::Error{name_ + " has no path " + to_string(path)};
  if (const std::string reason = lacks(spec.cipher, spec.esn); !reason.empty()) return base::Error{reason};
  Transforms transforms;
  fill_transforms(spec, direction, transforms);
  void* handle = rte_cryptodev_sym_session_create(id_, &transforms.first, sessions_);
  if (handle == nullptr) return base::Error{name_ + " has no room for another session, or refuses it"};
  return CryptoSession(this, handle, path);
}

// The pool hands sessions out on the control thread only: nobody can have taken this one again before it is wiped.
void CryptoDevice::free_session(void* handle) {
  rte_cryptodev_sym_session_free(id_, handle);
  explicit_bzero(handle, sessions_->elt_size);
}

namespace {

// The same key on the CPU, for the day that the device fails. None: then its packets are dropped.
CryptoSession make_standby(std::span<CryptoDevice* const> devices, const SaSpec& spec, Direction direction) {
  for (const CryptoPath path : {CryptoPath::kCpu, CryptoPath::kSoftware})
    for (CryptoDevice* device : devices)
      if (auto session = device->make_session(spec, direction, path); session.ok()) return std::move(*session);
  return {};
}

}  // namespace

base::Result<ChosenSession> choose_session(std::span<CryptoDevice* const> devices, const SaSpec& spec,
                                           Direction direction) {
  std::string reasons;
  const auto because = [&reasons](const std::string& reason) { reasons += (reasons.empty() ? "" : "; ") + reason; };
  for (const CryptoPath path : kBestFirst) {
    bool any = false;
    for (CryptoDevice* device : devices) {
      if (!device->offers(path)) continue;
      any = true;
      if (device->failed()) {
        because(std::string(to_string(path)) + ": " + device->why_failed());
        continue;
      }
      auto session = device->make_session(spec, direction, path);
      if (!session.ok()) {
        because(std::string(to_string(path)) + ": " + session.error());
        continue;
      }
      ChosenSession chosen{.session = std::move(*session), .why_not_better = reasons};
      if (path == CryptoPath::kLookaside) chosen.standby = make_standby(devices, spec, direction);
      return chosen;
    }
    if (!any) because(std::string(to_string(path)) + ": no such device");
  }
  return base::Error{std::string("no crypto device for ") + traits_of(spec.cipher).name + ": " + reasons};
}

}  // namespace penstock::crypto
