// ARP and neighbour discovery seen as one protocol: somebody asks who has an address, or says who has one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"

namespace penstock::neighbour {

enum class Verb : uint8_t {
  kQuestion,  // ARP request, neighbour solicitation
  kAnswer,    // ARP reply, neighbour advertisement
};

struct Message {
  Verb verb = Verb::kQuestion;
  // `subject` has the MAC address `mac`: the sender (ARP, question), the target of an advertisement. In a question it
  // may be unspecified: a probe for a duplicate (RFC 5227 §2.1.1, RFC 4862 §5.4.2). `mac` is zero when the message has
  // none.
  base::IpAddress subject;
  base::MacAddress mac;
  base::IpAddress target;       // question: the address asked for. ARP answer: whom it is for
  base::IpAddress destination;  // ND only: the IPv6 destination
  bool solicited = false;       // answers a question that was asked (ARP reply: always)
  bool override = true;         // may replace a MAC already known (RFC 4861 §4.4)
};

// What `frame` says; nothing when it is neither, or malformed, or fails the checks of RFC 4861 §7.1.
std::optional<Message> decode(base::Bytes frame);
// The frame from `source` to `destination`, untagged. Empty: the addresses of `message` mix families.
std::vector<uint8_t> encode(const Message& message, const base::MacAddress& source,
                            const base::MacAddress& destination);
base::IpAddress all_nodes();  // ff02::1

}  // namespace penstock::neighbour
