// One DPDK crypto device and the sessions (expanded keys) on it: opened by the control thread, then used by every
// worker on a queue pair of its own.
//
// Paths, best first: look-aside (a device with hardware), CPU (a software device that works synchronously on the
// calling core, rte_cryptodev_sym_cpu_crypto_process), software (the same or another software device through its
// queues). choose_session() takes the best that offers the cipher and says in words why none of the better ones does;
// beside a session on hardware it makes one on the CPU, which stands by.
// A device that fails its packets (esp_lane.h says when) is marked by whoever sees it first, once and for good: nobody
// gives it anything more, and nothing that it still gives back is believed.
//
//     up ── fail(kErrors | kSilent | kRefuses) ──> failed
//
// Memory: a device owns its session pool, which is locked, left out of core dumps, and wiped session by session; it
// must outlive its sessions. Threads: open, make and free sessions on the control thread only; fail(), fault() on any.
// Failure: an Error that names the device. Does not: carry packets (esp_lane.h), do inline ESP (inline_port.h), or
// choose keys.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"
#include "engine/crypto/fake_lookaside.h"
#include "engine/crypto/sa_spec.h"

struct rte_mempool;

namespace penstock::crypto {

enum class CryptoPath : uint8_t { kLookaside, kCpu, kSoftware };
const char* to_string(CryptoPath path);  // "look-aside"

enum class Direction : uint8_t { kOutbound, kInbound };

// How the operations on a packet are laid out, the same for every path (esp_job.h fills it in).
constexpr size_t kNonceLength = 12;  // AEAD: salt, explicit IV
constexpr size_t kCbcIvLength = 16;

class CryptoDevice;

// What a packet needs to know of a session: somebody else's.
class SessionView {
 public:
  SessionView() = default;
  SessionView(CryptoDevice* device, void* handle, CryptoPath path) : device_(device), handle_(handle), path_(path) {}
  CryptoDevice* device() const { return device_; }
  void* handle() const { return handle_; }
  CryptoPath path() const { return path_; }

 private:
  CryptoDevice* device_ = nullptr;
  void* handle_ = nullptr;
  CryptoPath path_ = CryptoPath::kCpu;
};

// An expanded key on one device. Moves; frees and wipes itself.
class CryptoSession {
 public:
  CryptoSession() = default;
  CryptoSession(CryptoDevice* device, void* handle, CryptoPath path) : device_(device), handle_(handle), path_(path) {}
  ~CryptoSession();
  CryptoSession(CryptoSession&& other) noexcept { swap(other); }
  CryptoSession& operator=(CryptoSession&& other) noexcept {
    swap(other);
    return *this;
  }
  CryptoSession(const CryptoSession&) = delete;
  CryptoSession& operator=(const CryptoSession&) = delete;

  bool empty() const { return handle_ == nullptr; }
  SessionView view() const { return {device_, handle_, path_}; }
  CryptoDevice* device() const { return device_; }
  void* handle() const { return handle_; }
  CryptoPath path() const { return path_; }

 private:
  void swap(CryptoSession& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(handle_, other.handle_);
    std::swap(path_, other.path_);
  }

  CryptoDevice* device_ = nullptr;
  void* handle_ = nullptr;
  CryptoPath path_ = CryptoPath::kCpu;
};

enum class CryptoUse : uint8_t {
  kAny,     // the best path that the device offers
  kQueues,  // its queues only, as with hardware: to measure and to test them
};

// Why a device is used no more.
enum class DeviceFault : uint8_t { kNone, kErrors, kSilent, kRefuses };

struct CryptoDeviceConfig {
  // "crypto_aesni_gcm0", a PCI address: plugged, so nobody may have done that; kFakeLookaside and more: our own.
  std::string name;
  std::string arguments;
  uint16_t queue_pairs = 1;     // one per worker
  uint32_t max_sessions = 256;  // SAs of all workers, both directions, twice during a rekey
  int socket = 0;
  CryptoUse use = CryptoUse::kAny;
};

class CryptoDevice {
 public:
  static base::Result<std::unique_ptr<CryptoDevice>> open(const CryptoDeviceConfig& config);
  ~CryptoDevice();
  CryptoDevice(const CryptoDevice&) = delete;
  CryptoDevice& operator=(const CryptoDevice&) = delete;
  // Once no queue is used any more: from then on it touches no packet. Its sessions may still be freed.
  void stop();

  const std::string& name() const { return name_; }
  uint8_t id() const { return id_; }
  bool offers(CryptoPath path) const;
  // Empty when the device can do this cipher for ESP; else the reason.
  std::string lacks(Cipher cipher, bool esn) const;
  base::Result<CryptoSession> make_session(const SaSpec& spec, Direction direction, CryptoPath path);
  bool keys_locked() const { return keys_locked_; }  // false: RLIMIT_MEMLOCK is too low for the session pool

  // Any thread.
  bool failed() const { return fault() != DeviceFault::kNone; }
  DeviceFault fault() const { return fault_.load(std::memory_order_relaxed); }
  void fail(DeviceFault fault);    // the first one stays
  std::string why_failed() const;  // "qat0 failed: ..."

  FakeLookaside* fake() { return fake_.get(); }  // null: it is real

 private:
  friend class CryptoSession;
  CryptoDevice(std::string name, uint8_t id) : name_(std::move(name)), id_(id) {}
  base::Result<void> start(const CryptoDeviceConfig& config);
  void free_session(void* handle);

  std::string name_;
  uint8_t id_;
  std::atomic<DeviceFault> fault_{DeviceFault::kNone};
  uint64_t features_ = 0;
  bool started_ = false;
  bool keys_locked_ = true;
  rte_mempool* sessions_ = nullptr;
  std::unique_ptr<FakeLookaside> fake_;
};

struct ChosenSession {
  CryptoSession session;
  CryptoSession standby;       // on a device that cannot fail, where that of `session` can; else empty
  std::string why_not_better;  // "" on the best path; else one reason per better path or device, separated by "; "
};
base::Result<ChosenSession> choose_session(std::span<CryptoDevice* const> devices, const SaSpec& spec,
                                           Direction direction);

}  // namespace penstock::crypto
