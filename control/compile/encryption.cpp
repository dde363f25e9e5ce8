// Node spec.mesh.encrypt → demands on routes. The packet path looks up an address once, among routes; so what is said
// of a prefix is written on every route inside it, and where it begins inside a route that route is split.
#include <algorithm>
#include <map>

#include "control/compile/parts.h"

namespace penstock::compile {

namespace {

base::Prefix cut(const base::Prefix& prefix, uint8_t length) { return base::Prefix{prefix.address, length}.network(); }

class Demands {
 public:
  explicit Demands(const std::vector<model::EncryptRule>& rules) {
    uint16_t next = 0;
    for (const model::EncryptRule& rule : rules) {
      const bool required = rule.mode == model::Encryption::kRequired;
      by_prefix_[rule.prefix.network()] = required ? ++next : uint16_t{0};
      (rule.prefix.is_v4() ? lengths4_ : lengths6_).push_back(rule.prefix.length);
    }
    for (auto* lengths : {&lengths4_, &lengths6_}) {
      std::sort(lengths->rbegin(), lengths->rend());
      lengths->erase(std::unique(lengths->begin(), lengths->end()), lengths->end());
    }
  }
  // Of the longest rule that holds all of the prefix.
  uint16_t on(const base::Prefix& prefix) const {
    for (const uint8_t length : prefix.is_v4() ? lengths4_ : lengths6_) {
      if (length > prefix.length) continue;
      if (const auto rule = by_prefix_.find(cut(prefix, length)); rule != by_prefix_.end()) return rule->second;
    }
    return 0;
  }

 private:
  std::map<base::Prefix, uint16_t> by_prefix_;
  std::vector<uint8_t> lengths4_, lengths6_;  // that some rule has, longest first
};

// The route that each rule's prefix begins inside of: of the longest around it the last.
class Around {
 public:
  Around(const std::vector<model::EncryptRule>& rules, const std::vector<flow::RouteSpec>& specs) {
    for (const model::EncryptRule& rule : rules)
      for (unsigned length = 0; length <= rule.prefix.length; ++length)
        by_prefix_[cut(rule.prefix, static_cast<uint8_t>(length))] = nullptr;
    for (const flow::RouteSpec& spec : specs)
      if (const auto place = by_prefix_.find(spec.prefix.network()); place != by_prefix_.end()) place->second = &spec;
  }
  const flow::RouteSpec* of(const base::Prefix& prefix) const {
    for (int length = prefix.length; length >= 0; --length)
      if (const auto place = by_prefix_.find(cut(prefix, static_cast<uint8_t>(length)))->second; place != nullptr)
        return place;
    return nullptr;
  }

 private:
  std::map<base::Prefix, const flow::RouteSpec*> by_prefix_;
};

}  // namespace

flow::Encryption encryption_of(model::Encryption encryption) {
  switch (encryption) {
    case model::Encryption::kRequired:
      return flow::Encryption::kRequired;
    case model::Encryption::kPreferred:
      return flow::Encryption::kPreferred;
    case model::Encryption::kOff:
      return flow::Encryption::kOff;
  }
  return flow::Encryption::kRequired;
}

std::vector<base::Prefix> required_of(const model::Node& node) {
  std::vector<base::Prefix> required;
  for (const model::EncryptRule& rule : node.encrypt)
    if (rule.mode == model::Encryption::kRequired) required.push_back(rule.prefix.network());
  return required;
}

void demand_encryption(const model::Node& node, std::vector<flow::RouteSpec>& specs) {
  if (node.encrypt.empty()) return;
  const Demands demands(node.encrypt);
  for (flow::RouteSpec& spec : specs) spec.demand = demands.on(spec.prefix);
  const Around around(node.encrypt, specs);
  std::vector<flow::RouteSpec> split;
  for (const model::EncryptRule& rule : node.encrypt) {
    const base::Prefix prefix = rule.prefix.network();
    const flow::RouteSpec* route = around.of(prefix);
    if (route != nullptr && route->prefix.network() == prefix) continue;
    flow::RouteSpec& part = split.emplace_back();
    if (route != nullptr) part = *route;
    part.prefix = prefix;
    part.demand = demands.on(prefix);
  }
  std::move(split.begin(), split.end(), std::back_inserter(specs));
}

std::vector<base::IpAddress> remotes_of(const model::State& state) {
  std::vector<base::IpAddress> remotes;
  for (const auto& [name, peer] : state.peers) {
    for (const base::IpAddress& address : peer->addresses()) remotes.push_back(address);
    if (!peer->identity.empty()) remotes.push_back(peer->link_address().address);
  }
  std::sort(remotes.begin(), remotes.end());
  remotes.erase(std::unique(remotes.begin(), remotes.end()), remotes.end());
  return remotes;
}

}  // namespace penstock::compile
