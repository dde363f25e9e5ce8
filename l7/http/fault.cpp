#include "l7/http/fault.h"

#include <array>

namespace penstock::http {

namespace {
constexpr std::array<FaultInfo, kFaults> kFaultInfos{{{"none", "no fault", 200},
#define PENSTOCK_HTTP_FAULT_INFO(name, sentence, status) {#name, sentence, status},
                                                      PENSTOCK_HTTP_FAULTS(PENSTOCK_HTTP_FAULT_INFO)
#undef PENSTOCK_HTTP_FAULT_INFO
}};
}  // namespace

const FaultInfo& info(Fault fault) {
  const auto index = static_cast<size_t>(fault);
  return kFaultInfos[index < kFaults ? index : 0];
}

}  // namespace penstock::http
