// What the slots of access records are called: the names of the live configuration.
//
// Keeps the configuration that it names from; made anew for each generation, never on a worker. Thread: one. Failure: a
// slot that has gone, or never was, has an empty name.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "l7/route/l7_config.h"

namespace penstock::l7log {

class Names {
 public:
  // Null: nothing is configured.
  explicit Names(std::shared_ptr<const route::L7Config> config);

  std::string_view listener(uint32_t slot) const;              // "Gateway/namespace/name/listener"
  std::string_view route(uint32_t slot) const;                 // "namespace/name"
  std::string_view rule(uint32_t route, uint16_t rule) const;  // as the user named it
  std::string_view cluster(uint32_t slot) const;               // as config::Cluster::name says

  const guard::Counted* guard(uint32_t slot) const;  // null: none

  const route::L7Config* config() const { return config_.get(); }

 private:
  std::shared_ptr<const route::L7Config> config_;
  std::unordered_map<uint32_t, const config::Listener*> listeners_;
  std::unordered_map<uint32_t, const config::Route*> routes_;
  std::unordered_map<uint32_t, const config::Cluster*> clusters_;
  std::unordered_map<uint32_t, const guard::Counted*> guards_;
};

}  // namespace penstock::l7log
