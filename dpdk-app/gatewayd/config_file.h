// The manifest given with --config: read at start and at SIGHUP, and applied as the whole configuration.
#pragma once

#include <string>

#include "base/result.h"
#include "control/loop/control_loop.h"

namespace penstock::gatewayd {

constexpr size_t kMaxConfigBytes = 64u << 20;  // as a bundle over the API

// Reads the file, or every *.yaml, *.yml and *.json of the directory in the order of their names, and applies it.
// Objects that it does not name are removed. An error changes nothing; its text has a line a fault.
base::Result<loop::ApplyResult> apply_config(const std::string& path, loop::ControlLoop& loop);

}  // namespace penstock::gatewayd
