// The gRPC server: the services of penstock.v1 on a unix socket and, with mutual TLS, on TCP; health and reflection.
//
// Threads: gRPC's own; they translate and enqueue (control/loop), or talk to workers through commands. Bounds: message
// size, concurrent streams, connections' idle pings, streams that run at the same time. A client that floods, stalls or
// disappears ends with its call and costs nobody else anything.
// Failure: one line that names the option or address; nothing listens then.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "control/api/patience.h"
#include "control/api/peer_link.h"
#include "control/loop/control_loop.h"
#include "control/telemetry/l7_stats.h"
#include "control/telemetry/log_source.h"

namespace penstock::api {

constexpr int kMaxMessageBytes = 64 << 20;  // a bundle of 10,000 services with 10 endpoints each is about 15 MiB
constexpr int kMaxStreamsPerConnection = 64;
constexpr int kMaxThreads = 192;  // of gRPC: streams and changes have places for 64 (services.h), short calls the rest

struct ServerOptions {
  std::string socket = "/run/penstock/penstock.sock";  // mode 0660; empty: none
  std::string listen;                                  // address:port; empty: none
  std::string tls_certificate, tls_key, tls_ca;        // PEM files
  bool insecure = false;                               // plain text on `listen`, also beyond loopback
  base::Nanos write_patience = kWritePatience;         // control/api/patience.h
  base::Nanos silence_patience = kSilencePatience;
};

// What Telemetry says about requests; what is not given does not exist. Any thread.
struct RequestSources {
  std::function<telemetry::L7Stats()> stats;
  telemetry::LogSource* access_log = nullptr;
};

class Server {
 public:
  static base::Result<std::unique_ptr<Server>> start(const ServerOptions& options, loop::ControlLoop& loop,
                                                     PeerLink& peer_link, RequestSources requests = {});
  ~Server();  // stop()
  // Lets calls that run finish for two seconds, then ends them.
  void stop();

 private:
  Server();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace penstock::api
