// Which of its own addresses a gateway speaks with: from an interface, and towards what lies behind a tunnel.
//
// Pure functions over a generation. Failure: an unspecified address where it has none of that family. Link-local
// addresses are a last resort of the first and never the second's.
#pragma once

#include "flow/generation.h"

namespace penstock::flow {

// Of the hop's interface, on the way to `destination`: the one in whose subnet the next hop lies, else its first of the
// destination's family.
base::IpAddress address_on(const Interface& interface, const NextHop& hop, const base::IpAddress& destination);

// One that is no tunnel's end, so that an answer to it fits the tunnel.
base::IpAddress address_inside(const Generation& generation, bool v4);

}  // namespace penstock::flow
