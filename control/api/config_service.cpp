// Config: bundles in, revisions out.
#include <algorithm>
#include <chrono>

#include "control/api/gateway_status.h"
#include "control/api/services.h"
#include "control/api/translate.h"

namespace penstock::api {

namespace {

constexpr size_t kMaxErrors = 1000;  // of an answer; a bundle of 200,000 faults is fixed in steps anyway
constexpr size_t kListChunk = 500;   // objects per message of List

// A message is shown on terminals.
grpc::Status check_message(const std::string& message) {
  if (message.size() > kMaxRevisionMessage)
    return {grpc::StatusCode::INVALID_ARGUMENT,
            "message: longer than " + std::to_string(kMaxRevisionMessage) + " bytes"};
  if (std::any_of(message.begin(), message.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }))
    return {grpc::StatusCode::INVALID_ARGUMENT, "message: has control characters (want one line of text)"};
  return grpc::Status::OK;
}

std::vector<model::ObjectKey> keys_of(const model::State& state) {
  std::vector<model::ObjectKey> keys;
  if (state.node != nullptr) keys.push_back(model::key_of(*state.node));
  const auto add = [&keys](model::Kind kind, const auto& objects) {
    for (const auto& [name, object] : objects) keys.push_back({kind, name});
  };
  add(model::Kind::kService, state.services);
  add(model::Kind::kEndpointSlice, state.slices);
  add(model::Kind::kServicePolicy, state.service_policies);
  add(model::Kind::kAccessPolicy, state.access_policies);
  add(model::Kind::kRateLimit, state.rate_limits);
  add(model::Kind::kEgress, state.egresses);
  add(model::Kind::kMirror, state.mirrors);
  add(model::Kind::kPeer, state.peers);
  add(model::Kind::kWorkload, state.workloads);
  add(model::Kind::kGateway, state.gateways);
  add(model::Kind::kHttpRoute, state.http_routes);
  add(model::Kind::kTcpRoute, state.tcp_routes);
  add(model::Kind::kReferenceGrant, state.grants);
  add(model::Kind::kFault, state.faults);
  add(model::Kind::kListenerPolicy, state.listener_policies);
  add(model::Kind::kDirectResponse, state.direct_responses);
  add(model::Kind::kRequestAccessPolicy, state.request_access);
  add(model::Kind::kRequestInspection, state.request_inspections);
  add(model::Kind::kServiceSubset, state.service_subsets);
  add(model::Kind::kNamespace, state.namespaces);
  return keys;
}

template <typename Objects>
grpc::Status to_change(const Objects& objects, model::Change& change, model::FieldErrors& errors) {
  if (static_cast<size_t>(objects.size()) > kMaxObjectsPerBundle)
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, "objects: more than " + std::to_string(kMaxObjectsPerBundle)};
  change.apply.reserve(static_cast<size_t>(objects.size()));
  for (const v1::Object& each : objects) {
    model::Object object;
    to_model(each, object, errors);
    if (each.object_case() != v1::Object::OBJECT_NOT_SET) change.apply.push_back(std::move(object));
  }
  return grpc::Status::OK;
}

// What validation says about a field that could not be read, or what holds it, is about the default in its place.
// What it says about the object as a whole is not.
bool is_about(const model::FieldError& later, const model::FieldErrors& errors) {
  if (later.path.empty() || later.path == "spec") return false;
  return std::any_of(errors.begin(), errors.end(), [&](const model::FieldError& unread) {
    return unread.object == later.object &&
           (unread.path.starts_with(later.path) || later.path.starts_with(unread.path));
  });
}

// Faults of translation, then what validation found in the rest.
model::FieldErrors merged(const model::FieldErrors& unread, const model::FieldErrors& validated) {
  model::FieldErrors all = unread;
  for (const model::FieldError& each : validated) {
    if (all.size() > kMaxErrors) break;  // more are not shown
    if (!is_about(each, unread)) all.push_back(each);
  }
  return all;
}

template <typename Response>
void put_errors(const model::FieldErrors& errors, Response& response) {
  for (const model::FieldError& each : errors) {
    if (response.errors_size() == static_cast<int>(kMaxErrors)) {
      to_message(model::FieldError{"bundle", "", "more faults are not shown"}, *response.add_errors());
      return;
    }
    to_message(each, *response.add_errors());
  }
}

void put_difference(const model::Difference& each, const model::State* before, const model::State* after,
                    v1::ObjectDifference& out) {
  to_message(each, *out.mutable_difference());
  v1::Object object;
  if (before != nullptr && find_object(*before, each.key, object)) *out.mutable_before() = std::move(object);
  object.Clear();
  if (after != nullptr && find_object(*after, each.key, object)) *out.mutable_after() = std::move(object);
}

}  // namespace

