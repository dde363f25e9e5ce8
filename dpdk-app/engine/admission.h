// What the filter asks of a flow that is already open: would it be let in today? A change of policy takes effect at the
// flow's next packet, whichever direction that has: nothing walks the table (DECISIONS).
//
// The worker's own; called by the filter stage. What a flow was opened with is kept beside it (FlowOrigin).
#pragma once

#include "engine/worker_state.h"
#include "flow/filter.h"

namespace penstock::engine {

// The flow's packet is the first one since the filter may have changed, or since another identity sent it.
bool is_due(const Packet& p, const WorkerState& w);

// What the flow's first packet would show to the filter now. False: it is not known where that came in.
bool first_input(const Packet& p, const WorkerState& w, flow::FilterInput& input);

// The flow may go on in this generation.
void readmit(const Packet& p, WorkerState& w);

// The flow is not let in any more: the packet is dropped under `reason`. With Answer::kReset a TCP connection is reset
// at both ends; of other flows, and whenever it sends again, the sender is told. The entry stays until nobody used it
// for a while and answers for all its packets: without it an end that was told nothing would open the flow again, as
// its own.
void refuse_flow(Packet& p, WorkerState& w, flow::DropReason reason, Answer answer);

// The identity that the flow's answers come from, as far as it is known.
flow::Identity identity_behind(const Packet& p, const WorkerState& w);

}  // namespace penstock::engine
