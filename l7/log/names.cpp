#include "l7/log/names.h"

namespace penstock::l7log {

namespace {

template <typename T>
const T* find(const std::unordered_map<uint32_t, const T*>& all, uint32_t slot) {
  const auto at = all.find(slot);
  return at == all.end() ? nullptr : at->second;
}

}  // namespace

Names::Names(std::shared_ptr<const route::L7Config> config) : config_(std::move(config)) {
  if (config_ == nullptr) return;
  for (const config::Listener& each : config_->listeners) listeners_[each.slot] = &each;
  for (const config::Route& each : config_->routes)
    if (each.slot != route::kNoRouteSlot) routes_[each.slot] = &each;
  for (const config::Cluster& each : config_->clusters) clusters_[each.slot] = &each;
  for (const guard::Counted& each : config_->guards.counted) guards_[each.slot] = &each;
}

std::string_view Names::listener(uint32_t slot) const {
  const config::Listener* found = find(listeners_, slot);
  return found == nullptr ? std::string_view() : found->name;
}

std::string_view Names::route(uint32_t slot) const {
  const config::Route* found = find(routes_, slot);
  return found == nullptr ? std::string_view() : found->name;
}

std::string_view Names::rule(uint32_t route, uint16_t rule) const {
  const config::Route* found = find(routes_, route);
  return found == nullptr || rule >= found->rules.size() ? std::string_view() : found->rules[rule].name;
}

std::string_view Names::cluster(uint32_t slot) const {
  const config::Cluster* found = find(clusters_, slot);
  return found == nullptr ? std::string_view() : found->name;
}

const guard::Counted* Names::guard(uint32_t slot) const { return find(guards_, slot); }

}  // namespace penstock::l7log
