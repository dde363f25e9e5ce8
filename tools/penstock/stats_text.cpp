#include "tools/penstock/stats_text.h"

#include <algorithm>
#include <unordered_map>

#include "tools/penstock/cli.h"

namespace penstock::cli {

namespace {

using v1::StatsResponse;

std::string section(const char* title, const Table& table) {
  return table.empty() ? "" : coloured(Colour::kBold, title) + "\n" + table.to_string() + "\n";
}

std::string traffic(const v1::Traffic& t) { return count_text(t.packets()); }

std::string percent(double share) {
  char text[16];
  std::snprintf(text, sizeof text, "%.1f%%", share * 100);
  return text;
}

std::string ports_text(const StatsResponse& stats) {
  Table table({"PORT", "LINK", "RX PACKETS", "RX BYTES", "TX PACKETS", "TX BYTES", "MISSED", "ERRORS"});
  for (const auto& p : stats.ports())
    table.add({p.name(), p.link_up() ? "up" : coloured(Colour::kRed, "down"), traffic(p.rx()),
               count_text(p.rx().bytes()), traffic(p.tx()), count_text(p.tx().bytes()),
               count_text(p.rx_missed() + p.rx_no_buffer()), count_text(p.rx_errors() + p.tx_errors())});
  return section("Ports", table);
}

std::string workers_text(const StatsResponse& stats) {
  Table table(
      {"WORKER", "CORE", "BUSY", "RECEIVED", "TRANSMITTED", "DROPPED", "HANDED OFF", "FLOWS", "EXACT", "GENERATION"});
  for (const auto& w : stats.workers())
    table.add({count_text(w.id()), count_text(w.core()), percent(w.busy()), count_text(w.received()),
               count_text(w.transmitted()), count_text(w.dropped()), count_text(w.to_workers()), count_text(w.flows()),
               count_text(w.exact_flows()), count_text(w.generation())});
  Table states({"FLOW STATE", "FLOWS"});
  for (const auto& s : stats.flows_by_state())
    if (s.flows()) states.add({s.state(), count_text(s.flows())});
  return section("Workers", table) + section("Flows by state", states);
}

std::string engine_text(const StatsResponse& stats) {
  Table interfaces({"INTERFACE", "RX PACKETS", "RX BYTES", "TX PACKETS", "TX BYTES"});
  for (const auto& i : stats.interfaces())
    interfaces.add(
        {i.name(), traffic(i.rx()), count_text(i.rx().bytes()), traffic(i.tx()), count_text(i.tx().bytes())});
  Table stages({"STAGE", "PACKETS", "CYCLES/PACKET"});
  for (const auto& s : stats.stages()) {
    char cycles[32];
    std::snprintf(cycles, sizeof cycles, "%.1f", s.cycles_per_packet());
    stages.add({s.name(), count_text(s.packets()), s.cycles_per_packet() > 0 ? cycles : ""});
  }
  Table drops({"DROPPED", "REASON", "SEVERITY", "WHAT"});
  for (const auto& d : stats.drops())
    if (d.packets()) drops.add({count_text(d.packets()), d.reason(), d.severity(), d.sentence()});
  return section("Interfaces", interfaces) + section("Stages", stages) + section("Drops", drops);
}

std::string services_text(const StatsResponse& stats) {
  Table table({"SERVICE", "ADDRESS", "MODE", "ENDPOINT", "STATE", "NEW FLOWS", "ACTIVE", "FORWARD", "REPLY"});
  for (const auto& s : stats.services()) {
    table.add({s.name(), s.address(), s.mode(), "", "", count_text(s.new_flows()), "", traffic(s.forward()),
               traffic(s.reply())});
    for (const auto& e : s.endpoints())
      table.add({"", "", "", e.address(), e.state() == "ready" ? e.state() : coloured(Colour::kYellow, e.state()),
                 count_text(e.new_flows()), count_text(e.active_flows()), traffic(e.forward()), traffic(e.reply())});
  }
  return section("Services", table);
}

std::string policies_text(const StatsResponse& stats) {
  Table rules({"RULE", "ACTION", "PACKETS", "BYTES"});
  for (const auto& r : stats.rules())
    rules.add({r.name(), r.action() + (r.shadow() ? " (shadow)" : ""), traffic(r.matched()),
               count_text(r.matched().bytes())});
  Table limits({"LIMIT", "RATE", "UNIT", "PER", "PASSED", "EXCEEDED"});
  for (const auto& l : stats.limits())
    limits.add({l.name(), rate_text(l.rate()), l.unit() + "/s", l.per(), count_text(l.passed_packets()),
                count_text(l.exceeded_packets())});
  Table egresses({"EGRESS", "OUT", "IN", "MAPPINGS", "EXHAUSTED"});
  for (const auto& e : stats.egresses())
    egresses.add({e.name(), traffic(e.out()), traffic(e.in()), count_text(e.mappings()), count_text(e.exhausted())});
  Table mirrors({"MIRROR", "COPIED", "BYTES", "LOST"});
  for (const auto& m : stats.mirrors())
    mirrors.add({m.name(), traffic(m.copied()), count_text(m.copied().bytes()), count_text(m.lost())});
  Table health({"HEALTH OF", "ENDPOINT", "CHECK", "STATE", "SUCCEEDED", "FAILED"});
  for (const auto& h : stats.health())
    health.add({h.service(), h.endpoint(), h.check(),
                !h.known() ? "unknown"
                : h.up()   ? coloured(Colour::kGreen, "up")
                           : coloured(Colour::kRed, "down"),
                count_text(h.succeeded()), count_text(h.failed())});
  return section("Rules", rules) + section("Limits", limits) + section("Egress", egresses) +
         section("Mirrors", mirrors) + section("Health checks", health);
}

std::string requests_text(const v1::RequestStats& stats) {
  Table table({"REQUESTS OF", "2xx", "3xx", "4xx", "5xx", "NO ANSWER", "RECEIVED", "SENT"});
  for (const auto* list : {&stats.listeners(), &stats.routes(), &stats.services(), &stats.endpoints()})
    for (const auto& e : *list)
      table.add({e.name(), count_text(e.success()), count_text(e.redirection()), count_text(e.client_error()),
                 coloured(e.server_error() ? Colour::kRed : Colour::kNone, count_text(e.server_error())),
                 count_text(e.no_answer()), count_text(e.bytes_received()), count_text(e.bytes_sent())});
  Table events({"COUNT", "OF REQUESTS", "KIND"});
  const std::pair<const char*, const google::protobuf::RepeatedPtrField<v1::NamedCount>*> kinds[] = {
      {"flag", &stats.flags()},
      {"refused", &stats.refusals()},
      {"PROXY header", &stats.proxy_headers()},
      {"event", &stats.events()},
      {"tcp", &stats.tcp()}};
  for (const auto& [kind, list] : kinds)
    for (const auto& each : *list)
      if (each.count()) events.add({count_text(each.count()), each.name(), kind});
  return section("Requests", table) + section("Requests met", events);
}

// ---- rates ----

template <typename List, typename Key>
auto by_key(const List& list, Key&& key) {
  std::unordered_map<std::string, const typename List::value_type*> map;
  for (const auto& each : list) map.emplace(key(each), &each);
  return map;
}

struct Clock {
  double seconds;
  // A counter that went back belongs to another object of the name.
  double rate(uint64_t before, uint64_t now) const {
    return now >= before ? static_cast<double>(now - before) / seconds : 0;
  }
  std::string operator()(uint64_t before, uint64_t now) const { return rate_text(rate(before, now)); }
};

// The biggest first, so that a screen shows what matters.
struct Ranked {
  double weight;
  std::vector<std::string> row;
};
void add_ranked(Table& table, std::vector<Ranked> rows, size_t most) {
  std::stable_sort(rows.begin(), rows.end(), [](const Ranked& a, const Ranked& b) { return a.weight > b.weight; });
  for (size_t i = 0; i < std::min(most, rows.size()); ++i) table.add(std::move(rows[i].row));
}

std::string worker_rates(const StatsResponse& before, const StatsResponse& now, const Clock& per_second) {
  const auto old = by_key(before.workers(), [](const auto& w) { return std::to_string(w.id()); });
  Table table({"WORKER", "CORE", "BUSY", "RX/s", "TX/s", "DROPS/s", "FLOWS", "NEW/s", "EXACT"});
  for (const auto& w : now.workers()) {
    const auto found = old.find(std::to_string(w.id()));
    if (found == old.end()) continue;
    const v1::WorkerStats& o = *found->second;
    const auto busy = static_cast<double>(w.busy_cycles() - o.busy_cycles());
    const auto idle = static_cast<double>(w.idle_cycles() - o.idle_cycles());
    const double share = busy + idle > 0 ? busy / (busy + idle) : 0;
    table.add({count_text(w.id()), count_text(w.core()),
               coloured(share > 0.9   ? Colour::kRed
                        : share > 0.7 ? Colour::kYellow
                                      : Colour::kNone,
                        percent(share)),
               per_second(o.received(), w.received()), per_second(o.transmitted(), w.transmitted()),
               per_second(o.dropped(), w.dropped()), count_text(w.flows()),
               per_second(o.flows_created(), w.flows_created()), count_text(w.exact_flows())});
  }
  return table.empty() ? "" : table.to_string() + "\n";
}

std::string port_rates(const StatsResponse& before, const StatsResponse& now, const Clock& per_second) {
  const auto old = by_key(before.ports(), [](const auto& p) { return p.name(); });
  Table table({"PORT", "LINK", "RX pkt/s", "RX bit/s", "TX pkt/s", "TX bit/s", "MISSED/s"});
  for (const auto& p : now.ports()) {
    const auto found = old.find(p.name());
    if (found == old.end()) continue;
    const v1::PortStats& o = *found->second;
    table.add({p.name(), p.link_up() ? "up" : coloured(Colour::kRed, "down"),
               per_second(o.rx().packets(), p.rx().packets()), per_second(8 * o.rx().bytes(), 8 * p.rx().bytes()),
               per_second(o.tx().packets(), p.tx().packets()), per_second(8 * o.tx().bytes(), 8 * p.tx().bytes()),
               per_second(o.rx_missed() + o.rx_no_buffer(), p.rx_missed() + p.rx_no_buffer())});
  }
  return table.empty() ? "" : table.to_string() + "\n";
}

std::string service_rates(const StatsResponse& before, const StatsResponse& now, const Clock& per_second, size_t most) {
  const auto key = [](const auto& s) { return s.name() + " " + s.address(); };
  const auto old = by_key(before.services(), key);
  std::vector<Ranked> rows;
  for (const auto& s : now.services()) {
    const auto found = old.find(key(s));
    if (found == old.end()) continue;
    uint64_t active = 0;
    int ready = 0;
    for (const auto& e : s.endpoints()) {
      active += e.active_flows();
      ready += e.state() == "ready";
    }
    const v1::ServiceStats& o = *found->second;
    rows.push_back({per_second.rate(o.forward().packets(), s.forward().packets()),
                    {s.name(), s.address(), s.mode(), std::to_string(ready) + "/" + std::to_string(s.endpoints_size()),
                     per_second(o.new_flows(), s.new_flows()), count_text(active),
                     per_second(o.forward().packets(), s.forward().packets()),
                     per_second(o.reply().packets(), s.reply().packets())}});
  }
  Table table({"SERVICE", "ADDRESS", "MODE", "READY", "NEW/s", "ACTIVE", "FORWARD pkt/s", "REPLY pkt/s"});
  add_ranked(table, std::move(rows), most);
  return table.empty() ? "" : table.to_string() + "\n";
}

std::string limit_rates(const StatsResponse& before, const StatsResponse& now, const Clock& per_second, size_t most) {
  const auto old = by_key(before.limits(), [](const auto& l) { return l.name(); });
  std::vector<Ranked> rows;
  for (const auto& l : now.limits()) {
    const auto found = old.find(l.name());
    if (found == old.end()) continue;
    const v1::LimitUsage& o = *found->second;
    const double exceeded = per_second.rate(o.exceeded_packets(), l.exceeded_packets());
    rows.push_back({exceeded,
                    {l.name(), rate_text(l.rate()) + " " + l.unit() + "/s", l.per(),
                     per_second(o.passed_packets(), l.passed_packets()),
                     coloured(exceeded > 0 ? Colour::kYellow : Colour::kNone, rate_text(exceeded))}});
  }
  Table table({"LIMIT", "RATE", "PER", "PASSED pkt/s", "EXCEEDED pkt/s"});
  add_ranked(table, std::move(rows), most);
  return table.empty() ? "" : table.to_string() + "\n";
}

std::string request_rates(const StatsResponse& before, const StatsResponse& now, const Clock& per_second, size_t most) {
  const auto old = by_key(before.requests().routes(), [](const auto& r) { return r.name(); });
  const auto all = [](const v1::ExchangeStats& e) {
    return e.no_answer() + e.informational() + e.success() + e.redirection() + e.client_error() + e.server_error();
  };
  std::vector<Ranked> rows;
  for (const auto& r : now.requests().routes()) {
    const auto found = old.find(r.name());
    if (found == old.end()) continue;
    const v1::ExchangeStats& o = *found->second;
    const double failed = per_second.rate(o.server_error(), r.server_error());
    rows.push_back({per_second.rate(all(o), all(r)),
                    {r.name(), per_second(all(o), all(r)), per_second(o.client_error(), r.client_error()),
                     coloured(failed > 0 ? Colour::kRed : Colour::kNone, rate_text(failed)),
                     per_second(8 * o.bytes_received(), 8 * r.bytes_received()),
                     per_second(8 * o.bytes_sent(), 8 * r.bytes_sent())}});
  }
  Table table({"ROUTE", "REQUESTS/s", "4xx/s", "5xx/s", "RECEIVED bit/s", "SENT bit/s"});
  add_ranked(table, std::move(rows), most);
  return table.empty() ? "" : table.to_string() + "\n";
}

std::string drop_rates(const StatsResponse& before, const StatsResponse& now, const Clock& per_second, size_t most) {
  const auto old = by_key(before.drops(), [](const auto& d) { return d.reason(); });
  std::vector<Ranked> rows;
  for (const auto& d : now.drops()) {
    const auto found = old.find(d.reason());
    if (found == old.end() || d.packets() == 0) continue;
    const double rate = per_second.rate(found->second->packets(), d.packets());
    rows.push_back({rate, {d.reason(), rate_text(rate), count_text(d.packets()), d.sentence()}});
  }
  Table table({"DROP", "pkt/s", "TOTAL", "WHAT"});
  add_ranked(table, std::move(rows), most);
  return table.empty() ? "" : table.to_string() + "\n";
}

}  // namespace

std::string stats_text(const StatsResponse& stats) {
  return ports_text(stats) + workers_text(stats) + engine_text(stats) + services_text(stats) + policies_text(stats) +
         requests_text(stats.requests());
}

std::string rates_text(const StatsResponse& before, const StatsResponse& now, size_t lines) {
  constexpr size_t kAll = ~size_t{0};
  const Clock per_second{std::max(1e-3, static_cast<double>(now.time() - before.time()) / 1e9)};
  // Titles, ports and workers always show; the rest of the screen is shared by the four ranked lists.
  const size_t fixed = static_cast<size_t>(now.ports_size() + now.workers_size()) + 16;
  const size_t share = lines == 0 ? kAll : lines > fixed + 12 ? (lines - fixed) / 4 : 3;
  return port_rates(before, now, per_second) + worker_rates(before, now, per_second) +
         service_rates(before, now, per_second, share) + request_rates(before, now, per_second, share) +
         limit_rates(before, now, per_second, share) + drop_rates(before, now, per_second, share);
}

}  // namespace penstock::cli
