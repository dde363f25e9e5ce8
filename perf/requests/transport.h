// What clients and servers need of a transport: connections by number, bytes in and out, ends. Chosen when the program
// is compiled, so that a request costs no virtual call: tcp::Stack over a port (stack_transport.h), the kernel's
// sockets (kernel_transport.h), or a test's.
//
// A round: arrive(now), next_event() until false, any calls, depart(now). Numbers are below capacity(); after leave()
// or abort() a number is forgotten and may come back for another connection, and no event of the old one follows.
//   connect    a connection to the target under way, or kNone: no source port, no descriptor, no memory of our own
//   accept     the next connection to the listening address, or kNone; only of a transport that listens
//   refused    so far: connections that could not be accepted for want of room, counted whenever that was tried
//   write      bytes taken; fewer: kWritable follows when there is room
//   read       gives every byte that is there to the function and is done with it: who needs one later copies it
//   end        why it is over; kOpen and kFinished are no failures
//   leave      we are done: what was written still goes out, then the end; abort: a reset
//   waits_on   a descriptor that is readable when arrive() has something to do; -1: only asking tells
// Bytes and nanoseconds; one thread.
#pragma once

#include <concepts>

#include "base/bytes.h"
#include "base/time.h"
#include "l7/tcp/stack.h"

namespace penstock::requests {

using tcp::End;
using tcp::kNone;
using tcp::Ready;

template <typename T>
concept Transport = requires(T& t, uint32_t id, base::Nanos now, base::Bytes bytes, Ready& ready,
                             void (*on_bytes)(base::Bytes)) {
  { t.arrive(now) } -> std::same_as<bool>;
  { t.depart(now) } -> std::same_as<bool>;
  { t.next_event(ready) } -> std::same_as<bool>;
  { t.connect(now) } -> std::same_as<uint32_t>;
  { t.accept(now) } -> std::same_as<uint32_t>;
  { t.refused() } -> std::same_as<uint64_t>;
  { t.write(id, bytes, now) } -> std::same_as<size_t>;
  t.read(id, now, on_bytes);
  { t.peer_finished(id) } -> std::same_as<bool>;
  { t.end(id) } -> std::same_as<End>;
  t.leave(id, now);
  t.abort(id);
  { t.capacity() } -> std::same_as<uint32_t>;
  { t.waits_on() } -> std::same_as<int>;
};

}  // namespace penstock::requests
