// An access record as one JSON object. Keys are Istio's where it has them; times of day in UTC, durations in
// milliseconds with three decimals.
#include <cstdio>

#include "l7/log/format.h"
#include "l7/log/text.h"

namespace penstock::l7log {

namespace {

class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }
  ~Object() { out_ += "}\n"; }

  std::string& key(const char* name) {
    if (!first_) out_ += ',';
    first_ = false;
    return out_.append("\"").append(name).append("\":");
  }
  void text(const char* name, std::string_view value) {
    key(name);
    if (value.empty()) {
      out_ += "null";
    } else {
      append_json_string(out_, value);
    }
  }
  void number(const char* name, uint64_t value) { key(name) += std::to_string(value); }
  void millis(const char* name, base::Nanos from, base::Nanos to) {
    key(name);
    if (from == 0 || to < from) {
      out_ += "null";
      return;
    }
    char text[32];
    const base::Nanos micros = (to - from) / 1000;
    std::snprintf(text, sizeof text, "%llu.%03llu", static_cast<unsigned long long>(micros / 1000),
                  static_cast<unsigned long long>(micros % 1000));
    out_ += text;
  }

 private:
  std::string& out_;
  bool first_ = true;
};

// A text the record cut says its whole length, so that nobody takes the piece for all of it.
template <size_t kBytes>
void put_cut(Object& object, const char* name, const char* length, const proxy::CutText<kBytes>& text) {
  object.text(name, text.view());
  if (text.size > kBytes) object.number(length, text.size);
}

std::string address_of(const base::IpAddress& address, uint16_t port) {
  std::string out;
  if (port != 0) append_address(out, address, port);
  return out;
}

void put_request(Object& object, const proxy::AccessRecord& r) {
  put_cut(object, "method", "method_length", r.method);
  put_cut(object, "authority", "authority_length", r.host);
  put_cut(object, "path", "path_length", r.path);
  object.text("protocol", r.method.size == 0 ? std::string_view() : protocol_of(r.version));
  put_cut(object, "request_id", "request_id_length", r.request_id);
}

}  // namespace

void append_json(std::string& out, const proxy::AccessRecord& r, const Context& context) {
  Object object(out);
  std::string text;
  append_time(text, context.wall_of(r.began));
  object.text("start_time", text);
  put_request(object, r);
  object.number("response_code", r.status);
  text.clear();
  append_flags(text, r.flags);
  object.text("response_flags", text);
  if (r.refusal != h1::Refusal::kNone) object.text("refusal", h1::info(r.refusal).name);
  if (const guard::Counted* by = context.names.guard(r.guard)) {
    object.text(by->inspects ? "inspection" : "access_policy", by->object);
    object.text(by->inspects ? "inspection_pattern" : "access_rule", by->part);
  }
  if (const guard::Counted* found = context.names.guard(r.finding)) {
    object.text("finding", found->object + "/" + found->part);
    object.number("findings", r.findings);
  }
  object.number("bytes_received", r.bytes_received);
  object.number("bytes_sent", r.bytes_sent);
  object.millis("duration_ms", r.began, r.ended);
  object.millis("request_duration_ms", r.began, r.request_ended);
  object.millis("response_duration_ms", r.began, r.response_began);
  object.text("listener", context.names.listener(r.listener));
  object.text("route_name", context.names.route(r.route));
  if (!context.names.route(r.route).empty()) {
    object.number("rule", r.rule);
    object.text("rule_name", context.names.rule(r.route, r.rule));
  }
  object.text("upstream_cluster", context.names.cluster(r.cluster));
  object.text("upstream_host", address_of(r.backend, r.backend_port));
  object.number("upstream_request_attempt_count", r.tries);
  object.text("downstream_remote_address", address_of(r.peer, r.peer_port));
  object.text("downstream_direct_remote_address", address_of(r.direct, r.direct_port));
}

}  // namespace penstock::l7log
