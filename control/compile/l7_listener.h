// A ListenerPolicy as the values of a listener.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "control/model/state.h"
#include "l7/config/filters.h"
#include "l7/config/listener.h"

namespace penstock::compile {

// The one that counts for a listener of a Gateway; null: none.
std::shared_ptr<const model::ListenerPolicy> policy_of(const model::State& state, const model::Name& gateway,
                                                       std::string_view listener);

// Listeners of one address and port are told apart by the first request's Host: until then nobody knows whose policy
// counts, so theirs must be the same.
bool say_the_same(const model::ListenerPolicy* a, const model::ListenerPolicy* b);

// Answers become lists of filters, at the end of `filters`; their texts stay the policy's.
void put_policy(const std::shared_ptr<const model::ListenerPolicy>& policy, std::vector<config::Filters>& filters,
                config::Listener& out);

}  // namespace penstock::compile
