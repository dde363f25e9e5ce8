// What a parser says when it is asked for the next event.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace penstock::h1 {

enum class Event : uint8_t {
  kMore,     // all input is used up (see `consumed`), or the message is over and the next has not begun
  kHead,     // the head is complete
  kInterim,  // a 1xx response is complete (not 101, which is a head); the final one follows
  kContent,  // `data`: the next bytes of the content, a view of the input
  kEnd,      // the message is complete, its trailers are in the head
  kTunnel,   // `data`: bytes that are no HTTP any more
  kClosed,   // the peer closed where it may
  kRefused   // see refusal(); the connection must be closed
};

struct Step {
  Event event;
  size_t consumed = 0;  // bytes of the input that are done with; the caller offers the rest again, or more
  base::Bytes data{};
};

}  // namespace penstock::h1
