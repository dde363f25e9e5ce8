// Kinds ListenerPolicy and DirectResponse.
#include "control/api/translate_kinds.h"

namespace penstock::api {

namespace {

constexpr Choice<http::Chain> kChains[] = {{"Replace", http::Chain::kReplace},
                                           {"Append", http::Chain::kAppend},
                                           {"Pass", http::Chain::kPass},
                                           {"Remove", http::Chain::kRemove}};
constexpr Choice<http::EscapedSlash> kEscapedSlashes[] = {{"KeepUnchanged", http::EscapedSlash::kKeep},
                                                          {"RejectRequest", http::EscapedSlash::kReject},
                                                          {"UnescapeAndForward", http::EscapedSlash::kDecode}};
constexpr base::Nanos kMillisecond = 1'000'000;

void read_time(const Path& path, const std::string& text, base::Nanos& out, Fields& fields) {
  uint32_t milliseconds = static_cast<uint32_t>(out / kMillisecond);
  fields.milliseconds(path, text, milliseconds);
  out = milliseconds * kMillisecond;
}

// `message` has status, contentType and body; what it does not give stays.
void read_answer(const auto& message, const Path& path, config::DirectResponse& out, Fields& fields) {
  fields.number({&path, "status"}, message.status(), out.status);
  out.content_type = message.content_type();
  out.body = message.body();
}
void read_retry_after(const auto& message, const Path& path, config::DirectResponse& out, Fields& fields) {
  if (!message.has_retry_after()) return;
  out.retry_after = 1;  // what a wrong text leaves
  fields.seconds({&path, "retryAfter"}, message.retry_after(), out.retry_after);
  if (out.retry_after == 0) fields.fault({&path, "retryAfter"}, "is out of range (want 1s to 24h)");
}
void write_answer(const config::DirectResponse& answer, auto& message) {
  message.set_status(answer.status);
  message.set_content_type(answer.content_type);
  message.set_body(answer.body);
}
void write_retry_after(const config::DirectResponse& answer, auto& message) {
  if (answer.retry_after != 0) message.set_retry_after(seconds_text(answer.retry_after));
}

void read_target(const v1alpha1::ListenerTargetRef& ref, const Path& path, model::ListenerPolicy& object,
                 Fields& fields) {
  if (ref.has_group() && ref.group() != model::kGatewayGroup)
    fields.fault({&path, "group"}, Fields::quoted(ref.group()) + " is not " + model::kGatewayGroup);
  if (ref.kind() != "Gateway") fields.fault({&path, "kind"}, Fields::quoted(ref.kind()) + " is not Gateway");
  object.gateway = {object.name.space, ref.name()};
  object.section = ref.section_name();
}

http::Chain default_chain(const http::ForwardingPolicy& forwarding) {
  return forwarding.trusted_hops != 0 ? http::Chain::kAppend : http::Chain::kReplace;
}

void read_forwarding(const v1alpha1::Forwarding& message, const Path& path, http::ForwardingPolicy& out,
                     Fields& fields) {
  if (message.has_trusted_hops()) out.trusted_hops = message.trusted_hops();
  out.x_forwarded = default_chain(out);
  if (message.has_x_forwarded()) fields.choice({&path, "xForwarded"}, message.x_forwarded(), kChains, out.x_forwarded);
  if (message.has_forwarded()) fields.choice({&path, "forwarded"}, message.forwarded(), kChains, out.forwarded);
  if (message.has_keep_request_id()) out.keep_request_id = message.keep_request_id();
}

void write_forwarding(const http::ForwardingPolicy& forwarding, v1alpha1::Forwarding& message) {
  const http::ForwardingPolicy defaults;
  if (forwarding.trusted_hops != 0) message.set_trusted_hops(forwarding.trusted_hops);
  if (forwarding.x_forwarded != default_chain(forwarding))
    message.set_x_forwarded(name_of(forwarding.x_forwarded, kChains));
  if (forwarding.forwarded != defaults.forwarded) message.set_forwarded(name_of(forwarding.forwarded, kChains));
  if (!forwarding.keep_request_id) message.set_keep_request_id(false);
}

void read_path(const v1alpha1::ListenerPath& message, const Path& path, http::PathPolicy& out, Fields& fields) {
  if (message.has_escaped_slashes_action())
    fields.choice({&path, "escapedSlashesAction"}, message.escaped_slashes_action(), kEscapedSlashes,
                  out.escaped_slash);
  if (message.has_merge_slashes()) out.merge_slashes = message.merge_slashes();
}

void write_path(const http::PathPolicy& policy, v1alpha1::ListenerPath& message) {
  const http::PathPolicy defaults;
  if (policy.escaped_slash != defaults.escaped_slash)
    message.set_escaped_slashes_action(name_of(policy.escaped_slash, kEscapedSlashes));
  if (policy.merge_slashes != defaults.merge_slashes) message.set_merge_slashes(policy.merge_slashes);
}

void read_limits(const v1alpha1::ListenerLimits& message, http::HeadLimits& out) {
  if (message.has_target_bytes()) out.target_bytes = message.target_bytes();
  if (message.has_header_bytes()) out.field_bytes = message.header_bytes();
  if (message.has_header_count()) out.field_count = message.header_count();
  if (message.has_body_bytes()) out.body_bytes = message.body_bytes();
}

void write_limits(const http::HeadLimits& limits, v1alpha1::ListenerLimits& message) {
  const http::HeadLimits defaults;
  if (limits.target_bytes != defaults.target_bytes) message.set_target_bytes(limits.target_bytes);
  if (limits.field_bytes != defaults.field_bytes) message.set_header_bytes(limits.field_bytes);
  if (limits.field_count != defaults.field_count) message.set_header_count(limits.field_count);
  if (limits.body_bytes != defaults.body_bytes) message.set_body_bytes(limits.body_bytes);
}

void write_timeouts(const config::ListenerTimeouts& timeouts, v1alpha1::ListenerTimeouts& message) {
  const config::ListenerTimeouts defaults;
  const auto text = [](base::Nanos time) { return milliseconds_text(static_cast<uint32_t>(time / kMillisecond)); };
  if (timeouts.header != defaults.header) message.set_header(text(timeouts.header));
  if (timeouts.idle != defaults.idle) message.set_idle(text(timeouts.idle));
  if (timeouts.stream != defaults.stream) message.set_stream(text(timeouts.stream));
}

}  // namespace

void to_model(const v1alpha1::ListenerPolicy& message, model::ListenerPolicy& object, Fields& fields) {
  const v1alpha1::ListenerPolicySpec& spec = message.spec();
  const Path path{nullptr, "spec"}, proxies{&path, "proxyProtocol"}, times{&path, "timeouts"};
  read_target(spec.target_ref(), {&path, "targetRef"}, object, fields);
  object.proxy_protocol = spec.has_proxy_protocol();
  fields.prefixes(proxies, "sources", spec.proxy_protocol().sources(), object.proxies);
  const v1alpha1::ListenerTimeouts& timeouts = spec.timeouts();
  if (timeouts.has_header()) read_time({&times, "header"}, timeouts.header(), object.timeouts.header, fields);
  if (timeouts.has_idle()) read_time({&times, "idle"}, timeouts.idle(), object.timeouts.idle, fields);
  if (timeouts.has_stream()) read_time({&times, "stream"}, timeouts.stream(), object.timeouts.stream, fields);
  if (spec.has_requests_per_connection()) object.requests_per_connection = spec.requests_per_connection();
  read_forwarding(spec.forwarding(), {&path, "forwarding"}, object.forwarding, fields);
  read_path(spec.path(), {&path, "path"}, object.path, fields);
  read_limits(spec.limits(), object.limits);
  for (int i = 0; i < spec.local_replies_size(); ++i) {
    const Path at{&path, "localReplies", i};
    model::LocalReply& reply = object.replies.emplace_back();
    for (int j = 0; j < spec.local_replies(i).statuses_size(); ++j)
      fields.number({&at, "statuses", j}, spec.local_replies(i).statuses(j), reply.statuses.emplace_back());
    read_answer(spec.local_replies(i), at, reply.answer, fields);
  }
  if (!spec.has_maintenance()) return;
  const Path at{&path, "maintenance"};
  model::Maintenance& maintenance = object.maintenance.emplace();
  const uint16_t status = maintenance.answer.status;
  read_answer(spec.maintenance(), at, maintenance.answer, fields);
  if (!spec.maintenance().has_status()) maintenance.answer.status = status;
  read_retry_after(spec.maintenance(), at, maintenance.answer, fields);
  fields.prefixes(at, "except", spec.maintenance().except(), maintenance.except);
}

void to_message(const model::ListenerPolicy& object, v1alpha1::ListenerPolicy& message) {
  v1alpha1::ListenerPolicySpec& spec = *message.mutable_spec();
  spec.mutable_target_ref()->set_kind("Gateway");
  spec.mutable_target_ref()->set_name(object.gateway.name);
  spec.mutable_target_ref()->set_section_name(object.section);
  if (object.proxy_protocol) spec.mutable_proxy_protocol();
  for (const base::Prefix& each : object.proxies) spec.mutable_proxy_protocol()->add_sources(each.to_string());
  if (object.timeouts != config::ListenerTimeouts{}) write_timeouts(object.timeouts, *spec.mutable_timeouts());
  if (object.requests_per_connection != 0) spec.set_requests_per_connection(object.requests_per_connection);
  if (object.forwarding != http::ForwardingPolicy{}) write_forwarding(object.forwarding, *spec.mutable_forwarding());
  if (object.path != http::PathPolicy{}) write_path(object.path, *spec.mutable_path());
  if (object.limits != http::HeadLimits{}) write_limits(object.limits, *spec.mutable_limits());
  for (const model::LocalReply& each : object.replies) {
    v1alpha1::LocalReply& reply = *spec.add_local_replies();
    for (const uint16_t status : each.statuses) reply.add_statuses(status);
    write_answer(each.answer, reply);
    if (each.answer.status == 0) reply.clear_status();
  }
  if (!object.maintenance) return;
  v1alpha1::Maintenance& maintenance = *spec.mutable_maintenance();
  write_answer(object.maintenance->answer, maintenance);
  if (object.maintenance->answer.status == model::Maintenance{}.answer.status) maintenance.clear_status();
  write_retry_after(object.maintenance->answer, maintenance);
  for (const base::Prefix& each : object.maintenance->except) maintenance.add_except(each.to_string());
}

void to_model(const v1alpha1::DirectResponse& message, model::DirectResponse& object, Fields& fields) {
  const Path path{nullptr, "spec"};
  read_answer(message.spec(), path, object.answer, fields);
  read_retry_after(message.spec(), path, object.answer, fields);
}

void to_message(const model::DirectResponse& object, v1alpha1::DirectResponse& message) {
  write_answer(object.answer, *message.mutable_spec());
  write_retry_after(object.answer, *message.mutable_spec());
}

}  // namespace penstock::api
