// Flows.Program: batches of exact flows, read and translated by one thread while the workers are at the ones before,
// and acknowledged in order by another. A client may send batch after batch, or wait for each answer.
#include <google/protobuf/arena.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "control/api/commands.h"
#include "control/api/flow_fields.h"
#include "control/api/services.h"

namespace penstock::api {

namespace {

using Stream = grpc::ServerReaderWriter<v1::ProgramResponse, v1::ProgramRequest>;

constexpr int kMaxOperations = 16384;    // per batch: 3 MB of messages, a few milliseconds of a worker
constexpr size_t kMaxBatches = 8;        // of a stream on their way; beyond, the client's window closes
constexpr size_t kArenaBytes = 2 << 20;  // holds a batch of 4000 without another allocation

v1::FlowError::Code code_of(flow::ExactStatus status) {
  switch (status) {
    case flow::ExactStatus::kExists:
      return v1::FlowError::ALREADY_EXISTS;
    case flow::ExactStatus::kNotFound:
      return v1::FlowError::NOT_FOUND;
    case flow::ExactStatus::kTableFull:
      return v1::FlowError::TABLE_FULL;
    case flow::ExactStatus::kInvalid:
      return v1::FlowError::INVALID;
    case flow::ExactStatus::kOk:
      break;
  }
  return v1::FlowError::CODE_UNSPECIFIED;
}

void add_error(v1::ProgramResponse& response, int index, v1::FlowError::Code code, const char* reason) {
  v1::FlowError& error = *response.add_errors();
  error.set_index(static_cast<uint32_t>(index));
  error.set_code(code);
  if (reason != nullptr) error.set_reason(reason);
}

// One batch on its way through the workers.
struct Batch {
  struct Part {  // of one worker
    std::unique_ptr<flow::ProgramCommand> command;
    std::vector<int> index;  // of its operations in the batch
    bool given = false;
  };
  std::vector<Part> parts;
  v1::ProgramResponse response;
};

std::unique_ptr<Batch> translate(const v1::ProgramRequest& request, const FlowNames& names,
                                 const loop::Dataplane& dataplane, size_t workers) {
  auto batch = std::make_unique<Batch>();
  batch->parts.resize(workers);
  batch->response.set_batch(request.batch());
  const auto each = static_cast<size_t>(request.operations_size());
  for (int i = 0; i < request.operations_size(); ++i) {
    flow::ExactOp op;
    if (const char* wrong = to_op(request.operations(i), names, op); wrong != nullptr) {
      add_error(batch->response, i, v1::FlowError::INVALID, wrong);
      continue;
    }
    flow::FlowKey key = op.key;
    key.zone = 0;
    Batch::Part& part = batch->parts[dataplane.owner_of(key)];
    if (!part.command) {
      part.command = std::make_unique<flow::ProgramCommand>();
      part.command->ops.reserve(each);
      part.index.reserve(each);
    }
    part.command->ops.push_back(op);
    part.index.push_back(i);
  }
  return batch;
}

void give(loop::Dataplane& dataplane, Batch& batch) {
  for (unsigned worker = 0; worker < batch.parts.size(); ++worker) {
    Batch::Part& part = batch.parts[worker];
    if (!part.command) continue;
    part.command->statuses.resize(part.command->ops.size());
    part.given = submit(dataplane, worker, *part.command);
  }
}

void collect(Batch& batch, Orphanage& orphanage) {
  uint32_t done = 0;
  for (Batch::Part& part : batch.parts) {
    const bool finished = part.given && wait_for(*part.command);
    const char* late = part.given ? "the worker did not finish it in time" : "the worker did not take it in time";
    for (size_t i = 0; i < part.index.size(); ++i) {
      if (!finished) {
        add_error(batch.response, part.index[i], v1::FlowError::BUSY, late);
      } else if (part.command->statuses[i] != flow::ExactStatus::kOk) {
        add_error(batch.response, part.index[i], code_of(part.command->statuses[i]), nullptr);
      } else {
        ++done;
      }
    }
    if (part.given && !finished) orphanage.take(std::move(part.command));
  }
  batch.response.set_done(done);
}

// The second half of a stream: waits for the workers and answers. Its own thread, from start to end of the call.
class Answers {
 public:
  Answers(ServiceContext& context, grpc::ServerContext& call, Stream& stream)
      : context_(context), call_(call), stream_(stream), thread_([this] { run(); }) {}

  // Returns when everything given was answered, or nobody listens any more.
  ~Answers() { finish(); }
  void finish() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  // Waits while kMaxBatches are on their way.
  void add(std::unique_ptr<Batch> batch) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return queue_.size() < kMaxBatches; });
    queue_.push_back(std::move(batch));
    lock.unlock();
    wake_.notify_all();
  }

 private:
  void run() {
    bool listening = true;
    while (true) {
      std::unique_ptr<Batch> batch;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return ended_ || !queue_.empty(); });
        if (queue_.empty()) return;
        batch = std::move(queue_.front());
        queue_.pop_front();
      }
      wake_.notify_all();
      // Collected in any case: the workers hold its memory.
      collect(*batch, context_.orphanage);
      if (listening) listening = write_patiently(context_, call_, stream_, batch->response);
      if (!listening) call_.TryCancel();
    }
  }

  ServiceContext& context_;
  grpc::ServerContext& call_;
  Stream& stream_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Batch>> queue_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace

grpc::Status FlowsService::Program(grpc::ServerContext* call, Stream* stream) {
  const StreamPlace place(context_);
  if (!place) return place.refused();
  loop::Dataplane& dataplane = context_.loop.dataplane();
  auto generation = context_.loop.generation();
  if (generation == nullptr)
    return {grpc::StatusCode::FAILED_PRECONDITION, "nothing is configured yet; apply a Node first"};
  auto names = std::make_unique<FlowNames>(generation);
  const size_t workers = dataplane.workers().size();
  const std::unique_ptr<char[]> block(new char[kArenaBytes]);  // not written before it is used
  google::protobuf::ArenaOptions options;
  options.initial_block = block.get();
  options.initial_block_size = kArenaBytes;
  google::protobuf::Arena arena(options);
  Answers answers(context_, *call, *stream);
  while (!call->IsCancelled() && !context_.stopping.load()) {
    arena.Reset();
    auto* request = google::protobuf::Arena::CreateMessage<v1::ProgramRequest>(&arena);
    {
      const Patience::Wait wait(context_.patience, *call, context_.silence_patience);
      if (!stream->Read(request)) break;
    }
    if (request->operations_size() > kMaxOperations) {
      answers.finish();
      return {grpc::StatusCode::INVALID_ARGUMENT,
              "operations: at most " + std::to_string(kMaxOperations) + " in a batch"};
    }
    if (auto live = context_.loop.generation(); live != generation) {
      generation = std::move(live);
      names = std::make_unique<FlowNames>(generation);
    }
    auto batch = translate(*request, *names, dataplane, workers);
    give(dataplane, *batch);
    answers.add(std::move(batch));
  }
  answers.finish();
  return end_of_stream(context_, *call);
}

}  // namespace penstock::api
