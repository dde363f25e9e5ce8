#include "engine/worker.h"

#include <pthread.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>

#include "engine/commands.h"
#include "engine/pipeline.h"
#include "engine/tracking.h"

namespace penstock::engine {

namespace {
// An inner packet that a crypto device gave back becomes a frame again, here or at the owner of its flow. True: here.
bool surface_later(WorkerState& w, const crypto::EspPacket& esp) {
  rte_mbuf* m = esp.packet;
  const auto refuse = [&](flow::DropReason reason) {
    count_drop(w, reason);
    rte_pktmbuf_free(m);
    return false;
  };
  Carry& carry = carry_of(m);
  carry.hops = 0;
  const auto& interfaces = w.generation->interfaces->by_id;
  if (carry.in >= interfaces.size() || interfaces[carry.in].id != carry.in)
    return refuse(flow::DropReason::interface_down);
  wire::Headers headers = esp.inner;
  if (!frame_inner(m, interfaces[carry.in], headers)) return refuse(flow::DropReason::no_buffers);
  const auto* frame = rte_pktmbuf_mtod(m, const uint8_t*);
  if (const auto reason = refused_inside(*w.generation, carry.from_peer, frame, headers);
      reason != flow::DropReason::kNone) {
    const auto left = reconsider(reason, w, m, headers);
    return left == flow::DropReason::kNone ? false : refuse(left);
  }
  if (const auto reason = identify_inside(*w.generation, carry.from_peer, esp.identity, carry.identity);
      reason != flow::DropReason::kNone)
    return refuse(reason);
  const unsigned owner = flow::owner_of(flow::owner_hash(frame, headers), w.workers);
  if (owner == w.id) return true;
  if (!w.mesh.packets(w.id, owner).push({m, Errand::kProcess})) return refuse(flow::DropReason::hand_off_full);
  w.counters->to_workers.add(1);
  return false;
}

// DPDK wants a name of its own for every ring; workers without threads come and go.
rte_ring* make_command_ring() {
  static std::atomic<unsigned> made{0};
  const std::string name = "commands" + std::to_string(made.fetch_add(1));
  return rte_ring_create(name.c_str(), kCommandRing, SOCKET_ID_ANY, RING_F_SC_DEQ);
}
}  // namespace

Worker::Worker(unsigned id, unsigned core, Mesh& mesh, const WorkerSizes& sizes, flow::SharedBucket* shared_buckets,
               flow::SourceBuckets& sources, rte_mempool* pool, const flow::HashSecret& secret,
               flow::GenerationSlot& slot)
    : core_(core),
      state_(id % mesh.workers(), mesh, sizes, shared_buckets, sources, pool, secret),
      slot_(slot),
      commands_(make_command_ring()),
      started_(base::read_cycles()),
      cycles_per_ms_(std::max<base::Cycles>(1, base::cycles_per_second() / 1000)),
      ns_per_cycle_((base::kNanosPerSecond << 32) / base::cycles_per_second()) {
  associations_next_ = associations_seen_ = state_.associations;
}

Worker::~Worker() {
  stop();
  delete queues_next_.load();
  rte_ring_free(commands_);
}

void Worker::start() {
  thread_ = std::thread([this] { thread_main(); });
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  stop_.store(true, std::memory_order_release);
  thread_.join();
}

void Worker::set_host(std::unique_ptr<LocalHost> host) {
  host_ = std::move(host);
  state_.host = host_.get();
}

bool Worker::submit(flow::Command* command) { return rte_ring_enqueue(commands_, command) == 0; }

void Worker::set_queues(std::vector<RxQueue> queues) {
  auto* next = new QueueList{std::move(queues)};
  if (!thread_.joinable()) {
    queues_now_ = *next;
    delete next;
    return;
  }
  queues_next_.store(next, std::memory_order_release);
  while (queues_next_.load(std::memory_order_acquire) != nullptr) std::this_thread::yield();
}

void Worker::set_associations(std::shared_ptr<const WorkerAssociations> next) {
  associations_next_.store(next.get(), std::memory_order_release);
  if (!thread_.joinable()) {
    state_.adopt(next.get());
    associations_seen_.store(next.get());
  }
  while (associations_seen_.load(std::memory_order_acquire) != next.get()) std::this_thread::yield();
  associations_ = std::move(next);  // the old one goes
}

void Worker::read_clock() {
  state_.now = base::read_cycles();
  const uint64_t ms = (state_.now - started_) / cycles_per_ms_;
  state_.now_ms = static_cast<base::Millis>(ms);
  state_.now_ns = started_ns_ +
                  static_cast<base::Nanos>(static_cast<unsigned __int128>(state_.now - started_) * ns_per_cycle_ >> 32);
  state_.watch.now = state_.now;
}

void Worker::thread_main() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core_, &cores);
  pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
  pthread_setname_np(pthread_self(), ("worker" + std::to_string(state_.id)).c_str());
  prctl(PR_SET_TIMERSLACK, 1000);  // the idle sleep means what it says
  if (rte_thread_register() != 0) return;
  slot_.workers[state_.id].running.store(true, std::memory_order_release);
  while (!stop_.load(std::memory_order_relaxed)) rest(run_round());
  state_.neighbours.drop_all(flow::DropReason::shutdown);
  drop_held_fragments(state_, flow::DropReason::shutdown);
  drop_waiting(state_, flow::DropReason::shutdown);
  state_.transmit.flush_all();
  slot_.workers[state_.id].running.store(false, std::memory_order_release);
  rte_thread_unregister();
}

