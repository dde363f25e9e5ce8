// What is remembered of an exchange that is over: one record of fixed size, for the access log.
//
// The worker fills it in place and gives it to a ring; the control thread formats. Texts are cut at their arrays'
// sizes, which the `_size` members show by holding the whole length. Times are the monotonic nanoseconds of the worker;
// 0: it did not come to that. Numbers of listener, route, cluster and endpoint are their stable slots (kNone: none).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/address.h"
#include "base/spsc_ring.h"
#include "base/time.h"
#include "l7/h1/refusal.h"
#include "l7/http/message.h"
#include "l7/proxy/net.h"

namespace penstock::proxy {

// Why an answer is not what the backend said, with the letters of Envoy's RESPONSE_FLAGS.
#define PENSTOCK_RESPONSE_FLAGS(X)                                                     \
  X(kNoRoute, "NR", "no route serves the request")                                     \
  X(kNoCluster, "NC", "the route's backend does not exist")                            \
  X(kNoHealthyUpstream, "UH", "no usable endpoint")                                    \
  X(kConnectFailed, "UF", "no connection to the endpoint came about")                  \
  X(kOverflow, "UO", "a limit of the cluster was met")                                 \
  X(kUpstreamTerminated, "UC", "the endpoint closed or reset before its answer ended") \
  X(kUpstreamProtocol, "UPE", "the endpoint's answer is not HTTP")                     \
  X(kUpstreamTimeout, "UT", "the answer took too long")                                \
  X(kRetriesExhausted, "URX", "the last of all tries failed")                          \
  X(kDownstreamTerminated, "DC", "the client closed or reset before the answer ended") \
  X(kDownstreamProtocol, "DPE", "the request is not HTTP")                             \
  X(kStreamIdle, "SI", "nothing moved for too long")                                   \
  X(kMaxDuration, "UMSDR", "the longest time for a request or connection was over")    \
  X(kDelayInjected, "DI", "delayed by a fault filter")                                 \
  X(kFaultInjected, "FI", "aborted by a fault filter")                                 \
  X(kAccessDenied, "AD", "refused by an access policy or an inspection")               \
  X(kRateLimited, "RL", "a rate limit of requests was met")                            \
  X(kOverload, "OM", "the worker has no room for another request, or no source port")

namespace detail {
enum class FlagNumber : uint8_t {
#define PENSTOCK_FLAG_NUMBER(name, letters, sentence) name,
  PENSTOCK_RESPONSE_FLAGS(PENSTOCK_FLAG_NUMBER)
#undef PENSTOCK_FLAG_NUMBER
      kCount
};
}  // namespace detail
constexpr size_t kFlags = static_cast<size_t>(detail::FlagNumber::kCount);

enum Flag : uint32_t {
#define PENSTOCK_FLAG_BIT(name, letters, sentence) name = 1u << static_cast<unsigned>(detail::FlagNumber::name),
  PENSTOCK_RESPONSE_FLAGS(PENSTOCK_FLAG_BIT)
#undef PENSTOCK_FLAG_BIT
};

inline constexpr std::array<const char*, kFlags> kFlagLetters = {
#define PENSTOCK_FLAG_LETTERS(name, letters, sentence) letters,
    PENSTOCK_RESPONSE_FLAGS(PENSTOCK_FLAG_LETTERS)
#undef PENSTOCK_FLAG_LETTERS
};

template <size_t kBytes>
struct CutText {
  uint16_t size = 0;  // of the whole text
  std::array<char, kBytes> bytes;

  void set(std::string_view text) {
    size = static_cast<uint16_t>(std::min<size_t>(text.size(), UINT16_MAX));
    std::memcpy(bytes.data(), text.data(), std::min(text.size(), kBytes));
  }
  std::string_view view() const { return {bytes.data(), std::min<size_t>(size, kBytes)}; }
};

struct AccessRecord {
  base::Nanos began = 0;           // the request's first byte, or a TCP connection
  base::Nanos request_ended = 0;   // its last byte
  base::Nanos upstream_began = 0;  // the head was sent, in the last try
  base::Nanos response_began = 0;  // the head was sent to the client
  base::Nanos ended = 0;
  uint64_t bytes_received = 0;  // content, without framing; of a tunnel everything
  uint64_t bytes_sent = 0;
  uint32_t flags = 0;  // Flag bits
  uint32_t listener = kNone, route = kNone, cluster = kNone, endpoint = kNone;
  uint32_t guard = kNone;    // with AD: who refused it, the slot of its counter
  uint32_t finding = kNone;  // the first pattern that an inspection found, likewise
  uint16_t findings = 0;     // so many were found
  uint16_t rule = 0;
  uint16_t status = 0;  // 0: no answer
  uint8_t tries = 0;    // how often a backend was asked
  http::Version version = http::Version::kHttp11;
  h1::Refusal refusal = h1::Refusal::kNone;  // with DPE and UPE: why
  base::IpAddress peer, backend;             // peer: the client, as far as those are believed who speak for it
  base::IpAddress direct;                    // who sent it to us
  uint16_t peer_port = 0, backend_port = 0, direct_port = 0;  // peer_port 0: only the address is known
  CutText<14> method;
  CutText<46> request_id;
  CutText<62> host;
  CutText<158> path;  // as matched, before any rewrite, without the query
};

using AccessLog = base::SpscRing<AccessRecord>;

}  // namespace penstock::proxy
