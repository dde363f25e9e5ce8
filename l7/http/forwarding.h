// What a gateway tells the next hop about where a request came from, and what it believes of what it was told:
// X-Forwarded-For/-Proto/-Host/-Port, Forwarded (RFC 7239), Via (RFC 9110 7.6.3), X-Request-Id, Max-Forwards (7.6.2).
//
// Trust: the sender itself is known by its address; what it says about hops before it is believed for `trusted_hops`
// entries, counted from the right, as Envoy's xff_num_trusted_hops. With no trusted hop the gateway is the edge: what
// the request brought is replaced (kReplace), unless the policy says otherwise. Pure: addresses, the time and random
// bits come from the caller. Failure: a Fault when a field does not fit.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/address.h"
#include "l7/http/message.h"

namespace penstock::http {

constexpr unsigned kMaxTrustedHops = 16;          // a longer chain of proxies is a loop
constexpr uint32_t kMaxRequestIdBytes = 128;      // a longer id from outside is replaced
constexpr uint32_t kMaxAddressChainBytes = 2048;  // of X-Forwarded-For or Forwarded; a longer one is begun anew

enum class Chain : uint8_t {
  kReplace,  // ours is the first entry
  kAppend,   // ours comes after theirs
  kPass,     // untouched
  kRemove    // none leaves
};

struct ForwardingPolicy {
  Chain x_forwarded = Chain::kReplace;  // X-Forwarded-For; -Proto, -Host and -Port follow it
  Chain forwarded = Chain::kRemove;     // the standard's own field: what nobody vouches for does not pass
  unsigned trusted_hops = 0;            // how many proxies in front of the sender's address are believed
  bool keep_request_id = true;          // a usable X-Request-Id of the sender is kept
  std::string_view via = "penstock";    // RFC 9110 7.6.3 pseudonym; empty: no Via (against the MUST, but asked for)
  bool operator==(const ForwardingPolicy&) const = default;
};

struct Arrival {
  base::IpAddress peer;   // who sent the request to us
  base::IpAddress local;  // where it arrived
  uint16_t peer_port = 0;
  uint16_t local_port = 0;
  Scheme scheme = Scheme::kHttp;
};

// The address that limits, access rules and logs use: the peer's, or, with n trusted hops, the n-th entry of
// X-Forwarded-For from the right; the peer's when there are fewer entries or that entry is no address.
base::IpAddress client_address(const Fields& fields, const Arrival& arrival, const ForwardingPolicy& policy);

// How the client addressed its request: as it arrived, or as the sender says in X-Forwarded-Proto ("http", "https") and
// X-Forwarded-Port where it is believed (a trusted hop, and kAppend). A scheme that differs brings its own port. What
// the target says counts for nothing: anybody can write "https://" into it.
struct Entrance {
  Scheme scheme = Scheme::kHttp;
  uint16_t port = 0;
  bool operator==(const Entrance&) const = default;
};
Entrance client_entrance(const Fields& fields, const Entrance& arrived, const ForwardingPolicy& policy);

// Writes the fields into a request on its way to a server, before any filter changes it: the host is the one that the
// client sent. Before it, nothing of them is changed by a codec.
Fault add_forwarding_fields(RequestHead& head, const Arrival& arrival, const ForwardingPolicy& policy);

// The request's id: the one it brought if the policy keeps it and it is usable (visible characters, bounded), else a
// version 4 UUID (RFC 9562 5.4) of the 16 random bytes. Writes it into the request.
Fault add_request_id(RequestHead& head, const std::array<uint8_t, 16>& random, const ForwardingPolicy& policy);

// Appends this gateway to Via, with the version in which the message arrived.
Fault add_via(Fields& fields, Version received, std::string_view pseudonym);

// TRACE and OPTIONS with Max-Forwards: 0 ends here (answer it), else the next hop gets one less. Other requests, and
// requests without the field, are forwarded. A value that is no number is bad_field_value.
enum class Hop : uint8_t { kForward, kAnswer, kRefuse };
Hop next_hop(RequestHead& head);

// Which interim responses a client gets. One per request. 100 once, and only if the request expects it and no byte of
// its content has come (RFC 9110 10.1.1); 103 and others always; none to HTTP/1.0 (RFC 9110 15.2); 101 is no interim
// response but the end of HTTP on the connection.
class InterimGate {
 public:
  explicit InterimGate(const RequestHead& head)
      : speaks_(head.version != Version::kHttp10), continue_due_(head.expects_continue) {}
  void on_content() { continue_due_ = false; }
  bool admit(uint16_t status) {
    if (!is_interim(status) || status == kSwitchingProtocols || !speaks_) return false;
    if (status != kContinue) return true;
    const bool due = continue_due_;
    continue_due_ = false;
    return due;
  }
  bool continue_due() const { return speaks_ && continue_due_; }

 private:
  bool speaks_;
  bool continue_due_;
};

}  // namespace penstock::http
