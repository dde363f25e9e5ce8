// Node: the gateway as a machine. Limits: rates of existing RateLimit objects.
#include <algorithm>
#include <map>
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
  response->set_client_connections(context_.loop.client_connections());
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

namespace {

const char* name_of(flow::Encryption encryption) {
  switch (encryption) {
    case flow::Encryption::kRequired:
      return "Required";
    case flow::Encryption::kPreferred:
      return "Preferred";
    case flow::Encryption::kOff:
      return "Off";
  }
  return "";
}

void write(const loop::AssociationInfo& info, v1::Association& out) {
  out.set_direction(info.outbound ? "out" : "in");
  out.set_spi(info.spi);
  out.set_cipher(info.cipher);
  out.set_worker(info.worker);
  out.set_path(info.path);
  out.set_device(info.device);
  out.set_why_not_better(info.why_not_better);
  out.set_packets(info.packets);
  out.set_bytes(info.bytes);
  for (const auto& [reason, count] : info.refused) (*out.mutable_refused())[reason] = count;
}

void write(const mesh::LinkStatus& link, v1::PeerLinkStatus& out) {
  out.set_state(mesh::to_string(link.state));
  out.set_reason(link.reason);
  out.set_identity(link.identity);
  out.set_link(link.link);
  out.set_outbound(link.outbound);
  out.set_inbound(link.inbound);
  out.set_agreed_outbound(link.agreed_outbound);
  out.set_agreed_inbound(link.agreed_inbound);
  out.set_failures(link.failures);
  if (link.outbound)
    out.set_outbound_age(static_cast<double>(base::monotonic_now() - link.outbound_since) / base::kNanosPerSecond);
  for (const base::Prefix& each : link.accepted) out.add_accepted_prefixes(each.to_string());
  for (const std::string& each : link.differences) out.add_differences(each);
}

// "namespace/name"
model::Name name_of(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return {.name = text};
  return {text.substr(0, slash), text.substr(slash + 1)};
}

void write(const flow::Peer& peer, v1::PeerStatus& out) {
  for (const flow::PeerPath& each : peer.paths) {
    v1::PeerPath& path = *out.add_paths();
    path.set_address(each.remote.to_string());
    path.set_local_address(each.local.to_string());
    path.set_path_mtu(each.path_mtu);
    path.set_active(each.remote == peer.remote);
  }
}

// What is known by probes; the configuration may be a moment ahead of it.
void write(const loop::PeerPaths& known, v1::PeerStatus& out) {
  out.set_up(known.up);
  out.set_probe_interval(known.interval);
  for (const liveness::PathStatus& each : known.paths)
    for (v1::PeerPath& path : *out.mutable_paths()) {
      if (path.address() != each.address.to_string()) continue;
      path.set_state(liveness::to_string(each.state));
      path.set_round_trip(each.round_trip);
      path.set_loss(each.loss);
      path.set_probes(each.sent);
      path.set_answers(each.answered);
      path.set_mtu_state(liveness::to_string(each.mtu_state));
      path.set_confirmed_mtu(each.confirmed_mtu);
    }
}

}  // namespace

grpc::Status NodeService::Rekey(grpc::ServerContext*, const v1::RekeyRequest* request, v1::RekeyResponse*) {
  if (context_.peer_link.rekey(name_of(request->name()))) return grpc::Status::OK;
  return {grpc::StatusCode::NOT_FOUND, "there is no Peer of that name that keys are agreed with"};
}

grpc::Status NodeService::Peers(grpc::ServerContext*, const v1::PeersRequest* request, v1::PeersResponse* response) {
  const ReadingPlace place(context_);
  if (!place) return place.refused();
  const auto generation = context_.loop.generation();
  if (generation == nullptr) return grpc::Status::OK;
  std::map<uint16_t, v1::PeerStatus*> by_slot;
  std::map<std::string, mesh::LinkStatus> links;
  for (mesh::LinkStatus& link : context_.peer_link.status()) links[link.peer.to_string()] = std::move(link);
  for (const flow::Peer& peer : generation->peers->by_slot) {
    if (peer.slot == flow::kNoPeer || (!request->name().empty() && request->name() != peer.name)) continue;
    v1::PeerStatus& status = *(by_slot[peer.slot] = response->add_peers());
    status.set_name(peer.name);
    status.set_address(peer.remote.to_string());
    status.set_local_address(peer.local.to_string());
    status.set_path_mtu(peer.path_mtu);
    status.set_encryption(name_of(peer.encryption));
    if (const auto link = links.find(peer.name); link != links.end()) write(link->second, *status.mutable_link());
    status.set_up(true);
    write(peer, status);
  }
  if (!request->name().empty() && by_slot.empty()) return {grpc::StatusCode::NOT_FOUND, "there is no such Peer"};
  for (const loop::PeerPaths& known : context_.loop.peer_paths())
    if (const auto peer = by_slot.find(known.slot); peer != by_slot.end()) write(known, *peer->second);
  for (const loop::AssociationInfo& info : context_.loop.dataplane().associations())
    if (const auto peer = by_slot.find(info.peer); peer != by_slot.end())
      write(info, *peer->second->add_associations());
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
    while (context_.loop.tracked_flows() + context_.loop.client_connections() != 0 && !call->IsCancelled() &&
           !context_.stopping.load() && (deadline == 0 || base::monotonic_now() + kMargin < deadline))
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  response->set_tracked_flows(context_.loop.tracked_flows());
  response->set_client_connections(context_.loop.client_connections());
  return grpc::Status::OK;
}

grpc::Status NodeService::Undrain(grpc::ServerContext*, const v1::UndrainRequest*, v1::UndrainResponse*) {
  if (auto done = context_.loop.drain(false); !done) return {grpc::StatusCode::FAILED_PRECONDITION, done.error()};
  return grpc::Status::OK;
}

}  // namespace penstock::api
