// An object in a few words, for tables.
#pragma once

#include <string>

#include "control/api/config.pb.h"

namespace penstock::cli {

std::string summary_of(const v1::Object& object);
std::string target_text(const v1alpha1::LimitTarget& target);  // "interface wan"
std::string limit_rate_text(const v1alpha1::LimitRate& rate);  // "10k packets/s"

}  // namespace penstock::cli
