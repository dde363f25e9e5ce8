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
  for (CryptoDevice* device : devices) lane->queues_.push_back({.device = device});
  lane->queue_pair_ = config.queue_pair;
  // What one that failed keeps is not missing for another.
  const auto hardware = static_cast<uint32_t>(std::count_if(
      devices.begin(), devices.end(), [](const CryptoDevice* each) { return each->offers(CryptoPath::kLookaside); }));
  const uint32_t operations = config.capacity * std::max(1u, hardware);
  const std::string name = "esp_ops_" + std::to_string(serial++);
  lane->operations_ = rte_crypto_op_pool_create(name.c_str(), RTE_CRYPTO_OP_TYPE_SYMMETRIC, operations, kPoolCache,
                                                sizeof(EspJob), config.socket);
  if (lane->operations_ == nullptr)
    return base::Error{"crypto: no memory for " + std::to_string(operations) + " operations"};
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
    again_count_ = 0;
    notice_failures();
    groups_ = 0;
    for (size_t i = 0; i < std::min(kSasAhead, burst.size()); ++i) prefetch_sa<kDirection>(burst[i].sa);
    for (size_t i = 0; i < burst.size(); ++i) {
      if (i + kSasAhead < burst.size()) prefetch_sa<kDirection>(burst[i + kSasAhead].sa);
      EspPacket& p = burst[i];
      const uint32_t length = p.packet->pkt_len;
      if (p.sa->session().path() == CryptoPath::kCpu || falls_back(*p.sa)) {
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
    enqueue(burst, now);
    if (again_count_ == 0) continue;
    const std::array<uint8_t, kLaneBurst> again = again_;
    for (size_t i = 0, count = again_count_; i < count; ++i) run<kDirection>(burst.subspan(again[i], 1), now);
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

// What another worker saw. Once for a burst: within it an SA does not change devices.
void EspLane::notice_failures() {
  for (Queue& queue : queues_)
    if (!queue.given_up && queue.device->failed()) give_up(queue);
}

// The device of the SA failed, and the CPU does its packets from now on.
bool EspLane::falls_back(Sa& sa) {
  if (!queue_of(sa.session().device()).given_up) return false;
  sa.fall_back();
  return sa.session().path() == CryptoPath::kCpu;
}

// False: refused, and the verdict says why.
bool EspLane::prepare_op(EspPacket& p, base::Nanos now, Direction direction) {
  if (queue_of(p.sa->session().device()).given_up) {
    p.verdict = EspVerdict::device_failed;
    return false;
  }
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

EspLane::Queue& EspLane::queue_of(const CryptoDevice* device) {
  size_t i = 0;
  while (i + 1 < queues_.size() && queues_[i].device != device) ++i;
  return queues_[i];
}

// Runs of operations for the same device go in one call.
void EspLane::enqueue(std::span<EspPacket> burst, base::Nanos now) {
  for (size_t start = 0; start < op_count_;) {
    Queue& queue = queue_of(burst[op_packets_[start]].sa->session().device());
    size_t end = start + 1;
    while (end < op_count_ && burst[op_packets_[end]].sa->session().device() == queue.device) ++end;
    // Given up by an earlier run of this burst: nothing goes there any more.
    const size_t taken = queue.given_up ? 0
                                        : rte_cryptodev_enqueue_burst(queue.device->id(), queue_pair_, &ops_[start],
                                                                      static_cast<uint16_t>(end - start));
    if (queue.in_flight == 0) {
      queue.looked = now;
      queue.waited = 0;
      if (taken == 0 && !queue.given_up) condemn(queue, DeviceFault::kRefuses);
    }
    for (size_t i = start; i < start + taken; ++i) {
      EspPacket& p = burst[op_packets_[i]];
      p.verdict = EspVerdict::in_flight;
      p.sa->take_off();
    }
    queue.in_flight += static_cast<uint32_t>(taken);
    in_flight_ += static_cast<uint32_t>(taken);
    refuse(queue, burst, start + taken, end);
    start = end;
  }
}

// What a device did not take is as it was. Of one that failed it goes on elsewhere, behind nothing that is in flight.
void EspLane::refuse(const Queue& queue, std::span<EspPacket> burst, size_t first, size_t end) {
  for (size_t i = first; i < end; ++i) {
    EspPacket& p = burst[op_packets_[i]];
    undo(p, job_of(ops_[i]));
    rte_crypto_op_free(ops_[i]);
    if (queue.given_up) {
      again_[again_count_++] = op_packets_[i];
      continue;
    }
    p.verdict = EspVerdict::device_full;
    p.sa->count(p.verdict, p.packet->pkt_len);
  }
}

void EspLane::settle(EspPacket& p, const EspJob& job, JobEnd end) {
  const uint32_t length = p.packet->pkt_len;
  p.verdict = p.sa->direction() == Direction::kOutbound
                  ? finish_out(*static_cast<OutboundSa*>(p.sa), p.packet, job, end)
                  : finish_in(*static_cast<InboundSa*>(p.sa), job, end, p);
  p.sa->count(p.verdict, length);
}

size_t EspLane::collect(std::span<EspPacket> out, base::Nanos now) {
  size_t filled = 0;
  for (Queue& queue : queues_)
    if (queue.in_flight + queue.kept != 0) filled += collect(queue, out.subspan(filled), now);
  return filled;
}

size_t EspLane::collect(Queue& queue, std::span<EspPacket> out, base::Nanos now) {
  if (!queue.given_up && queue.device->failed()) give_up(queue);
  std::array<rte_crypto_op*, kLaneBurst> done;
  size_t filled = 0;
  bool moved = false;
  while (queue.in_flight + queue.kept != 0 && filled < out.size()) {
    const auto room = static_cast<uint16_t>(std::min(kLaneBurst, out.size() - filled));
    const uint16_t n = rte_cryptodev_dequeue_burst(queue.device->id(), queue_pair_, done.data(), room);
    for (uint16_t i = 0; i < n; ++i) {
      if (queue.given_up) {
        discard(queue, done[i]);
      } else {
        land(queue, done[i], out[filled++]);
      }
    }
    moved |= n != 0;
    rte_mempool_put_bulk(operations_, reinterpret_cast<void**>(done.data()), n);
    if (n < room) break;
  }
  if (!queue.given_up) look_after(queue, moved, now);
  return filled;
}

void EspLane::land(Queue& queue, rte_crypto_op* op, EspPacket& out) {
  const EspJob& job = job_of(op);
  const JobEnd end = end_of(static_cast<rte_crypto_op_status>(op->status));
  --queue.in_flight;
  --in_flight_;
  out = job.packet;
  settle(out, job, end);
  out.sa->land();  // from here on the control thread may free it
  if (end != JobEnd::kFailed) return;
  condemn(queue, DeviceFault::kErrors);
}

// Of a device that failed: it was counted when it was given up, and its packet is not to be believed.
void EspLane::discard(Queue& queue, rte_crypto_op* op) {
  const EspPacket& packet = job_of(op).packet;
  --queue.kept;
  --kept_;
  if (!packet.sa->fell_back()) packet.sa->count(EspVerdict::device_failed, packet.packet->pkt_len);
  rte_pktmbuf_free(packet.packet);
  packet.sa->land();
}

// Time passes for a device while it has something and gives nothing back.
void EspLane::look_after(Queue& queue, bool moved, base::Nanos now) {
  const base::Nanos passed = std::min(now - queue.looked, kMostBetweenLooks);
  queue.looked = now;
  queue.waited = moved || queue.in_flight == 0 ? 0 : queue.waited + passed;
  if (queue.waited >= kDevicePatience) condemn(queue, DeviceFault::kSilent);
}

void EspLane::condemn(Queue& queue, DeviceFault fault) {
  queue.device->fail(fault);
  give_up(queue);
}

void EspLane::give_up(Queue& queue) {
  queue.given_up = true;
  lost_ += queue.in_flight;
  kept_ += queue.in_flight;
  in_flight_ -= queue.in_flight;
  queue.kept += std::exchange(queue.in_flight, 0);
}

}  // namespace penstock::crypto
