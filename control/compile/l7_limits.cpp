// RateLimits whose targets are Gateways, HTTPRoutes and findings → config::RequestLimits.
#include <algorithm>
#include <array>
#include <cmath>

#include "control/compile/l7.h"

namespace penstock::compile {

namespace {

using Component = config::LimitComponent;
using Measure = config::RequestLimit::Measure;
using List = config::RequestLimits::List;
using Targets = std::map<std::pair<model::Name, std::string>, List>;

std::string number(double value) { return std::to_string(std::llround(std::max(1.0, value))); }

std::vector<Component> key_of(const model::RateLimit& limit) {
  std::vector<Component> key;
  if (limit.bucket != model::LimitBucket::kAggregate) {
    Component& source = key.emplace_back();
    if (limit.bucket == model::LimitBucket::kSourcePrefix) {
      source.v4_length = limit.v4_prefix_length;
      source.v6_length = limit.v6_prefix_length;
    }
  }
  key.insert(key.end(), limit.descriptors.begin(), limit.descriptors.end());
  return key;
}

config::RequestLimit::Measure measure_of(model::LimitUnit unit) {
  if (unit == model::LimitUnit::kRequestContent) return Measure::kRequestContent;
  return unit == model::LimitUnit::kResponseContent ? Measure::kResponseContent : Measure::kRequests;
}

config::RequestLimit limit_of(const model::RateLimit& limit, uint32_t slot) {
  config::RequestLimit out;
  out.name = limit.name.to_string();
  out.slot = slot;
  out.per_second = limit.rate / model::window_of(limit.unit);
  out.measure = measure_of(limit.unit);
  out.burst = request_burst(limit);
  out.matches = limit.matches;
  out.key = key_of(limit);
  out.shadow = limit.shadow;
  out.headers = limit.headers;
  out.policy = "\"" + out.name + "\";q=" + number(out.burst) + ";w=" + number(std::ceil(out.burst / out.per_second));
  return out;
}

void add(const Targets& targets, const model::Name& object, const std::string& section, List& out) {
  const auto at = targets.find({object, section});
  if (at != targets.end()) out.insert(out.end(), at->second.begin(), at->second.end());
}

// Those of all its rules, or listeners, and those of this one.
List list_of(const Targets& targets, const model::Name& object, const std::string& section) {
  List list;
  add(targets, object, "", list);
  if (!section.empty()) add(targets, object, section, list);
  return list;
}

List list_of(const Targets& gateways, const model::ListenerView& listener) {
  return list_of(gateways, listener.gateway->name, listener.listener->name);
}

// The most that one list has, of all and of each measure.
struct Counts {
  size_t all = 0;
  std::array<size_t, 3> most{};

