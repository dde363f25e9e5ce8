// Flow messages to what workers understand, and back. Hot for Flows.Program: no allocation per entry.
#pragma once

#include <string>
#include <unordered_map>

#include "control/api/flows.pb.h"
#include "flow/command.h"
#include "flow/generation.h"

namespace penstock::api {

// Names of the live generation, looked up once per stream.
class FlowNames {
 public:
  explicit FlowNames(std::shared_ptr<const flow::Generation> generation);

  // "" is no interface; an unknown name is kUnknown.
  static constexpr uint32_t kUnknown = 0xfffffffe;
  uint32_t interface(const std::string& name) const;
  uint32_t mirror(const std::string& name) const;
  std::string interface_name(uint32_t id) const;
  std::string mirror_name(uint32_t slot) const;
  const flow::Generation* generation() const { return generation_.get(); }

 private:
  std::shared_ptr<const flow::Generation> generation_;
  std::unordered_map<std::string, uint32_t> interfaces_, mirrors_;
};

// Null: `op` is filled. Else a constant sentence that names the field and what would be valid.
const char* to_op(const v1::FlowOperation& message, const FlowNames& names, flow::ExactOp& op);

void to_message(const flow::FlowKey& key, const FlowNames& names, v1::FlowKey& message);
void to_message(const flow::ExactEntryView& entry, const FlowNames& names, v1::ExactFlow& message);
void to_message(const flow::TrackedFlowView& entry, const FlowNames& names, v1::TrackedFlow& message);

}  // namespace penstock::api
