// Trees to protobuf messages and back, by the messages' own descriptors: field names are protobuf's JSON names.
//
// read_message() reports every fault with its path and line, not only the first: unknown fields (unless the message is
// one of Kubernetes', whose fields beyond ours are ignored), values of a wrong type, numbers out of their type's range,
// NaN and infinity, two fields of one choice. null is as good as absent. Text fields take plain numbers and switches as
// they are written (`reversePath: off`, `ports: [80]`).
// write_message() writes fields in the order of the .proto. Any thread; nothing throws.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "control/api/tree.h"

namespace penstock::api {

struct TreeFault {
  uint32_t line = 0;
  std::string path;  // "spec.rules[3].to"
  std::string reason;
};

constexpr size_t kMaxTreeFaults = 1000;  // kept: nobody reads more

// Appends to `faults` while there are fewer than kMaxTreeFaults.
void read_message(const Tree& tree, google::protobuf::Message& message, std::vector<TreeFault>& faults);

enum class Defaults : uint8_t {
  kOmit,   // fields at their zero value are left out: what a user would write
  kWrite,  // numbers and switches are always there: for programs that read counters
};
Tree write_message(const google::protobuf::Message& message, Defaults defaults);

}  // namespace penstock::api
