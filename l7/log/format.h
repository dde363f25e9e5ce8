// How an access record becomes a line: JSON, or a text with Envoy's operators ("%REQ(:METHOD)% %RESPONSE_CODE%").
//
// Parsed once; an unknown operator is an error that names its place. Immutable then, any thread. What the record has
// nothing for is "-" in a text and null in JSON; RESPONSE_CODE is 0 where nothing was answered, as Envoy has it.
// Durations of operators are whole milliseconds since the request began. What clients sent is escaped (text.h), and cut
// where the record cut it. A line ends with a newline.
//
// REQ(:AUTHORITY) is the host without its port, REQ(:PATH) the path as it was before any rewrite, without the query.
// Not here: headers besides those the record keeps (REQ of others and RESP are refused), START_TIME with a format.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "l7/log/names.h"
#include "l7/proxy/access_record.h"

namespace penstock::l7log {

#define PENSTOCK_LOG_OPERATORS(X)                                  \
  X(START_TIME, kStartTime)                                        \
  X(PROTOCOL, kProtocol)                                           \
  X(RESPONSE_CODE, kResponseCode)                                  \
  X(RESPONSE_CODE_DETAILS, kDetails)                               \
  X(RESPONSE_FLAGS, kFlags)                                        \
  X(BYTES_RECEIVED, kBytesReceived)                                \
  X(BYTES_SENT, kBytesSent)                                        \
  X(DURATION, kDuration)                                           \
  X(REQUEST_DURATION, kRequestDuration)                            \
  X(RESPONSE_DURATION, kResponseDuration)                          \
  X(RESPONSE_TX_DURATION, kResponseTxDuration)                     \
  X(UPSTREAM_HOST, kUpstreamHost)                                  \
  X(UPSTREAM_REMOTE_ADDRESS, kUpstreamHost)                        \
  X(UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT, kUpstreamAddress)        \
  X(UPSTREAM_CLUSTER, kUpstreamCluster)                            \
  X(UPSTREAM_REQUEST_ATTEMPT_COUNT, kAttempts)                     \
  X(ROUTE_NAME, kRouteName)                                        \
  X(DOWNSTREAM_REMOTE_ADDRESS, kPeer)                              \
  X(DOWNSTREAM_DIRECT_REMOTE_ADDRESS, kDirect)                     \
  X(DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT, kPeerAddress)          \
  X(DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT, kDirectAddress) \
  X(DOWNSTREAM_REMOTE_PORT, kPeerPort)

enum class Operator : uint8_t {
  kLiteral,
  kStartTime,
  kProtocol,
  kResponseCode,
  kDetails,  // why a message was refused
  kFlags,
  kBytesReceived,
  kBytesSent,
  kDuration,
  kRequestDuration,
  kResponseDuration,
  kResponseTxDuration,
  kUpstreamHost,
  kUpstreamAddress,
  kUpstreamCluster,
  kAttempts,
  kRouteName,
  kDirect,
  kDirectAddress,
  kPeer,
  kPeerAddress,
  kPeerPort,
  kMethod,  // REQ(...)
  kPath,
  kHost,
  kRequestId,
};

constexpr size_t kMaxFormat = 4096;  // bytes of a format; what a record holds fits many times

// What is needed besides the record.
struct Context {
  const Names& names;
  base::Nanos wall_now = 0, monotonic_now = 0;  // the same moment by both clocks

  base::Nanos wall_of(base::Nanos monotonic) const { return wall_now - monotonic_now + monotonic; }
};

class Format {
 public:
  // "json", or operators and literal text; "%%" is a percent sign.
  static base::Result<Format> parse(std::string_view text);

  void append(std::string& out, const proxy::AccessRecord& record, const Context& context) const;

 private:
  struct Piece {
    Operator what = Operator::kLiteral;
    std::string literal;
    size_t most = std::string::npos;          // of the bytes of a REQ
    Operator otherwise = Operator::kLiteral;  // REQ: where the first field is missing
  };

  base::Result<void> add(std::string_view inside, size_t place);
  base::Result<void> add_request(std::string_view argument, std::string_view most, size_t place);

  bool json_ = false;
  std::vector<Piece> pieces_;
};

void append_json(std::string& out, const proxy::AccessRecord& record, const Context& context);

}  // namespace penstock::l7log
