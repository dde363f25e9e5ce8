// One line of text for a packet, in the manner of `tcpdump -n`: for traces, logs, captures and test failures.
//
// Memory: reads only frame[0, size), whatever it holds; returns a new string of at most a few hundred characters.
// Any thread; slow (microseconds, allocates): never for every packet. Cannot fail: a frame that does not parse is
// described up to the point where it breaks, with the name of the ParseError in brackets.
// Does not: verify transport checksums, decode application data.
#pragma once

#include <string>

#include "base/bytes.h"
#include "wire/parse.h"

namespace penstock::wire {

// "IP 192.0.2.1.40000 > 198.51.100.2.80: Flags [S], seq 1, win 65535, options [mss 1460], length 0"
std::string describe(base::Bytes frame);

// The same for a datagram without Ethernet header. kQuoted: as an ICMP error quotes it.
std::string describe_ip(base::Bytes datagram, Whole whole = Whole::kYes);

}  // namespace penstock::wire
