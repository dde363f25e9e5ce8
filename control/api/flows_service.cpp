// Flows: exact entries by stream, dumps, deletion, Explain.
#include <google/protobuf/arena.h>

#include <thread>

#include "control/api/explain.h"
#include "control/api/flow_fields.h"
#include "control/api/services.h"

namespace penstock::api {

namespace {

constexpr int kMaxOperations = 16384;                   // per batch
constexpr base::Nanos kWorkerPatience = 2'000'000'000;  // a worker that takes longer is stuck or stopped
constexpr size_t kDumpChunk = 512;

// Waits without burning the core that the worker may need.
bool wait_for(const flow::Command& command, base::Nanos patience) {
  const base::Nanos deadline = base::monotonic_now() + patience;
  while (!command.done()) {
    if (base::monotonic_now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
  return true;
}

bool submit(loop::Dataplane& dataplane, unsigned worker, flow::Command& command) {
  const base::Nanos deadline = base::monotonic_now() + kWorkerPatience;
  while (!dataplane.submit(worker, &command)) {
    if (base::monotonic_now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return true;
}

// A command that was handed to a worker belongs to it until it is done, whatever happens to the call.
template <typename C>
void finish_or_leak(std::unique_ptr<C>& command) {
  if (!wait_for(*command, kWorkerPatience)) (void)command.release();
}

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
  struct Part {
    std::unique_ptr<flow::ProgramCommand> command = std::make_unique<flow::ProgramCommand>();
    std::vector<int> index;  // of its operations in the batch
    bool given = false;
  };
  explicit Batch(size_t workers) : parts(workers) {}

  void clear() {
    for (Part& part : parts) {
      part.command = std::make_unique<flow::ProgramCommand>();
      part.index.clear();
      part.given = false;
    }
    response.Clear();
  }

  std::vector<Part> parts;
  v1::ProgramResponse response;
};

void fill(const v1::ProgramRequest& request, const FlowNames& names, const loop::Dataplane& dataplane, Batch& batch) {
  batch.response.set_batch(request.batch());
  for (int i = 0; i < request.operations_size(); ++i) {
    flow::ExactOp op;
    if (const char* wrong = to_op(request.operations(i), names, op); wrong != nullptr) {
      add_error(batch.response, i, v1::FlowError::INVALID, wrong);
      continue;
    }
    flow::FlowKey key = op.key;
    key.zone = 0;
    Batch::Part& part = batch.parts[dataplane.owner_of(key)];
    part.command->ops.push_back(op);
    part.index.push_back(i);
  }
}

void give(loop::Dataplane& dataplane, Batch& batch) {
  for (unsigned worker = 0; worker < batch.parts.size(); ++worker) {
    Batch::Part& part = batch.parts[worker];
    if (part.index.empty()) continue;
    part.command->statuses.resize(part.command->ops.size());
    part.given = submit(dataplane, worker, *part.command);
  }
}

void collect(Batch& batch) {
  uint32_t done = 0;
  for (Batch::Part& part : batch.parts) {
    const bool finished = part.given && wait_for(*part.command, kWorkerPatience);
    for (size_t i = 0; i < part.index.size(); ++i) {
      if (!finished) {
        add_error(batch.response, part.index[i], v1::FlowError::BUSY, "the worker did not take it in time");
      } else if (part.command->statuses[i] != flow::ExactStatus::kOk) {
        add_error(batch.response, part.index[i], code_of(part.command->statuses[i]), nullptr);
      } else {
        ++done;
      }
    }
    if (part.given && !finished) (void)part.command.release();  // the worker still has it
  }
  batch.response.set_done(done);
}

// What a filter's words mean, once per call.
struct Filter {
  bool by_src = false, by_dst = false;
  base::Prefix src, dst;
  uint32_t protocol = 0, src_port = 0, dst_port = 0;
  uint32_t zone = 0;
  bool by_cookie = false;
  uint64_t cookie = 0, mask = ~0ull;
  std::string service;

  bool holds(const flow::FlowKey& key) const {
    if (by_src && !src.contains(key.src)) return false;
    if (by_dst && !dst.contains(key.dst)) return false;
    if (protocol != 0 && key.protocol != protocol) return false;
    if (src_port != 0 && key.src_port != src_port) return false;
    return dst_port == 0 || key.dst_port == dst_port;
  }
  bool holds(const flow::ExactEntryView& entry) const {
    if (zone != 0 && entry.key.zone != zone) return false;
    if (by_cookie && (entry.cookie & mask) != (cookie & mask)) return false;
    return holds(entry.key);
  }
  bool is_empty() const {
    return !by_src && !by_dst && protocol == 0 && src_port == 0 && dst_port == 0 && zone == 0 && !by_cookie &&
           service.empty();
  }
};

grpc::Status invalid(const std::string& why) { return {grpc::StatusCode::INVALID_ARGUMENT, why}; }

grpc::Status read_filter(const v1::FlowFilter& message, const FlowNames& names, Filter& filter) {
  const auto prefix = [](const std::string& text, bool& given, base::Prefix& out) -> std::string {
    if (text.empty()) return "";
    auto parsed = base::Prefix::parse(text);
    if (!parsed) return parsed.error();
    given = true;
    out = *parsed;
    return "";
  };
  if (const std::string why = prefix(message.src(), filter.by_src, filter.src); !why.empty())
    return invalid("filter.src: " + why);
  if (const std::string why = prefix(message.dst(), filter.by_dst, filter.dst); !why.empty())
    return invalid("filter.dst: " + why);
  if (message.protocol() > 255 || message.src_port() > 65535 || message.dst_port() > 65535)
    return invalid("filter: want a protocol up to 255 and ports up to 65535");
  filter.protocol = message.protocol();
  filter.src_port = message.src_port();
  filter.dst_port = message.dst_port();
  if (!message.interface().empty()) {
    const uint32_t id = names.interface(message.interface());
    if (id == FlowNames::kUnknown)
      return invalid("filter.interface: no interface \"" + message.interface() + "\" in the Node");
    filter.zone = id + 1;
  }
  filter.by_cookie = message.has_cookie();
  filter.cookie = message.cookie();
  if (message.has_cookie_mask()) filter.mask = message.cookie_mask();
  filter.service = message.service();
  return grpc::Status::OK;
}

// Walks a table of every worker; visit(view, worker) returns false to stop.
template <typename Command, typename Visit>
grpc::Status walk(loop::Dataplane& dataplane, const grpc::ServerContext& call, Visit&& visit) {
  const size_t workers = dataplane.workers().size();
  for (unsigned worker = 0; worker < workers; ++worker) {
    uint64_t cursor = 0;
    while (cursor != Command::kEnd) {
      if (call.IsCancelled()) return grpc::Status::CANCELLED;
      auto command = std::make_unique<Command>();
      command->entries.resize(kDumpChunk);
      command->cursor = cursor;
      if (!submit(dataplane, worker, *command)) return {grpc::StatusCode::UNAVAILABLE, "a worker does not answer"};
      finish_or_leak(command);
      if (command == nullptr) return {grpc::StatusCode::UNAVAILABLE, "a worker does not answer"};
      cursor = command->cursor;
      for (size_t i = 0; i < command->count; ++i)
        if (!visit(command->entries[i], worker)) return grpc::Status::OK;
    }
  }
  return grpc::Status::OK;
}

bool of_service(const flow::TrackedFlowView& entry, const FlowNames& names, const std::string& service) {
  if (service.empty()) return true;
  if (names.generation() == nullptr) return false;
  const flow::ServiceEntry* found = names.generation()->services->by_slot(entry.service);
  return found != nullptr && (found->name == service || found->name.substr(0, found->name.rfind(':')) == service);
}

}  // namespace

grpc::Status FlowsService::Program(grpc::ServerContext* call,
                                   grpc::ServerReaderWriter<v1::ProgramResponse, v1::ProgramRequest>* stream) {
  const StreamPlace place(context_);
  if (!place) return StreamPlace::refused();
  loop::Dataplane& dataplane = context_.loop.dataplane();
  auto generation = context_.loop.generation();
  if (generation == nullptr)
    return {grpc::StatusCode::FAILED_PRECONDITION, "nothing is configured yet; apply a Node first"};
  auto names = std::make_unique<FlowNames>(generation);
  // Two batches: while the workers are at one, the next is read and translated.
  const size_t workers = dataplane.workers().size();
  Batch batches[2] = {Batch(workers), Batch(workers)};
  bool pending = false;
  unsigned now = 0;
  google::protobuf::Arena arena;
  while (!call->IsCancelled() && !context_.stopping.load()) {
    arena.Reset();
    auto* request = google::protobuf::Arena::CreateMessage<v1::ProgramRequest>(&arena);
    const bool more = stream->Read(request);
    if (more && request->operations_size() > kMaxOperations) {
      if (pending) collect(batches[1 - now]);
      return invalid("operations: at most " + std::to_string(kMaxOperations) + " in a batch");
    }
    if (more) {
      if (auto live = context_.loop.generation(); live != generation) {
        generation = live;
        names = std::make_unique<FlowNames>(generation);
      }
      batches[now].clear();
      fill(*request, *names, dataplane, batches[now]);
      give(dataplane, batches[now]);
    }
    if (pending) {
      collect(batches[1 - now]);
      if (!stream->Write(batches[1 - now].response)) {
        if (more) collect(batches[now]);
        return grpc::Status::CANCELLED;
      }
    }
    if (!more) return grpc::Status::OK;
    pending = true;
    now = 1 - now;
  }
  if (pending) collect(batches[1 - now]);
  return grpc::Status::CANCELLED;
}

grpc::Status FlowsService::Dump(grpc::ServerContext* call, const v1::DumpRequest* request,
                                grpc::ServerWriter<v1::DumpResponse>* writer) {
  const StreamPlace place(context_);
  if (!place) return StreamPlace::refused();
  const FlowNames names(context_.loop.generation());
  Filter filter;
  if (auto wrong = read_filter(request->filter(), names, filter); !wrong.ok()) return wrong;
  uint64_t left = request->limit() == 0 ? UINT64_MAX : request->limit();
  v1::DumpResponse chunk;
  const auto added = [&] {
    --left;
    if (static_cast<size_t>(chunk.exact_size() + chunk.tracked_size()) < kDumpChunk) return left != 0;
    const bool open = writer->Write(chunk);
    chunk.Clear();
    return open && left != 0;
  };
  loop::Dataplane& dataplane = context_.loop.dataplane();
  grpc::Status status;
  if (request->table() == v1::DumpRequest::EXACT) {
    status = walk<flow::DumpExactCommand>(dataplane, *call, [&](const flow::ExactEntryView& entry, unsigned worker) {
      if (!filter.holds(entry)) return true;
      v1::ExactFlow& out = *chunk.add_exact();
      to_message(entry, names, out);
      out.set_worker(worker);
      return added();
    });
  } else {
    status = walk<flow::DumpTrackedCommand>(dataplane, *call, [&](const flow::TrackedFlowView& entry, unsigned worker) {
      if (!filter.holds(entry.original) || !of_service(entry, names, filter.service)) return true;
      v1::TrackedFlow& out = *chunk.add_tracked();
      to_message(entry, names, out);
      out.set_worker(worker);
      return added();
    });
  }
  if (chunk.exact_size() + chunk.tracked_size() != 0) writer->Write(chunk);
  return status;
}

grpc::Status FlowsService::Delete(grpc::ServerContext* call, const v1::DeleteFlowsRequest* request,
                                  v1::DeleteFlowsResponse* response) {
  const StreamPlace place(context_);
  if (!place) return StreamPlace::refused();
  const FlowNames names(context_.loop.generation());
  Filter filter;
  if (auto wrong = read_filter(request->filter(), names, filter); !wrong.ok()) return wrong;
  if (filter.is_empty() && !request->all()) return invalid("filter: is empty; set `all` to delete every entry");
  loop::Dataplane& dataplane = context_.loop.dataplane();
  std::vector<std::vector<flow::ExactOp>> doomed(dataplane.workers().size());
  auto status = walk<flow::DumpExactCommand>(dataplane, *call, [&](const flow::ExactEntryView& entry, unsigned worker) {
    if (filter.holds(entry)) doomed[worker].push_back({flow::ExactOpKind::kDelete, entry.key, {}, 0, 0, 0});
    return true;
  });
  if (!status.ok()) return status;
  uint64_t deleted = 0;
  for (unsigned worker = 0; worker < doomed.size(); ++worker) {
    if (doomed[worker].empty()) continue;
    auto command = std::make_unique<flow::ProgramCommand>();
    command->ops = std::move(doomed[worker]);
    command->statuses.resize(command->ops.size());
    if (!submit(dataplane, worker, *command)) return {grpc::StatusCode::UNAVAILABLE, "a worker does not answer"};
    if (!wait_for(*command, 10 * kWorkerPatience)) {
      (void)command.release();
      return {grpc::StatusCode::UNAVAILABLE, "a worker does not answer"};
    }
    for (const flow::ExactStatus each : command->statuses) deleted += each == flow::ExactStatus::kOk;
  }
  response->set_deleted(deleted);
  return grpc::Status::OK;
}

grpc::Status FlowsService::Explain(grpc::ServerContext*, const v1::ExplainRequest* request,
                                   v1::ExplainResponse* response) {
  const FlowNames names(context_.loop.generation());
  if (names.generation() == nullptr)
    return {grpc::StatusCode::FAILED_PRECONDITION, "nothing is configured yet; apply a Node first"};
  const uint32_t id = names.interface(request->interface());
  if (request->interface().empty() || id == FlowNames::kUnknown)
    return invalid("interface: \"" + request->interface() + "\" is no interface of the Node");
  const flow::Interface& in = names.generation()->interfaces->by_id[id];
  auto frames = frames_of(*request, in);
  if (!frames) return invalid(frames.error());
  for (const std::vector<uint8_t>& frame : *frames) {
    auto explained = context_.loop.dataplane().explain(in.id, frame);
    if (!explained) return {grpc::StatusCode::FAILED_PRECONDITION, explained.error()};
    response->set_generation(explained->generation);
    put_explanation(frame, *explained, *response->add_packets());
  }
  return grpc::Status::OK;
}

}  // namespace penstock::api
