#include "l7/h1/refusal.h"

#include <array>

namespace penstock::h1 {

namespace {
constexpr std::array<http::FaultInfo, kRefusals> kRefusalInfos{{{"none", "not refused", 200},
#define PENSTOCK_H1_REFUSAL_INFO(name, sentence, status) {#name, sentence, status},
                                                                PENSTOCK_HTTP_FAULTS(PENSTOCK_H1_REFUSAL_INFO)
                                                                    PENSTOCK_H1_REFUSALS(PENSTOCK_H1_REFUSAL_INFO)
#undef PENSTOCK_H1_REFUSAL_INFO
}};
}  // namespace

const http::FaultInfo& info(Refusal refusal) {
  const auto index = static_cast<size_t>(refusal);
  return kRefusalInfos[index < kRefusals ? index : 0];
}

}  // namespace penstock::h1
