#include "control/api/gateway_status.h"

#include "control/model/gateway_status.h"
#include "control/model/subset_status.h"

namespace penstock::api {

namespace {

constexpr const char* kController = "penstock.io/gateway";

void write_conditions(const std::vector<model::Condition>& conditions, auto& message) {
  for (const model::Condition& condition : conditions) {
    auto& out = *message.add_conditions();
    out.set_type(condition.type);
    out.set_status(condition.status ? "True" : "False");
    out.set_reason(condition.reason);
    out.set_message(condition.message);
  }
}

void write_gateway(const model::GatewayStatus& status, gateway::GatewayStatus& message) {
  for (const base::IpAddress& address : status.addresses) {
    auto& out = *message.add_addresses();
    out.set_type("IPAddress");
    out.set_value(address.to_string());
  }
  write_conditions(status.conditions, message);
  for (const model::ListenerStatus& listener : status.listeners) {
    auto& out = *message.add_listeners();
    out.set_name(listener.name);
    for (const char* kind : listener.kinds) {
      auto& each = *out.add_supported_kinds();
      each.set_group(model::kGatewayGroup);
      each.set_kind(kind);
    }
    out.set_attached_routes(static_cast<int32_t>(listener.attached));
    write_conditions(listener.conditions, out);
  }
}

// `route` has its spec already; one answer for each of its parents.
void write_parents(const std::vector<model::ParentStatus>& parents, auto& route) {
  for (size_t i = 0; i < parents.size(); ++i) {
    auto& out = *route.mutable_status()->add_parents();
    *out.mutable_parent_ref() = route.spec().parent_refs(static_cast<int>(i));
    out.set_controller_name(kController);
    write_conditions(parents[i], out);
  }
}

void write_subset(const model::SubsetStatus& status, v1alpha1::ServiceSubsetStatus& message) {
  message.set_endpoints(static_cast<uint32_t>(status.endpoints));
  message.set_ready(static_cast<uint32_t>(status.ready));
  write_conditions(status.conditions, message);
}

}  // namespace

struct StatusWriter::View {
  model::GatewayView view;
};
struct StatusWriter::Subsets {
  model::SubsetView view;
};

StatusWriter::StatusWriter(const model::State& state) : state_(state) {}
StatusWriter::~StatusWriter() = default;

void StatusWriter::write(const model::ObjectKey& key, v1::Object& object) {
  if (key.kind == model::Kind::kServiceSubset) {
    if (!subsets_) subsets_ = std::make_unique<Subsets>(Subsets{model::SubsetView(state_)});
    write_subset(subsets_->view.status_of(*state_.service_subsets.at(key.name)),
                 *object.mutable_service_subset()->mutable_status());
    return;
  }
  const bool ours =
      key.kind == model::Kind::kGateway || key.kind == model::Kind::kHttpRoute || key.kind == model::Kind::kTcpRoute;
  if (!ours) return;
  if (!view_) view_ = std::make_unique<View>(View{model::view_of(state_)});
  const model::GatewayView& view = view_->view;
  if (key.kind == model::Kind::kGateway) {
    write_gateway(model::status_of(view, *state_.gateways.at(key.name)), *object.mutable_gateway()->mutable_status());
  } else if (key.kind == model::Kind::kHttpRoute) {
    write_parents(model::status_of(view, state_, *state_.http_routes.at(key.name)), *object.mutable_http_route());
  } else {
    write_parents(model::status_of(view, state_, *state_.tcp_routes.at(key.name)), *object.mutable_tcp_route());
  }
}

}  // namespace penstock::api
