// Kind Workload (penstock.io/v1alpha1): which identity stands behind which interface, MAC and address; and what peers
// and rules say of identities.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "control/model/service.h"

namespace penstock::model {

struct Workload {
  Name name;
  std::string identity;                 // spiffe://...
  std::string interface;                // port or VLAN of the Node
  std::optional<base::MacAddress> mac;  // absent: any
  std::vector<base::Prefix> addresses;  // empty: all that no prefix of another Workload holds
  Labels labels;                        // metadata.labels: its endpoints carry them (subset.h)
  uint16_t number = 0;                  // by which peers know the identity; 0: the gateway chooses
  bool operator==(const Workload&) const = default;
};

// Identities are numbered by each gateway for itself: those that Workloads number are known to peers by configuration,
// the gateway numbers the others from kFirstChosenNumber on.
constexpr uint16_t kFirstChosenNumber = 32768;

struct PeerIdentity {  // what a number in a peer's packets means
  uint16_t number = 0;
  std::string identity;
  bool operator==(const PeerIdentity&) const = default;
};

// "spiffe://example.org/shop/web", or with "/*" at the end all that begin so. Failure: what would be valid.
constexpr std::string_view kAnyBelow = "/*";

}  // namespace penstock::model
