// The kernel's side of the exception path: gives a twin interface (a TAP that DPDK made) the port's addresses and
// brings it up, so that daemons of the host can bind to them. Control thread; needs CAP_NET_ADMIN.
#pragma once

#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace penstock::engine {

base::Result<void> set_up_twin(const std::string& kernel_interface, const std::vector<base::Prefix>& addresses,
                               uint16_t mtu);

}  // namespace penstock::engine
