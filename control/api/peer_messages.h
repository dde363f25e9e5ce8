// Messages of PeerLink <-> the words of control/mesh. What comes is bounded here. Failure: a sentence that names the
// field.
#pragma once

#include "base/result.h"
#include "control/api/peer_link.pb.h"
#include "control/mesh/terms.h"

namespace penstock::api {

base::Result<mesh::Offer> to_offer(const v1::AgreeRequest& message);
void to_message(const mesh::Offer& offer, v1::AgreeRequest& message);

// Wipes the keys of the message.
base::Result<mesh::Grant> to_grant(v1::AgreeResponse& message);
void to_message(const mesh::Grant& grant, v1::AgreeResponse& message);

}  // namespace penstock::api
