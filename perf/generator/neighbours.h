// Address resolution of one port (ARP, RFC 826; neighbour discovery, RFC 4861): asks for the gateway's Ethernet address
// and answers for the port's own address and for the prefixes it was told to answer for. Messages are judged by
// wire/arp_nd.h.
//
// Writes into the caller's buffer; keeps nothing of what it is shown but the gateway's address. Borrowed: the station,
// which outlives it. One thread.
#pragma once

#include <optional>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "wire/arp_nd.h"
#include "wire/parse.h"

namespace penstock::load {

// Who a port is on its link, of either family; a gateway's is the address's.
struct Station {
  std::optional<base::Prefix> address;  // as given: the host's address and the length of its subnet
  std::optional<base::IpAddress> gateway;
  std::vector<base::Prefix> answers;  // more addresses it answers for
};

class Neighbours {
 public:
  static constexpr size_t kLongest = 128;  // bytes of a message

  Neighbours(const Station& station, const base::MacAddress& own) : station_(station), own_(own) {}

  const base::MacAddress& own() const { return own_; }
  bool resolved() const { return !station_.gateway || gateway_.has_value(); }
  const std::optional<base::MacAddress>& gateway() const { return gateway_; }

  // The question for the gateway's address, at most kLongest bytes; its length.
  size_t question(base::MutableBytes out) const;
  // Was this a message of address resolution? An answer, if one is due, is in `out` with its length in `answer`.
  bool handle(base::Bytes frame, const wire::Headers& headers, base::MutableBytes out, size_t& answer);

 private:
  bool answers_for(const base::IpAddress& address) const;
  void learn(const base::IpAddress& address, const base::MacAddress& mac);
  size_t answer_arp(base::Bytes frame, const wire::Headers& headers, base::MutableBytes out);
  size_t answer_nd(const wire::NdMessage& message, const base::MacAddress& from, base::MutableBytes out);

  const Station& station_;
  const base::MacAddress own_;
  std::optional<base::MacAddress> gateway_;
};

}  // namespace penstock::load