  void count(const config::RequestLimits& limits, const List& list) {
    std::array<size_t, 3> here{};
    for (const uint32_t each : list) ++here[static_cast<size_t>(limits.all[each].measure)];
    for (size_t i = 0; i < here.size(); ++i) most[i] = std::max(most[i], here[i]);
    all = std::max(all, list.size());
  }
};

// Requests that no route serves belong to the listener that takes every host, or to the only one.
const model::ListenerView* taker_of(const DoorOwners& door) {
  for (const model::ListenerView* each : door.listeners)
    if (door.listeners.size() == 1 || each->listener->hostname.empty()) return each;
  return nullptr;
}

// Of TCP connections: what needs no request to be measured.
bool is_of_bytes(const config::RequestLimit& limit) {
  return limit.measure != Measure::kRequests && limit.matches.empty() &&
         std::all_of(limit.key.begin(), limit.key.end(),
                     [](const Component& each) { return each.kind == Component::Kind::kSource; });
}

}  // namespace

// As many requests as the rate names; of content 50 ms, and what a few packets carry.
double request_burst(const model::RateLimit& limit) {
  if (limit.burst > 0) return limit.burst;
  return model::is_bandwidth(limit.unit) ? std::max(limit.rate * 0.05, 8.0 * 8192) : limit.rate;
}

bool RequestLimitPart::build(const Round& round, const std::vector<config::RequestLimit>& all, size_t workers) {
  const auto failed = [&round](const std::string& error) {
    round.errors.push_back(split(error));
    return false;
  };
  route::MatchSet set;
  std::vector<Asked> asked_now;
  for (const config::RequestLimit& limit : all) {
    const std::string what = "RateLimit/" + limit.name + " spec";
    if (const auto added = set.add(limit.matches, what); !added) return failed(added.error());
    Asked& each = asked_now.emplace_back(Asked{limit.matches, limit.key});
    for (Component& component : each.key) {
      const bool query = component.kind == Component::Kind::kQuery;
      if (!query && component.kind != Component::Kind::kHeader) continue;
      const auto subject = query ? set.add_query(component.name, what + ".descriptors")
                                 : set.add_header(component.name, what + ".descriptors");
      if (!subject) return failed(subject.error());
      component.subject = *subject;
    }
  }
  if (asked_now == asked && scratches.size() == workers) return true;
  if (const auto done = set.finish(); !done) return failed(done.error());
  scratches.clear();
  for (size_t i = 0; i < workers; ++i) {
    auto scratch = set.make_scratch();
    if (!scratch) return failed(scratch.error());
    scratches.emplace_back(std::move(*scratch));
  }
  matches = std::make_shared<const route::MatchSet>(std::move(set));
  asked = std::move(asked_now);
  return true;
}

void RequestLimitPart::update(const Round& round, const LimitPart& limits, const std::vector<DoorOwners>& doors,
                              const std::function<uint32_t(const model::HttpRoute&, size_t rule)>& action_of,
                              size_t workers, route::L7Config& out) {
  config::RequestLimits& made = out.limits;
  Targets routes, gateways;
  for (const auto& [name, limit] : round.state.rate_limits) {
    if (!model::limits_requests(*limit)) continue;
    // Those of findings are named by patterns.
    Targets& targets = limit->target == model::LimitTarget::kGateway ? gateways : routes;
    if (limit->target != model::LimitTarget::kFindings)
      targets[{limit->object, limit->section}].push_back(static_cast<uint32_t>(made.all.size()));
    made.all.push_back(limit_of(*limit, limits.slots.at(name.to_string())));
  }
  if (made.all.empty()) {
    *this = {};
    return;
  }
  if (!build(round, made.all, workers)) return;
  for (size_t i = 0; i < made.all.size(); ++i) made.all[i].key = asked[i].key;
  out.limit_matches = matches;
  out.limit_scratches = scratches;

  made.of_action.resize(out.actions.size());
  Counts of_action, of_listener, unrouted;
  for (const DoorOwners& door : doors) {
    auto& here = made.of_listener.emplace_back();
    for (const model::ListenerView* owner : door.of_route) {
      here.of_route.push_back(list_of(gateways, *owner));
      of_listener.count(made, here.of_route.back());
    }
    if (const model::ListenerView* taker = taker_of(door)) here.unrouted = list_of(gateways, *taker);
    if (door.listeners.front()->listener->protocol == config::Protocol::kTcp)
      std::erase_if(here.unrouted, [&](uint32_t each) { return !is_of_bytes(made.all[each]); });
    unrouted.count(made, here.unrouted);
    for (const model::ListenerView* listener : door.listeners) {
      for (const model::AttachedHttp& attached : listener->http) {
        for (size_t i = 0; i < attached.route->rules.size(); ++i) {
          List& list = made.of_action[action_of(*attached.route, i)];
          list = list_of(routes, attached.route->name, attached.route->rules[i].name);
          of_action.count(made, list);
        }
      }
    }
  }
  const auto at_most = [&round](size_t count, size_t most, const char* what) {
    if (count > most)
      round.errors.push_back({"bundle", "",
                              std::to_string(count) + " objects of kind RateLimit for " + what +
                                  " are too many (at most " + std::to_string(most) + ")"});
  };
  at_most(std::max(of_action.all + of_listener.all, unrouted.all), config::kMaxLimitsPerRequest, "one request");
  for (const auto measure : {Measure::kRequestContent, Measure::kResponseContent}) {
    const auto i = static_cast<size_t>(measure);
    at_most(std::max(of_action.most[i] + of_listener.most[i], unrouted.most[i]), config::kMaxSharesPerContent,
            measure == Measure::kRequestContent ? "the content of one request" : "the content of one answer");
  }
}

}  // namespace penstock::compile
