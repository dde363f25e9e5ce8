#include "control/api/request_stats.h"

namespace penstock::api {

namespace {

void put(const telemetry::ExchangeStats& stats, v1::ExchangeStats& message) {
  message.set_name(stats.name);
  message.set_no_answer(stats.responses[0]);
  message.set_informational(stats.responses[1]);
  message.set_success(stats.responses[2]);
  message.set_redirection(stats.responses[3]);
  message.set_client_error(stats.responses[4]);
  message.set_server_error(stats.responses[5]);
  message.set_bytes_received(stats.bytes_received);
  message.set_bytes_sent(stats.bytes_sent);
}

void put(const telemetry::NamedCounts& counts, google::protobuf::RepeatedPtrField<v1::NamedCount>& out) {
  for (const auto& [name, count] : counts) {
    v1::NamedCount& each = *out.Add();
    each.set_name(name);
    each.set_count(count);
  }
}

}  // namespace

void put_requests(const telemetry::L7Stats& stats, v1::RequestStats& message) {
  for (const auto& each : stats.listeners) put(each, *message.add_listeners());
  for (const auto& each : stats.routes) put(each, *message.add_routes());
  for (const auto& each : stats.services) put(each, *message.add_services());
  for (const auto& each : stats.endpoints) {
    v1::ExchangeStats& endpoint = *message.add_endpoints();
    put(each.exchanges, endpoint);
    endpoint.set_name(each.service + " " + each.exchanges.name);
  }
  put(stats.flags, *message.mutable_flags());
  put(stats.refusals, *message.mutable_refusals());
  put(stats.proxy_headers, *message.mutable_proxy_headers());
  put(stats.tcp, *message.mutable_tcp());
  for (size_t i = 0; i < stats.events.size(); ++i) {
    v1::NamedCount& event = *message.add_events();
    event.set_name(proxy::kCountNames[i]);
    event.set_count(stats.events[i]);
  }
  message.set_log_lines(stats.access_log.written);
  message.set_log_lost(stats.access_log.lost);
}

}  // namespace penstock::api