grpc::Status put_result(const loop::ApplyResult& result, v1::ApplyResponse& response) {
  if (!result.failure.empty()) return {grpc::StatusCode::FAILED_PRECONDITION, result.failure};
  response.set_applied(result.ok);
  put_errors(result.errors, response);
  uint64_t unchanged = 0;
  for (const model::Difference& each : result.differences) {
    if (each.kind == model::DiffKind::kUnchanged) {
      ++unchanged;
    } else {
      to_message(each, *response.add_differences());
    }
  }
  response.set_unchanged(unchanged);
  response.set_revision(result.revision);
  response.set_generation(result.generation);
  v1::PhaseTimes& times = *response.mutable_times();
  times.set_queue(result.times.queue);
  times.set_validate(result.times.validate);
  times.set_prepare(result.times.prepare);
  times.set_compile(result.times.compile);
  times.set_store(result.times.store);
  times.set_publish(result.times.publish);
  times.set_adopt(result.times.adopt);
  for (const loop::WorkerAdoption& each : result.workers) {
    v1::WorkerAdoption& worker = *response.add_workers();
    worker.set_worker(each.worker);
    worker.set_adopted(each.adopted);
    worker.set_after_microseconds(each.after_us);
  }
  return grpc::Status::OK;
}

base::Nanos deadline_of(const grpc::ServerContext& call) {
  using std::chrono::system_clock;
  if (call.deadline() == system_clock::time_point::max()) return 0;
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(call.deadline() - system_clock::now()).count();
  return base::monotonic_now() + static_cast<base::Nanos>(std::max<int64_t>(left, 1));
}

grpc::Status ConfigService::Apply(grpc::ServerContext* call, const v1::ApplyRequest* request,
                                  v1::ApplyResponse* response) {
  const ChangePlace place(context_);
  if (!place) return place.refused();
  if (auto wrong = check_message(request->message()); !wrong.ok()) return wrong;
  model::Change change;
  model::FieldErrors errors;
  if (auto wrong = to_change(request->objects(), change, errors); !wrong.ok()) return wrong;
  loop::ApplyOptions options;
  options.replace = request->replace();
  options.message = request->message();
  options.deadline = deadline_of(*call);
  // Faults of translation stop the change, but what validation finds in the rest is reported with them.
  options.dry_run = !errors.empty();
  loop::ApplyResult result = context_.loop.apply(std::move(change), options);
  if (!errors.empty()) {
    result.ok = false;
    result.failure.clear();
    result.differences.clear();
    result.errors = merged(errors, result.errors);
  }
  return put_result(result, *response);
}

grpc::Status ConfigService::Get(grpc::ServerContext*, const v1::GetRequest* request, v1::Object* response) {
  model::ObjectKey key;
  model::FieldErrors errors;
  if (!to_model(request->key(), key, errors)) return {grpc::StatusCode::INVALID_ARGUMENT, errors.front().to_string()};
  const auto state = context_.loop.state();
  if (!find_object(*state, key, *response)) return {grpc::StatusCode::NOT_FOUND, key.to_string() + " does not exist"};
  StatusWriter(*state).write(key, *response);
  return grpc::Status::OK;
}

grpc::Status ConfigService::List(grpc::ServerContext* call, const v1::ListRequest* request,
                                 grpc::ServerWriter<v1::ListResponse>* writer) {
  const StreamPlace place(context_);
  if (!place) return place.refused();
  const uint64_t revision = context_.loop.revision();
  const auto state = context_.loop.state();
  v1::ListResponse chunk;
  chunk.set_revision(revision);
  StatusWriter statuses(*state);
  bool open = true;
  const auto flush = [&] {
    open = open && !call->IsCancelled() && write_patiently(context_, *call, *writer, chunk);
    chunk.clear_objects();
  };
  for (const model::ObjectKey& key : keys_of(*state)) {
    if (!request->kind().empty() && request->kind() != model::to_string(key.kind)) continue;
    if (!request->namespace_().empty() && request->namespace_() != key.name.space) continue;
    v1::Object& object = *chunk.add_objects();
    find_object(*state, key, object);
    statuses.write(key, object);
    if (static_cast<size_t>(chunk.objects_size()) == kListChunk) flush();
    if (!open) return grpc::Status::CANCELLED;
  }
  flush();
  return grpc::Status::OK;
}

grpc::Status ConfigService::Delete(grpc::ServerContext* call, const v1::DeleteRequest* request,
                                   v1::ApplyResponse* response) {
  const ChangePlace place(context_);
  if (!place) return place.refused();
  if (auto wrong = check_message(request->message()); !wrong.ok()) return wrong;
  if (static_cast<size_t>(request->keys_size()) > kMaxObjectsPerBundle)
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, "keys: more than " + std::to_string(kMaxObjectsPerBundle)};
  model::Change change;
  model::FieldErrors errors;
  for (const v1::ObjectKey& each : request->keys()) to_model(each, change.remove.emplace_back(), errors);
  if (!errors.empty()) {
    put_errors(errors, *response);
    return grpc::Status::OK;
  }
  loop::ApplyOptions options;
  options.message = request->message();
  options.deadline = deadline_of(*call);
  return put_result(context_.loop.apply(std::move(change), options), *response);
}

