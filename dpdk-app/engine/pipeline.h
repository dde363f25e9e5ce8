// The order of work on a packet. This file is the order: read it top to bottom.
#pragma once

#include "engine/stage_list.h"
#include "engine/stages/claim.h"
#include "engine/stages/decrypt.h"
#include "engine/stages/emit.h"
#include "engine/stages/encrypt.h"
#include "engine/stages/exact.h"
#include "engine/stages/filter.h"
#include "engine/stages/find.h"
#include "engine/stages/identify.h"
#include "engine/stages/limit.h"
#include "engine/stages/mirror.h"
#include "engine/stages/open.h"
#include "engine/stages/parse.h"
#include "engine/stages/reassemble.h"
#include "engine/stages/reply.h"
#include "engine/stages/resolve.h"
#include "engine/stages/rewrite.h"
#include "engine/stages/route.h"
#include "engine/stages/shard.h"
#include "engine/stages/steer.h"

namespace penstock::engine {

// Packets from devices and from other workers.
using Pipeline = StageList<0,           //
                           Parse,       // headers, interface, what no host may send
                           Decrypt,     // ESP for us: the inner packet goes on
                           Identify,    // whose packet it is: the workload behind interface, address, MAC
                           Shard,       // is another worker the owner?
                           Reassemble,  // later fragments learn the ports of the first
                           Exact,       // programmed exact-match entries
                           Find,        // the flow this packet belongs to
                           Route,       // longest-prefix match, reverse path
                           Claim,       // TCP that ends here: connections and listeners of the gateway
                           Filter,      // access rules
                           Open,        // a new flow: service, endpoint, source NAT
                           Limit,       // token buckets
                           Mirror,      // copies
                           Steer,       // where to: deliver, forward, punt, reject
                           Reply,       // echo replies, ICMP errors, resets
                           Rewrite,     // NAT, TTL, DSCP, MSS, encapsulation
                           Encrypt,     // ESP to a peer: the outer packet goes on
                           Resolve,     // next hop's MAC, VLAN tag, fragmentation
                           Emit>;       // transmit queues, hand-off, punt, drop counters

// The gateway's own packets (answers, health checks): routed and sent, nothing decided about them.
using OwnPipeline = StageList<Pipeline::kCount, Parse, Route, Steer, Rewrite, Encrypt, Resolve, Emit>;

}  // namespace penstock::engine
