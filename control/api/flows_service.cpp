// Flows: dumps, deletion, Explain. Program has a file of its own.
#include "control/api/commands.h"
#include "control/api/explain.h"
#include "control/api/flow_fields.h"
#include "control/api/services.h"

namespace penstock::api {

namespace {

constexpr size_t kDumpChunk = 512;

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

// A word that the table does not know is an error: ignored, it would select every entry.
grpc::Status check_words(const v1::FlowFilter& message, v1::DumpRequest::Table table) {
  const bool exact = table == v1::DumpRequest::EXACT;
  if (exact && !message.service().empty()) return invalid("filter.service: only tracked flows have a Service");
  if (!exact && (!message.interface().empty() || message.has_cookie() || message.has_cookie_mask()))
    return invalid("filter.interface, cookie and cookieMask: only exact flows have them");
  if (message.has_cookie_mask() && !message.has_cookie()) return invalid("filter.cookieMask: needs a cookie");
  return grpc::Status::OK;
}

grpc::Status read_filter(const v1::FlowFilter& message, v1::DumpRequest::Table table, const FlowNames& names,
                         Filter& filter) {
  if (auto wrong = check_words(message, table); !wrong.ok()) return wrong;
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
grpc::Status walk(ServiceContext& context, const grpc::ServerContext& call, Visit&& visit) {
  loop::Dataplane& dataplane = context.loop.dataplane();
  const size_t workers = dataplane.workers().size();
  for (unsigned worker = 0; worker < workers; ++worker) {
    uint64_t cursor = 0;
    while (cursor != Command::kEnd) {
      if (call.IsCancelled()) return grpc::Status::CANCELLED;
      auto command = std::make_unique<Command>();
      command->entries.resize(kDumpChunk);
      command->cursor = cursor;
      if (!submit(dataplane, worker, *command)) return {grpc::StatusCode::UNAVAILABLE, "a worker does not answer"};
      if (!wait_for(*command)) {
        context.orphanage.take(std::move(command));
        return {grpc::StatusCode::UNAVAILABLE, "a worker does not answer"};
      }
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

grpc::Status FlowsService::Dump(grpc::ServerContext* call, const v1::DumpRequest* request,
                                grpc::ServerWriter<v1::DumpResponse>* writer) {
  const StreamPlace place(context_);
  if (!place) return place.refused();
  const FlowNames names(context_.loop.generation());
  Filter filter;
  if (auto wrong = read_filter(request->filter(), request->table(), names, filter); !wrong.ok()) return wrong;
  uint64_t left = request->limit() == 0 ? UINT64_MAX : request->limit();
  v1::DumpResponse chunk;
  const auto added = [&] {
    --left;
    if (static_cast<size_t>(chunk.exact_size() + chunk.tracked_size()) < kDumpChunk) return left != 0;
    const bool open = write_patiently(context_, *call, *writer, chunk);
    chunk.Clear();
    return open && left != 0;
  };
  grpc::Status status;
  if (request->table() == v1::DumpRequest::EXACT) {
    status = walk<flow::DumpExactCommand>(context_, *call, [&](const flow::ExactEntryView& entry, unsigned worker) {
      if (!filter.holds(entry)) return true;
      v1::ExactFlow& out = *chunk.add_exact();
      to_message(entry, names, out);
      out.set_worker(worker);
      return added();
    });
  } else {
    status = walk<flow::DumpTrackedCommand>(context_, *call, [&](const flow::TrackedFlowView& entry, unsigned worker) {
      if (!filter.holds(entry.original) || !of_service(entry, names, filter.service)) return true;
      v1::TrackedFlow& out = *chunk.add_tracked();
      to_message(entry, names, out);
      out.set_worker(worker);
      return added();
    });
  }
  if (chunk.exact_size() + chunk.tracked_size() != 0) write_patiently(context_, *call, *writer, chunk);
  return status;
}

grpc::Status FlowsService::Delete(grpc::ServerContext* call, const v1::DeleteFlowsRequest* request,
                                  v1::DeleteFlowsResponse* response) {
  const StreamPlace place(context_);
  if (!place) return place.refused();
  const FlowNames names(context_.loop.generation());
  Filter filter;
  if (auto wrong = read_filter(request->filter(), v1::DumpRequest::EXACT, names, filter); !wrong.ok()) return wrong;
  if (filter.is_empty() && !request->all()) return invalid("filter: is empty; set `all` to delete every entry");
  loop::Dataplane& dataplane = context_.loop.dataplane();
  std::vector<std::vector<flow::ExactOp>> doomed(dataplane.workers().size());
  auto status = walk<flow::DumpExactCommand>(context_, *call, [&](const flow::ExactEntryView& entry, unsigned worker) {
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
      context_.orphanage.take(std::move(command));
      return {grpc::StatusCode::UNAVAILABLE, "a worker does not answer"};
    }
    for (const flow::ExactStatus each : command->statuses) deleted += each == flow::ExactStatus::kOk;
  }
  response->set_deleted(deleted);
  return grpc::Status::OK;
}

grpc::Status FlowsService::Explain(grpc::ServerContext* call, const v1::ExplainRequest* request,
                                   v1::ExplainResponse* response) {
  const ReadingPlace place(context_);
  if (!place) return place.refused();
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
    if (call->IsCancelled()) return grpc::Status::CANCELLED;
    auto explained = context_.loop.dataplane().explain(in.id, frame);
    if (!explained) return {grpc::StatusCode::FAILED_PRECONDITION, explained.error()};
    response->set_generation(explained->generation);
    put_explanation(frame, *explained, *response->add_packets());
  }
  return grpc::Status::OK;
}

}  // namespace penstock::api
