// Carrying out what other threads ask of a worker (flow/command.h), a bounded part per round.
#pragma once

#include "engine/worker_state.h"

namespace penstock::engine {

// Works on the command; true when it is complete.
bool run_command_part(WorkerState& w, flow::Command& command);

}  // namespace penstock::engine