bool Worker::adopt_generation() {
  const flow::Generation* current = slot_.current.load(std::memory_order_acquire);
  if (current == nullptr) return false;
  if (current != state_.generation) {
    state_.adopt(current);
    auto& mine = slot_.workers[state_.id];
    mine.adopted_at.store(base::monotonic_now(), std::memory_order_relaxed);
    mine.adopted.store(current->number, std::memory_order_release);
  }
  return true;
}

bool Worker::run_round() {
  WorkerState& w = state_;
  ++w.round;
  read_clock();
  if (QueueList* next = queues_next_.load(std::memory_order_acquire); next != nullptr) [[unlikely]] {
    queues_now_ = std::move(*next);
    delete next;
    queues_next_.store(nullptr, std::memory_order_release);
  }
  if (const auto* next = associations_next_.load(std::memory_order_acquire); next != w.associations) [[unlikely]] {
    w.adopt(next);
    associations_seen_.store(next, std::memory_order_release);
  }
  if (!adopt_generation()) {
    run_commands();
    return false;
  }
  if (!w.key_queue.empty()) [[unlikely]] {
    release_waiting(w);  // before anything that came later
    process_own();
  }
  const unsigned packets = receive_devices() + receive_crypto() + receive_workers();
  run_commands();
  process_released();
  process_own();
  const unsigned said = speak();
  age(w);
  w.transmit.flush_all();
  const base::Cycles spent = base::read_cycles() - w.now;
  w.counters->rounds.add(1);
  if (packets == 0) w.counters->empty_rounds.add(1);
  const bool busy = packets != 0 || said != 0;
  (busy ? w.counters->busy_cycles : w.counters->idle_cycles).add(spent);
  return busy || current_ != nullptr;
}

unsigned Worker::receive_devices() {
  unsigned total = 0;
  rte_mbuf* packets[kBurst];
  for (const RxQueue& q : queues_now_.queues) {
    const unsigned count = rte_eth_rx_burst(q.port, q.queue, packets, kBurst);
    if (count == 0) continue;
    for (unsigned i = 0; i < count; ++i) {
      packets[i]->port = q.port;
      carry_of(packets[i]) = Carry{};
    }
    state_.counters->received.add(count);
    if (state_.watch.wants(flow::CapturePoint::kRx)) [[unlikely]]
      for (unsigned i = 0; i < count; ++i)
        state_.watch.capture(flow::CapturePoint::kRx, packets[i], flow::DropReason::kNone);
    read_notices();
    process(packets, count, Origin::kDevice);
    total += count;
  }
  return total;
}

// What crypto devices have finished: inner packets go on to the owner of their flow, outer ones on their way.
unsigned Worker::receive_crypto() {
  WorkerState& w = state_;
  crypto::EspLane* lane = w.associations->lane();
  if (lane == nullptr || !lane->expects()) return 0;
  crypto::EspPacket done[kBurst];
  const auto count = static_cast<unsigned>(lane->collect(done, w.now_ns));
  for (uint32_t lost = lane->take_lost(); lost != 0; --lost) count_drop(w, flow::DropReason::esp_device_failed);
  rte_mbuf *inner[kBurst], *outer[kBurst];
  unsigned inners = 0, outers = 0;
  for (unsigned i = 0; i < count; ++i) {
    const bool inbound = done[i].cookie == static_cast<uint64_t>(crypto::Direction::kInbound);
    rte_mbuf* m = done[i].packet;
    if (done[i].verdict != crypto::EspVerdict::done) {
      count_drop(w, drop_reason_of(done[i].verdict));
      rte_pktmbuf_free(m);
    } else if (inbound) {
      if (surface_later(w, done[i])) inner[inners++] = m;
    } else if (frame_own(m)) {
      carry_of(m) = Carry{};  // it has been through its tunnel
      outer[outers++] = m;
    } else {
      count_drop(w, flow::DropReason::no_buffers);
      rte_pktmbuf_free(m);
    }
  }
  if (inners != 0) process(inner, inners, Origin::kWorker);
  if (outers != 0) process(outer, outers, Origin::kOwn);
  return count;
}

