// What the filters of a rule, or of a backend, do with a request and its answer: the order is this file's.
//
//   request:   CORS preflight (answers) → fault (delays, resets, aborts, slows down) → redirect (answers) → direct
//   response (answers)
//              → header changes → host and path
//   Forwarding fields (l7/http/forwarding.h) are written before, so that header changes may change them.
//   response:  header changes of the rule → of the backend → session → CORS
//
// Each filter that answers ends the chain. CORS comes first, as in Envoy, so that a browser is told even when the
// request itself would be aborted; header changes come before the rewrite, so that they cannot undo it. Answers of the
// gateway's own to a request of a rule are responses, too: a browser hides a 429 without CORS fields from its page.
// Only the answer to a preflight is as CORS made it.
// Pure: values in, values out; chance comes from the caller. Memory: texts in the verdict are views of the request's
// arena. Failure: a change that does not fit, or a path that is none, is answered 500 (kFiltersFailed); in an answer of
// the gateway's own it is left out, and counted all the same. Mirrors are connections and therefore the exchange's
// business.
#pragma once

#include <string_view>

#include "l7/config/filters.h"
#include "l7/http/message.h"
#include "l7/http/path.h"
#include "l7/proxy/random.h"

namespace penstock::proxy {

struct RequestAt {
  uint16_t port = 0;          // that the client used
  std::string_view path;      // that was matched: a backend's rewrite is about it, too, and replaces the rule's
  uint32_t prefix_bytes = 0;  // of it, route::Candidate
  http::PathPolicy policy;
  std::string_view origin;  // the request's, where the rule's CORS allows it
};

struct FilterVerdict {
  bool answered = false;   // `answer` is filled, but for the content's length when there is a body
  bool failed = false;     // the answer is the 500 of a filter that could not do its work
  bool body = false;       // the content is that of Filters::direct
  bool preflight = false;  // the answer is that to a preflight
  uint32_t flags = 0;      // Flag bits
  bool reset = false;      // the client's connection is to end without an answer
  double throttle = 0;     // bits per second of the answer's content
  base::Nanos delay = 0;   // before anything else is done
};

// Whether CORS answers the request. Nobody else is asked about it then: a browser sends a preflight without what would
// let the request itself in, and learns nothing but who may ask.
bool is_answered_by_cors(const config::Filters& filters, std::string_view origin, const http::RequestHead& head);

FilterVerdict filter_request(const config::Filters& filters, const RequestAt& at, http::RequestHead& head,
                             http::ResponseHead& answer, Random& random);

// Whether anything is done with an answer.
inline bool filters_responses(const config::Filters& filters) {
  return !filters.response.empty() || filters.cors || filters.session;
}

// Status and fields of a direct response; status 0 leaves the answer's. False: a field did not fit.
bool write_direct(const config::DirectResponse& direct, http::ResponseHead& answer);

// "Set, add, remove" of one message. False: a change did not fit, and was left out.
bool change_fields(const std::vector<config::HeaderChange>& changes, http::Fields& fields);

}  // namespace penstock::proxy
