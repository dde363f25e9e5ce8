// Egress objects → source NAT rules, in the order of their names.
#include "control/compile/parts.h"

namespace penstock::compile {

void EgressPart::update(const Round& round, const InterfacePart& interfaces) {
  std::vector<std::string> names;
  for (const auto& [name, egress] : round.state.egresses) names.push_back(name.to_string());
  if (!slots.assign(names, round.last, round.retired)) {
    round.errors.push_back({"bundle", "",
                            "no room for so many objects of kind Egress until every worker has left the "
                            "generations of those removed: try again"});
    return;
  }
  rules.clear();
  for (const auto& [name, egress] : round.state.egresses) {
    flow::EgressRule rule;
    rule.name = name.to_string();
    rule.slot = slots.at(rule.name);
    rule.from = egress->from;
    rule.interfaces = interfaces.ids_of(egress->interfaces);
    for (const base::IpAddress& address : egress->pool)
      (address.is_v4() ? rule.pool.v4 : rule.pool.v6).push_back(address);
    rule.pool.port_first = egress->port_first;
    rule.pool.port_last = egress->port_last;
    rule.allow = egress->allow;
    rule.max_ports_per_source = egress->max_ports_per_source;
    rules.push_back(std::move(rule));
  }
}

}  // namespace penstock::compile
