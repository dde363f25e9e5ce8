// What the proxy needs of a transport: connections by number, bytes in, bytes out, ends. The host adapts tcp::Stack to
// it; tests and the bench have one of byte buffers.
//
// Numbers are below Limits::connections and are not used again before release(). Thread: the worker's. Nothing calls
// back: what happened comes as events to the proxy. Contract:
//   peek      the unread bytes, in order, as ranges that stay good until consume(); returns how many bytes they hold
//   write     takes all of what writable() allowed; a transport that has less memory left says so in writable()
//   finish    no more bytes from us, reading goes on
//   close     both, gracefully where nothing unread is lost
//   abort     reset
//   peer_finished  the peer sent its end and nothing follows what is readable; false after a reset
//   widen     for bytes that nobody waits for: writable() may from now on allow much more, while memory is plentiful
//   touch     after bytes were consumed or written: the transport may have something to send
//   release   the proxy forgets the number; what close() left to say is still said
//   connect   kNone: no room; kNoPort: no source port. Else kConnected or kEnded follows as an event. Bytes may be
//             written before it
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"
#include "base/time.h"
#include "l7/config/cluster.h"

namespace penstock::proxy {

constexpr uint32_t kNone = UINT32_MAX;
constexpr uint32_t kNoPort = kNone - 1;  // connect(): all source ports to the endpoint are taken

// The bits of tcp::Event.
enum Event : uint8_t {
  kConnected = 1 << 0,
  kReadable = 1 << 1,
  kWritable = 1 << 2,
  kPeerFinished = 1 << 3,
  kEnded = 1 << 4,  // closed or reset; unread bytes stay readable
};

template <typename N>
concept Net = requires(N& net, uint32_t id, base::Nanos now, base::Bytes bytes, base::Bytes* pieces, size_t size,
                       size_t& count, const config::Endpoint& endpoint) {
  { net.peek(id, pieces, size, count) } -> std::convertible_to<size_t>;
  { net.readable(id) } -> std::convertible_to<size_t>;
  net.consume(id, size, now);
  { net.write(id, bytes, now) } -> std::convertible_to<size_t>;
  { net.writable(id) } -> std::convertible_to<size_t>;
  net.finish(id, now);
  net.close(id, now);
  net.abort(id);
  { net.peer_finished(id) } -> std::convertible_to<bool>;
  net.widen(id);
  net.touch(id);
  net.release(id);
  { net.connect(endpoint, now) } -> std::convertible_to<uint32_t>;
  { net.peer_address(id) } -> std::convertible_to<base::IpAddress>;
  { net.peer_port(id) } -> std::convertible_to<uint16_t>;
  { net.local_address(id) } -> std::convertible_to<base::IpAddress>;
};

}  // namespace penstock::proxy