unsigned Worker::receive_workers() {
  WorkerState& w = state_;
  if (w.workers == 1) return 0;
  unsigned total = 0;
  for (unsigned from = 0; from < w.workers; ++from) {
    if (from == w.id) continue;
    rte_mbuf *packets[kBurst], *leaving[kBurst];
    unsigned count = 0, to_encrypt = 0;
    Handed handed;
    for (unsigned taken = 0; taken < kBurst && w.mesh.packets(from, w.id).pop(handed); ++taken) {
      w.counters->from_workers.add(1);
      ++total;
      switch (handed.errand) {
        case Errand::kProcess:
          packets[count++] = handed.mbuf;
          break;
        case Errand::kSend:
          w.transmit.send(handed.mbuf->port, handed.mbuf);
          break;
        case Errand::kEncrypt:
          leaving[to_encrypt++] = handed.mbuf;
          break;
      }
    }
    read_notices();
    if (count != 0) process(packets, count, Origin::kWorker);
    if (to_encrypt != 0) process(leaving, to_encrypt, Origin::kOwn);
  }
  return total;
}

void Worker::read_notices() {
  WorkerState& w = state_;
  if (w.workers == 1) return;
  for (unsigned from = 0; from < w.workers; ++from) {
    if (from == w.id) continue;
    for (SteerNotice notice; w.mesh.notices(from, w.id).pop(notice);) apply_notice(w, notice);
  }
}

void Worker::run_commands() {
  constexpr unsigned kPerRound = 64;
  for (unsigned i = 0; i < kPerRound; ++i) {
    void* next = nullptr;
    if (current_ == nullptr && rte_ring_sc_dequeue(commands_, &next) == 0) current_ = static_cast<flow::Command*>(next);
    if (current_ == nullptr || !run_command_part(state_, *current_)) return;
    current_->finish();
    current_ = nullptr;
  }
}

void Worker::process(rte_mbuf** packets, unsigned count, Origin origin) {
  burst_.count = count;
  burst_.origin = origin;
  burst_.has_fragments = burst_.tracing = false;
  for (unsigned i = 0; i < count; ++i) burst_.packets[i].mbuf = packets[i];
  state_.has_replies = false;
  state_.flows_ended_before = state_.flows_ended();
  if (origin == Origin::kOwn) {
    OwnPipeline::run(burst_, state_);
  } else {
    Pipeline::run(burst_, state_);
  }
}

// Fragments that waited for their first go on with its ports: no more sharding, so as from another worker.
void Worker::process_released() {
  const unsigned count = state_.released_count;
  state_.released_count = 0;
  std::array<rte_mbuf*, kBurst> packets;
  for (unsigned at = 0; at < count; at += kBurst) {
    const unsigned part = std::min(kBurst, count - at);
    std::copy_n(&state_.released[at], part, packets.begin());
    process(packets.data(), part, Origin::kWorker);
  }
}

void Worker::process_own() {
  // The list has no Reply, but pieces of what is too long for a tunnel come behind it.
  for (unsigned at = 0; at < state_.own_count;) {
    const unsigned part = std::min(kBurst, state_.own_count - at);
    process(&state_.own[at], part, Origin::kOwn);
    at += part;
  }
  state_.own_count = 0;
}

// What the connections of this worker have to say, up to a bound: packets that came are not kept waiting for long.
unsigned Worker::speak() {
  WorkerState& w = state_;
  constexpr uint64_t kLook = 1024;  // rounds: without connections and listeners there is little to do
  if (w.host == nullptr || (!w.terminates && w.round % kLook != 0)) return 0;
  constexpr unsigned kBursts = 16;
  unsigned said = 0;
  for (unsigned i = 0; i < kBursts; ++i) {
    rte_mbuf* packets[kBurst];
    const unsigned count = w.host->act(w.now_ns, packets, kBurst);
    if (count == 0) break;
    w.counters->generated.add(count);
    process(packets, count, Origin::kOwn);
    process_own();
    said += count;
  }
  w.terminates = !w.generation->listeners->empty() || w.host->busy();
  return said;
}

void Worker::inject_burst(rte_mbuf** packets, unsigned count) {
  WorkerState& w = state_;
  ++w.round;
  read_clock();
  if (!adopt_generation()) return rte_pktmbuf_free_bulk(packets, count);
  w.counters->received.add(count);
  run_commands();
  process(packets, count, Origin::kDevice);
  process_released();
  process_own();
  speak();
  w.transmit.flush_all();
}

// Adaptive idling: a busy neighbour on the same core (a client, a server, the control thread) needs it more than an
// empty queue does. The first empty rounds spin, then the pause grows to 100 µs; one packet ends it.
void Worker::rest(bool busy) {
  constexpr unsigned kSpin = 64, kYield = 128;
  constexpr long kShortest = 5'000, kLongest = 100'000;  // ns
  if (busy) {
    empty_rounds_ = 0;
    return;
  }
  const flow::Generation* g = state_.generation;
  if (g != nullptr && g->settings.poll) return;
  if (++empty_rounds_ <= kSpin) {
    __builtin_ia32_pause();
    return;
  }
  if (empty_rounds_ <= kYield) {
    sched_yield();
    return;
  }
  const long nanoseconds = std::min(kLongest, kShortest * static_cast<long>(empty_rounds_ - kYield));
  const base::Cycles start = base::read_cycles();
  const timespec pause{0, nanoseconds};
  nanosleep(&pause, nullptr);
  state_.counters->idle_cycles.add(base::read_cycles() - start);
}

}  // namespace penstock::engine
