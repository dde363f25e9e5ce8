#include "tools/penstock/load.h"

#include <google/protobuf/arena.h>

#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <mutex>
#include <thread>

#include "control/api/flows.grpc.pb.h"

namespace penstock::cli {

namespace {

constexpr uint64_t kCookie = 0x6c6f6164;  // "load": `penstock flows del cookie=0x6c6f6164` removes what is left

// Flow n: two addresses of TEST-NET space shifted by n, so that all differ and spread over the workers.
void set_key(v1::FlowKey& key, uint32_t n, bool v6) {
  char bytes[16] = {0x20, 0x01, 0x0d, static_cast<char>(0xb8)};
  const size_t size = v6 ? 16 : 4;
  const uint32_t host = __builtin_bswap32((10u << 24) | (n & 0xffffff));
  std::memcpy(bytes + size - 4, &host, 4);
  key.set_src(bytes, size);
  const uint32_t other = __builtin_bswap32((11u << 24) | (n >> 24));
  std::memcpy(bytes + size - 4, &other, 4);
  key.set_dst(bytes, size);
  key.set_protocol(17);
  key.set_src_port(1024 + n % 50000);
  key.set_dst_port(4789);
}

struct Outcome {
  uint64_t done = 0, failed = 0;
  double seconds = 0;
  grpc::Status status;
};

Outcome run(const Shared& shared, const Load& load, v1::FlowOperation::Kind kind) {
  using Clock = std::chrono::steady_clock;
  Outcome outcome;
  grpc::ClientContext context;
  const Interruptible guard(context);
  const auto service = stub<v1::Flows>(shared);
  const auto stream = service->Program(&context);
  std::mutex lock;
  std::condition_variable wake;
  uint64_t sent = 0, answered = 0;
  bool broken = false;
  const auto begin = Clock::now();
  std::thread writer([&] {
    google::protobuf::Arena arena;
    for (uint32_t first = 0; first < load.count; first += load.batch) {
      arena.Reset();
      auto* request = google::protobuf::Arena::CreateMessage<v1::ProgramRequest>(&arena);
      for (uint32_t n = first; n < std::min(load.count, first + load.batch); ++n) {
        v1::FlowOperation& operation = *request->add_operations();
        operation.set_kind(kind);
        set_key(*operation.mutable_key(), n, load.v6);
        operation.mutable_action()->set_verb(v1::FlowAction::DROP);
        operation.set_cookie(kCookie);
      }
      std::unique_lock hold(lock);
      wake.wait(hold, [&] { return broken || sent - answered < load.window; });
      if (broken) break;
      ++sent;
      hold.unlock();
      if (!stream->Write(*request)) break;
    }
    stream->WritesDone();
  });
  v1::ProgramResponse response;
  while (stream->Read(&response)) {
    outcome.done += response.done();
    outcome.failed += static_cast<uint64_t>(response.errors_size());
    const std::lock_guard hold(lock);
    ++answered;
    wake.notify_one();
  }
  {
    const std::lock_guard hold(lock);
    broken = true;
    wake.notify_one();
  }
  writer.join();
  outcome.status = stream->Finish();
  outcome.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return outcome;
}

double rate_of(const Outcome& outcome) { return static_cast<double>(outcome.done + outcome.failed) / outcome.seconds; }

void print(const char* what, const Outcome& outcome) {
  std::printf("%s: %lu done, %lu refused in %.3f s: %.0f operations/s\n", what, outcome.done, outcome.failed,
              outcome.seconds, rate_of(outcome));
}

api::Tree tree_of(const Outcome& outcome) {
  api::Tree tree = api::Tree::map();
  tree.add("done", api::Tree::plain(std::to_string(outcome.done)));
  tree.add("refused", api::Tree::plain(std::to_string(outcome.failed)));
  tree.add("seconds", api::Tree::plain(std::to_string(outcome.seconds)));
  tree.add("operationsPerSecond", api::Tree::plain(std::to_string(rate_of(outcome))));
  return tree;
}

}  // namespace

int run_load(const Shared& shared, const Load& load) {
  const Outcome added = run(shared, load, v1::FlowOperation::ADD);
  if (!added.status.ok()) return report(shared, added.status);
  const bool table = shared.output == Output::kTable;
  api::Tree tree = api::Tree::map();
  tree.add("add", tree_of(added));
  if (table) print("add", added);
  if (load.remove) {
    const Outcome removed = run(shared, load, v1::FlowOperation::DELETE);
    if (!removed.status.ok()) return report(shared, removed.status);
    tree.add("delete", tree_of(removed));
    if (table) print("delete", removed);
  }
  if (!table) print_tree(shared, tree);
  std::cout << std::flush;
  return added.failed ? kRefused : kOk;
}

}  // namespace penstock::cli
