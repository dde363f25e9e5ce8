#include "engine/crypto/esp_lane.h"

#include <rte_cryptodev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>

#include "engine/crypto/esp_in.h"
#include "engine/crypto/esp_out.h"

namespace penstock::crypto {

namespace {

constexpr uint32_t kPoolCache = 128;  // two bursts, so that most operations come from the worker's own cache

constexpr int32_t kNotDone = -1;      // a job that the device forgot is no good one
constexpr size_t kSasAhead = 4;       // packets: far enough for the L3 cache, near enough to be still in L1
constexpr size_t kSessionsAhead = 2;  // groups
constexpr size_t kSessionLines = 8;   // header and round keys; fetching all of it costs more than it saves

template <Direction kDirection>
void prefetch_sa(const Sa* sa) {
  const auto* line = reinterpret_cast<const uint8_t*>(sa);
  for (size_t i = 0; i < (kDirection == Direction::kOutbound ? kHotLinesOut : kHotLinesIn); ++i)
    __builtin_prefetch(line + i * kCacheLine, 1);
}

void prefetch_session(const Sa& sa) {
  const auto* line = static_cast<const uint8_t*>(sa.session().handle());
  for (size_t i = 0; i < kSessionLines; ++i) __builtin_prefetch(line + i * kCacheLine);
}

EspJob& job_of(rte_crypto_op* op) { return *rte_crypto_op_ctod_offset(op, EspJob*, kJobAt); }

EspVerdict prepare(EspPacket& p, base::Nanos now, EspJob& job, Direction direction) {
  return direction == Direction::kOutbound
             ? prepare_out(*static_cast<OutboundSa*>(p.sa), p.packet, p.identity, now, job)
             : prepare_in(*static_cast<InboundSa*>(p.sa), p.packet, p.place, now, job);
}

void undo(EspPacket& p, const EspJob& job) {
  if (p.sa->direction() == Direction::kOutbound) return undo_out(*static_cast<OutboundSa*>(p.sa), p.packet);
  undo_in(*static_cast<InboundSa*>(p.sa), p.packet, job);
}

// Of a synchronous call (rte_crypto_sym_vec), and of an operation.
JobEnd end_of(int32_t status) {
  if (status == 0) return JobEnd::kGood;
  return status == EBADMSG ? JobEnd::kForged : JobEnd::kFailed;
}
JobEnd end_of(rte_crypto_op_status status) {
  if (status == RTE_CRYPTO_OP_STATUS_SUCCESS) return JobEnd::kGood;
  return status == RTE_CRYPTO_OP_STATUS_AUTH_FAILED ? JobEnd::kForged : JobEnd::kFailed;
}

// Which bytes of a non-AEAD job are enciphered; the rest is only authenticated. Outbound the IV is enciphered too
// (esp_out.h); the high half of an extended sequence number, last, never is.
rte_crypto_sym_ofs offsets_of(const Sa& sa) {
  rte_crypto_sym_ofs offsets{.raw = 0};
  if (sa.traits().aead || sa.cipher() == Cipher::kNullSha256) return offsets;
  offsets.ofs.cipher.head = kEspHeaderLength;
  if (sa.direction() == Direction::kInbound)
    offsets.ofs.cipher.head = static_cast<uint16_t>(offsets.ofs.cipher.head + sa.traits().iv_length);
  offsets.ofs.cipher.tail = sa.esn() ? 4 : 0;
  return offsets;
}

// The operation's description of the job it carries.
void describe(rte_crypto_op* op, const EspJob& job) {
  const Sa& sa = *job.packet.sa;
  rte_mbuf* packet = job.packet.packet;
  rte_crypto_sym_op* sym = op->sym;
  const auto iova_of = [op](size_t member) { return op->phys_addr + kJobAt + member; };
  const auto at = static_cast<uint32_t>(job.data - rte_pktmbuf_mtod(packet, uint8_t*));
  auto* writable = &job_of(op);
  sym->m_src = packet;
  sym->m_dst = nullptr;
  rte_crypto_op_attach_sym_session(op, sa.session().handle());
  if (sa.traits().aead) {
    sym->aead.data.offset = at;
    sym->aead.data.length = job.length;
    sym->aead.digest = {.data = writable->tag, .phys_addr = iova_of(offsetof(EspJob, tag))};
    sym->aead.aad = {.data = writable->aad, .phys_addr = iova_of(offsetof(EspJob, aad))};
    return;
  }
  const rte_crypto_sym_ofs offsets = offsets_of(sa);
  sym->cipher.data.offset = at + offsets.ofs.cipher.head;
  sym->cipher.data.length = job.length - offsets.ofs.cipher.head - offsets.ofs.cipher.tail;
  sym->auth.data.offset = at;
  sym->auth.data.length = job.length;
  sym->auth.digest = {.data = writable->tag, .phys_addr = iova_of(offsetof(EspJob, tag))};
}

}  // namespace

base::Result<std::unique_ptr<EspLane>> EspLane::make(const LaneConfig& config, std::span<CryptoDevice* const> devices) {
  if (devices.empty() || devices.size() > kMaxDevices)
    return base::Error{"crypto: a worker has 1 to " + std::to_string(kMaxDevices) + " crypto devices"};
  static std::atomic<uint32_t> serial{0};
  std::unique_ptr<EspLane> lane(new EspLane);
  lane->devices_.assign(devices.begin(), devices.end());
  lane->queue_pair_ = config.queue_pair;
  const std::string name = "esp_ops_" + std::to_string(serial++);
  lane->operations_ = rte_crypto_op_pool_create(name.c_str(), RTE_CRYPTO_OP_TYPE_SYMMETRIC, config.capacity, kPoolCache,
                                                sizeof(EspJob), config.socket);
  if (lane->operations_ == nullptr)
    return base::Error{"crypto: no memory for " + std::to_string(config.capacity) + " operations"};
  return lane;
}

EspLane::~EspLane() { rte_mempool_free(operations_); }

void EspLane::encrypt(std::span<EspPacket> burst, base::Nanos now) { run<Direction::kOutbound>(burst, now); }
void EspLane::decrypt(std::span<EspPacket> burst, base::Nanos now) { run<Direction::kInbound>(burst, now); }

template <Direction kDirection>
void EspLane::run(std::span<EspPacket> whole, base::Nanos now) {
  for (size_t start = 0; start < whole.size(); start += kLaneBurst) {
    const auto burst = whole.subspan(start, std::min(kLaneBurst, whole.size() - start));
    op_count_ = 0;
    groups_ = 0;
    for (size_t i = 0; i < std::min(kSasAhead, burst.size()); ++i) prefetch_sa<kDirection>(burst[i].sa);
    for (size_t i = 0; i < burst.size(); ++i) {
      if (i + kSasAhead < burst.size()) prefetch_sa<kDirection>(burst[i + kSasAhead].sa);
      EspPacket& p = burst[i];
      const uint32_t length = p.packet->pkt_len;
      if (p.sa->session().path() == CryptoPath::kCpu) {
        p.verdict = prepare(p, now, jobs_[i], kDirection);
        if (p.verdict == EspVerdict::done) {
          join_group(burst, static_cast<uint8_t>(i));
          continue;
        }
      } else if (prepare_op(p, now, kDirection)) {
        op_packets_[op_count_ - 1] = static_cast<uint8_t>(i);
        continue;
      }
      p.sa->count(p.verdict, length);
    }
    run_groups(burst);
    enqueue(burst);
  }
}

// An SA remembers its group; that this is of the present burst shows in the group's first packet.
void EspLane::join_group(std::span<EspPacket> burst, uint8_t index) {
  Sa& sa = *burst[index].sa;
  uint8_t group = sa.group();
  next_[index] = index;
  if (group < groups_ && burst[group_first_[group]].sa == &sa) {
    next_[group_last_[group]] = index;
  } else {
    group = static_cast<uint8_t>(groups_++);
    sa.set_group(group);
    group_first_[group] = index;
  }
  group_last_[group] = index;
}

void EspLane::run_groups(std::span<EspPacket> burst) {
  for (size_t g = 0; g < std::min(kSessionsAhead, groups_); ++g) prefetch_session(*burst[group_first_[g]].sa);
  for (size_t g = 0; g < groups_; ++g) {
    if (g + kSessionsAhead < groups_) prefetch_session(*burst[group_first_[g + kSessionsAhead]].sa);
    run_group(burst, group_first_[g]);
  }
}

// All packets of the burst that share the session of `first`, in their order, in one call.
void EspLane::run_group(std::span<EspPacket> burst, uint8_t first) {
  const Sa& sa = *burst[first].sa;
  uint32_t count = 0;
  for (uint8_t i = first;; i = next_[i]) {
    EspJob& job = jobs_[i];
    members_[count] = i;
    data_[count] = {.base = job.data, .iova = 0, .len = job.length, .tot_len = job.length};
    lists_[count] = {.vec = &data_[count], .num = 1};
    ivs_[count].va = job.iv;
    aads_[count].va = job.aad;
    tags_[count].va = job.tag;
    statuses_[count] = kNotDone;
    ++count;
    if (next_[i] == i) break;
  }
  rte_crypto_sym_vec vector{.num = count,
                            .src_sgl = lists_.data(),
                            .dest_sgl = nullptr,
                            .iv = ivs_.data(),
                            .digest = tags_.data(),
                            .aad = aads_.data(),
                            .status = statuses_.data()};
  rte_cryptodev_sym_cpu_crypto_process(sa.session().device()->id(), sa.session().handle(), offsets_of(sa), &vector);
  for (uint32_t k = 0; k < count; ++k) settle(burst[members_[k]], jobs_[members_[k]], end_of(statuses_[k]));
}

// False: refused, and the verdict says why.
bool EspLane::prepare_op(EspPacket& p, base::Nanos now, Direction direction) {
  rte_crypto_op* op = rte_crypto_op_alloc(operations_, RTE_CRYPTO_OP_TYPE_SYMMETRIC);
  if (op == nullptr) {
    p.verdict = EspVerdict::device_full;
    return false;
  }
  EspJob& job = job_of(op);
  p.verdict = prepare(p, now, job, direction);
  if (p.verdict != EspVerdict::done) {
    rte_crypto_op_free(op);
    return false;
  }
  job.packet = p;
  describe(op, job);
  ops_[op_count_++] = op;
  return true;
}

// Runs of operations for the same device go in one call. What a device does not take is refused.
void EspLane::enqueue(std::span<EspPacket> burst) {
  for (size_t start = 0; start < op_count_;) {
    const CryptoDevice* device = burst[op_packets_[start]].sa->session().device();
    size_t end = start + 1;
    while (end < op_count_ && burst[op_packets_[end]].sa->session().device() == device) ++end;
    const size_t taken =
        rte_cryptodev_enqueue_burst(device->id(), queue_pair_, &ops_[start], static_cast<uint16_t>(end - start));
    for (size_t i = start; i < end; ++i) {
      EspPacket& p = burst[op_packets_[i]];
      if (i - start < taken) {
        p.verdict = EspVerdict::in_flight;
        p.sa->take_off();
        ++in_flight_;
      } else {
        p.verdict = EspVerdict::device_full;
        undo(p, job_of(ops_[i]));
        p.sa->count(p.verdict, p.packet->pkt_len);
        rte_crypto_op_free(ops_[i]);
      }
    }
    start = end;
  }
}

void EspLane::settle(EspPacket& p, const EspJob& job, JobEnd end) {
  const uint32_t length = p.packet->pkt_len;
  p.verdict = p.sa->direction() == Direction::kOutbound
                  ? finish_out(*static_cast<OutboundSa*>(p.sa), p.packet, job, end)
                  : finish_in(*static_cast<InboundSa*>(p.sa), job, end, p);
  p.sa->count(p.verdict, length);
}

size_t EspLane::collect(std::span<EspPacket> out) {
  size_t filled = 0;
  for (CryptoDevice* device : devices_) {
    if (in_flight_ == 0) break;
    std::array<rte_crypto_op*, kLaneBurst> done;
    while (filled < out.size() && in_flight_ > 0) {
      const auto room = static_cast<uint16_t>(std::min(kLaneBurst, out.size() - filled));
      const uint16_t n = rte_cryptodev_dequeue_burst(device->id(), queue_pair_, done.data(), room);
      for (uint16_t i = 0; i < n; ++i) {
        const EspJob& job = job_of(done[i]);
        EspPacket& p = out[filled++];
        p = job.packet;
        settle(p, job, end_of(static_cast<rte_crypto_op_status>(done[i]->status)));
        p.sa->land();  // from here on the control thread may free it
      }
      in_flight_ -= n;
      rte_mempool_put_bulk(operations_, reinterpret_cast<void**>(done.data()), n);
      if (n < room) break;
    }
  }
  return filled;
}

}  // namespace penstock::crypto
