#include "engine/crypto/fake_lookaside.h"

#include <rte_crypto.h>
#include <rte_cryptodev.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace penstock::crypto {

namespace {

constexpr unsigned kMostPolls = 1000;

template <typename T>
bool read_number(std::string_view text, T most, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && out <= most;
}

bool read_fault(std::string_view text, FakeFault& out) {
  if (text == "errors") {
    out = FakeFault::kErrors;
  } else if (text == "silence") {
    out = FakeFault::kSilence;
  } else if (text == "refusal") {
    out = FakeFault::kRefusal;
  } else {
    return false;
  }
  return true;
}

}  // namespace

base::Result<FakeSettings> read_fake_settings(std::string_view arguments) {
  FakeSettings settings;
  while (!arguments.empty()) {
    const std::string_view one = arguments.substr(0, arguments.find(','));
    arguments.remove_prefix(std::min(one.size() + 1, arguments.size()));
    const size_t equals = std::min(one.find('='), one.size());
    const std::string_view name = one.substr(0, equals), value = one.substr(std::min(equals + 1, one.size()));
    const bool good = name == "polls"   ? read_number(value, kMostPolls, settings.polls)
                      : name == "after" ? read_number(value, UINT64_MAX, settings.after)
                                        : name == "fail" && read_fault(value, settings.fault);
    if (!good)
      return base::Error{"\"" + std::string(one) +
                         "\" is none of polls=0 to 1000, fail=errors, fail=silence, fail=refusal, after=NUMBER"};
  }
  return settings;
}

FakeLookaside::FakeLookaside(uint8_t device, uint16_t queue_pairs, const FakeSettings& settings)
    : device_(device), settings_(settings), queues_(queue_pairs) {
  struct rte_crypto_fp_ops& calls = rte_crypto_fp_ops[device_];
  driver_enqueue_ = calls.enqueue_burst;
  driver_dequeue_ = calls.dequeue_burst;
  driver_queues_ = calls.qp.data;
  for (uint16_t i = 0; i < queue_pairs; ++i) {
    queues_[i].device = this;
    queues_[i].under = driver_queues_[i];
    pointers_.push_back(&queues_[i]);
  }
  calls.enqueue_burst = enqueue;
  calls.dequeue_burst = dequeue;
  calls.qp.data = pointers_.data();
}

FakeLookaside::~FakeLookaside() {
  struct rte_crypto_fp_ops& calls = rte_crypto_fp_ops[device_];
  calls.enqueue_burst = driver_enqueue_;
  calls.dequeue_burst = driver_dequeue_;
  calls.qp.data = driver_queues_;
}

FakeFault FakeLookaside::Queue::fault() const {
  const FakeFault told = device->fault_.load(std::memory_order_relaxed);
  if (told != FakeFault::kNone) return told;
  return taken >= device->settings_.after ? device->settings_.fault : FakeFault::kNone;
}

uint16_t FakeLookaside::enqueue(void* queue, rte_crypto_op** ops, uint16_t count) {
  Queue& q = *static_cast<Queue*>(queue);
  const FakeFault fault = q.fault();
  if (fault == FakeFault::kRefusal) return 0;
  auto room = static_cast<uint16_t>(std::min<size_t>(count, kDepth - q.held()));
  if (fault == FakeFault::kNone) {
    room = q.device->driver_enqueue_(q.under, ops, room);
    q.with_driver += room;
  } else {
    for (uint16_t i = 0; i < room; ++i) q.untouched.push(ops[i]);
  }
  q.taken += room;
  return room;
}

void FakeLookaside::take_from_driver(Queue& q) {
  constexpr uint16_t kMost = 64;
  std::array<rte_crypto_op*, kMost> ready;
  const uint64_t due = q.polls + settings_.polls;
  while (q.with_driver != 0) {
    const uint16_t count = driver_dequeue_(q.under, ready.data(), kMost);
    q.with_driver -= count;
    for (uint16_t i = 0; i < count; ++i) q.done.push({ready[i], due});
    if (count < kMost) break;
  }
  while (q.untouched.count != 0) {
    rte_crypto_op* op = q.untouched.pop();
    op->status = RTE_CRYPTO_OP_STATUS_SUCCESS;
    q.done.push({op, due});
  }
}

uint16_t FakeLookaside::dequeue(void* queue, rte_crypto_op** ops, uint16_t count) {
  Queue& q = *static_cast<Queue*>(queue);
  ++q.polls;
  const FakeFault fault = q.fault();
  if (fault == FakeFault::kSilence) return 0;
  q.device->take_from_driver(q);
  uint16_t given = 0;
  while (given < count && q.done.count != 0 && q.done.slots[q.done.first].due <= q.polls) {
    ops[given] = q.done.pop().op;
    if (fault == FakeFault::kErrors) ops[given]->status = RTE_CRYPTO_OP_STATUS_ERROR;
    ++given;
  }
  return given;
}

}  // namespace penstock::crypto
