// What a gateway of the mesh may send: an offer, or behind a zero byte a grant. Whatever is taken is within its bounds,
// and an offer is written and read again as the same.
#include <cstdint>
#include <cstdlib>

#include "control/api/peer_messages.h"

using namespace penstock;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void check_offer(const uint8_t* data, size_t size) {
  v1::AgreeRequest message, written;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return;
  const auto offer = api::to_offer(message);
  if (!offer) return check(!offer.error().empty());
  check(offer->workers >= 1 && offer->workers <= mesh::kMaxWorkers && offer->told.size() <= mesh::kMaxTold);
  api::to_message(*offer, written);
  const auto again = api::to_offer(written);
  check(again.ok() && again->prefixes == offer->prefixes && again->told == offer->told &&
        again->cipher == offer->cipher && again->epoch == offer->epoch);
  static_cast<void>(mesh::disagreement(*offer, model::Peer{}));
}

void check_grant(const uint8_t* data, size_t size) {
  v1::AgreeResponse message;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return;
  const auto grant = api::to_grant(message);
  if (!grant) return check(!grant.error().empty());
  check(!grant->associations.empty() && grant->associations.size() <= mesh::kMaxGranted && grant->epoch != 0);
  for (const mesh::Association& each : grant->associations)
    check(each.key.view().size() <= 64 && each.integrity_key.view().size() <= 64);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size != 0 && data[0] == 0) {
    check_grant(data + 1, size - 1);
  } else {
    check_offer(data, size);
  }
  return 0;
}
