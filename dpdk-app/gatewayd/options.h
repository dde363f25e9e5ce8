// The command line of penstock-gatewayd: where things are, never what the gateway does (that is the Node object's
// part).
#pragma once

#include <optional>
#include <string>

#include "control/api/server.h"
#include "control/loop/log.h"
#include "engine/engine.h"
#include "gatewayd/access_log.h"

namespace penstock::gatewayd {

struct Options {
  std::string config;  // file or directory of manifests; empty: none
  std::string store = "/var/lib/penstock/penstock.db";
  std::string metrics;  // address:port; empty: no endpoint
  api::ServerOptions server;
  engine::EngineOptions engine;
  AccessLogOptions access_log;
  loop::log::Level log_level = loop::log::Level::kInfo;
  loop::log::Format log_format = loop::log::Format::kKeyValue;
};

// Nothing: the program ends now with `status` (help, version, a wrong option).
std::optional<Options> parse_options(int argc, char** argv, int& status);

}  // namespace penstock::gatewayd
