// Node: the gateway as a machine. Limits: rates of existing RateLimit objects.
#include <algorithm>
#include <thread>

#include "control/api/services.h"
#include "control/api/translate.h"

namespace penstock::api {

grpc::Status NodeService::Info(grpc::ServerContext*, const v1::NodeInfoRequest*, v1::NodeInfoResponse* response) {
  const auto state = context_.loop.state();
  if (state->node != nullptr) response->set_name(state->node->name);
  response->set_version(PENSTOCK_VERSION);
  response->set_started(context_.loop.stats().started);
  response->set_revision(context_.loop.revision());
  const auto generation = context_.loop.generation();
  response->set_generation(generation == nullptr ? 0 : generation->number);
  response->set_draining(context_.loop.draining());
  response->set_tracked_flows(context_.loop.tracked_flows());
  response->set_workers(static_cast<uint32_t>(context_.loop.dataplane().workers().size()));
  for (const loop::PortInfo& each : context_.loop.dataplane().ports()) {
    v1::PortInfo& port = *response->add_ports();
    port.set_interface(each.interface);
    port.set_driver(each.driver);
    port.set_mac(each.mac.to_string());
    port.set_link_up(each.link_up);
    port.set_speed_mbps(each.speed_mbps);
    port.set_rx_queues(each.rx_queues);
    port.set_tx_queues(each.tx_queues);
    port.set_max_mtu(each.max_mtu);
    port.set_rss(each.rss);
  }
  return grpc::Status::OK;
}

grpc::Status NodeService::Workers(grpc::ServerContext*, const v1::WorkersRequest*, v1::WorkersResponse* response) {
  for (const loop::WorkerInfo& each : context_.loop.dataplane().workers()) {
    v1::Worker& worker = *response->add_workers();
    worker.set_id(each.id);
    worker.set_core(each.core);
    worker.set_running(each.running);
    worker.set_generation(each.generation);
    for (const std::string& queue : each.queues) worker.add_queues(queue);
  }
  return grpc::Status::OK;
}

grpc::Status NodeService::Drain(grpc::ServerContext* call, const v1::DrainRequest* request,
                                v1::DrainResponse* response) {
  if (auto drained = context_.loop.drain(true); !drained)
    return {grpc::StatusCode::FAILED_PRECONDITION, drained.error()};
  if (request->wait()) {
    const StreamPlace place(context_);
    if (!place) return place.refused();
    constexpr base::Nanos kMargin = 200'000'000;  // the answer must arrive before the deadline
    const base::Nanos deadline = deadline_of(*call);
    while (context_.loop.tracked_flows() != 0 && !call->IsCancelled() && !context_.stopping.load() &&
           (deadline == 0 || base::monotonic_now() + kMargin < deadline))
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  response->set_tracked_flows(context_.loop.tracked_flows());
  return grpc::Status::OK;
}

grpc::Status NodeService::Undrain(grpc::ServerContext*, const v1::UndrainRequest*, v1::UndrainResponse*) {
  if (auto done = context_.loop.drain(false); !done) return {grpc::StatusCode::FAILED_PRECONDITION, done.error()};
  return grpc::Status::OK;
}

}  // namespace penstock::api
