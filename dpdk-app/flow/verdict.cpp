#include "flow/verdict.h"

#include <array>

namespace penstock::flow {

namespace {
constexpr std::array<DropInfo, kDropReasons> kDropInfos{{{"none", "not dropped", Severity::kExpected},
#define PENSTOCK_DROP_INFO(name, sentence, severity) {#name, sentence, Severity::severity},
                                                         PENSTOCK_DROP_REASONS(PENSTOCK_DROP_INFO)
#undef PENSTOCK_DROP_INFO
}};
}  // namespace

const DropInfo& info(DropReason reason) {
  const auto index = static_cast<size_t>(reason);
  return kDropInfos[index < kDropReasons ? index : 0];
}

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kContinue:
      return "continue";
    case Verdict::kForward:
      return "forward";
    case Verdict::kLocal:
      return "local";
    case Verdict::kReject:
      return "reject";
    case Verdict::kPunt:
      return "punt";
    case Verdict::kTwin:
      return "twin";
    case Verdict::kHandOff:
      return "hand-off";
    case Verdict::kTerminate:
      return "terminate";
    case Verdict::kHeld:
      return "held";
    case Verdict::kDrop:
      return "drop";
  }
  return "unknown";
}

const char* to_string(Severity severity) {
  switch (severity) {
    case Severity::kExpected:
      return "expected";
    case Severity::kPeer:
      return "peer";
    case Severity::kCapacity:
      return "capacity";
    case Severity::kFault:
      return "fault";
  }
  return "unknown";
}

}  // namespace penstock::flow
