// What both sides of an exchange do with an HTTP/1 codec and a connection: ask for the next event, send content and its
// end. The codec is asked only for what there is room to send on: bytes it was not asked for stay in the transport and
// keep its window shut.
#pragma once

#include "l7/h1/encode.h"
#include "l7/h1/step.h"
#include "l7/proxy/net.h"

namespace penstock::proxy {

enum class Sent : uint8_t {
  kAll,
  kLater,  // no room yet: nothing was sent, try again when there is
  kBroken  // it can never be sent whole
};

template <Net N>
Sent write_whole(N& net, uint32_t id, base::Bytes bytes, base::Nanos now) {
  if (bytes.empty()) return Sent::kBroken;  // it did not fit into the scratch
  if (net.writable(id) < bytes.size()) return Sent::kLater;
  return net.write(id, bytes, now) == bytes.size() ? Sent::kAll : Sent::kBroken;
}

class ContentOut {
 public:
  // Around a piece of content: the frame of its chunk, and that of the last one.
  static constexpr size_t kFrame = h1::BodyEncoder::kPrefixBytes + 16;

  void begin(h1::OutFraming framing, uint64_t length) { encoder_.begin(framing, length); }

  template <Net N>
  static size_t room(N& net, uint32_t id) {
    const size_t writable = net.writable(id);
    return writable > kFrame ? writable - kFrame : 0;
  }
  // `data` is at most room().
  template <Net N>
  bool send(N& net, uint32_t id, base::Bytes data, base::Nanos now) {
    const auto prefix = encoder_.prefix(data.size());
    if (!prefix.allowed) return false;
    const base::Bytes frame{reinterpret_cast<const uint8_t*>(prefix.bytes), prefix.size};
    if (!frame.empty() && net.write(id, frame, now) != frame.size()) return false;
    return net.write(id, data, now) == data.size();
  }
  template <Net N>
  Sent end(N& net, uint32_t id, const http::Fields& trailers, base::Nanos now, base::MutableBytes scratch) {
    const auto finish = encoder_.finish(trailers, scratch);
    if (!finish.complete) return Sent::kBroken;
    return finish.size == 0 ? Sent::kAll : write_whole(net, id, scratch.first(finish.size), now);
  }

 private:
  h1::BodyEncoder encoder_;
};

// The next event of the messages that arrive on a connection. Of content at most `room` bytes are looked at; the caller
// consumes the step's bytes after it used them (`data` is a view of them). kMore: there is nothing to ask for.
// After a reset the end of the connection ends no content: what is missing cannot be known.
template <typename Parser, Net N>
h1::Step next_step(Parser& parser, N& net, uint32_t id, size_t room, bool dead, base::Nanos now) {
  for (;;) {
    base::Bytes piece;
    size_t count = 0;
    net.peek(id, &piece, 1, count);
    if (count == 0) piece = {};
    const bool all_read = piece.empty();
    if (piece.size() > room) piece = piece.first(room);
    const h1::Step step = parser.next(piece);
    if (step.event != h1::Event::kMore) return step;
    if (step.consumed != 0) {
      net.consume(id, step.consumed, now);
      continue;
    }
    if (!all_read) return step;
    if (net.peer_finished(id)) return parser.on_close();
    return dead ? h1::Step{h1::Event::kRefused} : step;
  }
}

}  // namespace penstock::proxy
