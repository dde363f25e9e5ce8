// A ListenerPolicy as the values of a listener.
#pragma once

#include <string_view>
#include <vector>

#include "control/model/state.h"
#include "l7/config/filters.h"
#include "l7/config/listener.h"

namespace penstock::compile {

// The one that counts for a listener of a Gateway; null: none.
const model::ListenerPolicy* policy_of(const model::State& state, const model::Name& gateway,
                                       std::string_view listener);

// Answers become lists of filters, at the end of `filters`.
void put_policy(const model::ListenerPolicy& policy, std::vector<config::Filters>& filters, config::Listener& out);

}  // namespace penstock::compile