grpc::Status ConfigService::Diff(grpc::ServerContext*, const v1::DiffRequest* request, v1::DiffResponse* response) {
  const ChangePlace place(context_);
  if (!place) return place.refused();
  model::Change change;
  model::FieldErrors errors;
  if (auto wrong = to_change(request->objects(), change, errors); !wrong.ok()) return wrong;
  if (static_cast<size_t>(request->remove_size()) > kMaxObjectsPerBundle)
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, "remove: more than " + std::to_string(kMaxObjectsPerBundle)};
  for (const v1::ObjectKey& each : request->remove()) to_model(each, change.remove.emplace_back(), errors);
  const auto before = context_.loop.state();
  loop::DiffResult result = context_.loop.diff(change, request->replace());
  result.errors = merged(errors, result.errors);
  put_errors(result.errors, *response);
  model::State wanted;
  model::FieldErrors ignored;
  wanted = model::with_change({}, {change.apply, {}}, ignored);
  for (const model::Difference& each : result.differences)
    if (each.kind != model::DiffKind::kUnchanged)
      put_difference(each, before.get(), &wanted, *response->add_differences());
  return grpc::Status::OK;
}

grpc::Status ConfigService::Validate(grpc::ServerContext* call, const v1::ValidateRequest* request,
                                     v1::ValidateResponse* response) {
  const ChangePlace place(context_);
  if (!place) return place.refused();
  model::Change change;
  model::FieldErrors errors;
  if (auto wrong = to_change(request->objects(), change, errors); !wrong.ok()) return wrong;
  loop::ApplyOptions options;
  options.dry_run = true;
  options.replace = request->replace();
  options.deadline = deadline_of(*call);
  loop::ApplyResult result = context_.loop.apply(std::move(change), options);
  if (!result.failure.empty() && errors.empty()) return {grpc::StatusCode::FAILED_PRECONDITION, result.failure};
  result.errors = merged(errors, result.errors);
  put_errors(result.errors, *response);
  response->set_valid(result.errors.empty());
  for (const model::Difference& each : result.differences)
    if (each.kind != model::DiffKind::kUnchanged) to_message(each, *response->add_differences());
  return grpc::Status::OK;
}

grpc::Status ConfigService::Watch(grpc::ServerContext* call, const v1::WatchRequest*,
                                  grpc::ServerWriter<v1::WatchResponse>* writer) {
  const StreamPlace place(context_);
  if (!place) return place.refused();
  const auto watcher = context_.loop.watch();
  if (watcher == nullptr) return place.refused();
  writer->SendInitialMetadata();  // the client knows from here on nothing is missed
  while (!call->IsCancelled() && !context_.stopping.load() && !watcher->ended()) {
    constexpr base::Nanos kLook = 100'000'000;
    uint64_t lost = 0;
    const auto revision = watcher->next(kLook, lost);
    if (!revision) continue;
    v1::WatchResponse message;
    message.set_revision(revision->revision);
    message.set_generation(revision->generation);
    message.set_time(revision->time);
    message.set_message(revision->message);
    message.set_lost(lost);
    for (const model::Difference& each : revision->differences)
      put_difference(each, revision->before.get(), revision->state.get(), *message.add_differences());
    if (!write_patiently(context_, *call, *writer, message)) break;
  }
  watcher->cancel();
  return end_of_stream(context_, *call);
}

grpc::Status ConfigService::History(grpc::ServerContext*, const v1::HistoryRequest* request,
                                    v1::HistoryResponse* response) {
  constexpr uint32_t kDefault = 20, kMost = 1000;
  if (request->limit() > kMost)
    return {grpc::StatusCode::INVALID_ARGUMENT, "limit: want at most " + std::to_string(kMost)};
  const ReadingPlace place(context_);
  if (!place) return place.refused();
  auto revisions = context_.loop.history(request->limit() == 0 ? kDefault : request->limit());
  if (!revisions) return {grpc::StatusCode::FAILED_PRECONDITION, revisions.error()};
  for (const loop::RevisionInfo& each : *revisions) {
    v1::Revision& out = *response->add_revisions();
    out.set_revision(each.revision);
    out.set_time(each.time);
    out.set_message(each.message);
    out.set_created(each.created);
    out.set_changed(each.changed);
    out.set_removed(each.removed);
  }
  return grpc::Status::OK;
}

grpc::Status ConfigService::Rollback(grpc::ServerContext* call, const v1::RollbackRequest* request,
                                     v1::ApplyResponse* response) {
  const ChangePlace place(context_);
  if (!place) return place.refused();
  if (auto wrong = check_message(request->message()); !wrong.ok()) return wrong;
  loop::ApplyOptions options;
  options.message =
      request->message().empty() ? "rollback to " + std::to_string(request->revision()) : request->message();
  options.deadline = deadline_of(*call);
  return put_result(context_.loop.rollback(request->revision(), options), *response);
}

}  // namespace penstock::api
