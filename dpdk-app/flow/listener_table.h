// Where the gateway itself accepts TCP: own addresses and ports, each once. Immutable after seal(); built by control,
// read by workers. What is said there is the business of l7.
#pragma once

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <vector>

#include "base/address.h"

namespace penstock::flow {

class ListenerTable {
 public:
  void add(const base::IpAddress& address, uint16_t port) {
    ports_.set(port);
    all_.push_back({address, port});
  }
  void seal() {
    std::sort(all_.begin(), all_.end());
    all_.erase(std::unique(all_.begin(), all_.end()), all_.end());
  }

  bool empty() const { return all_.empty(); }
  bool accepts(const base::IpAddress& address, uint16_t port) const {
    return ports_.test(port) && std::binary_search(all_.begin(), all_.end(), Place{address, port});
  }

 private:
  struct Place {
    base::IpAddress address;
    uint16_t port;
    auto operator<=>(const Place&) const = default;
  };
  std::bitset<65536> ports_;  // most packets for the gateway end here
  std::vector<Place> all_;
};

}  // namespace penstock::flow
