// Explain's packets: from a description, a frame or a capture file to frames, and what became of them in words.
#pragma once

#include <vector>

#include "base/result.h"
#include "control/api/flows.pb.h"
#include "control/loop/dataplane.h"

namespace penstock::api {

constexpr size_t kMaxExplained = 64;  // packets of a capture file

// The frames as they would arrive at `in`: addressed to its MAC, with its VLAN tag. An error names the field.
base::Result<std::vector<std::vector<uint8_t>>> frames_of(const v1::ExplainRequest& request, const flow::Interface& in);

void put_explanation(const std::vector<uint8_t>& frame, const loop::Explanation& explained,
                     v1::PacketExplanation& message);
void put_step(const loop::TraceStep& step, v1::TraceStep& message);

}  // namespace penstock::api
