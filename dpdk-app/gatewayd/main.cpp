// penstock-gatewayd: the wiring of engine, control loop, API and metrics, and nothing else.
//
// Exit status: 0 after a drain or SIGINT, 1 when something it needs is missing (one line says what), 2 for wrong
// options.
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstdio>

#include "control/api/codec.h"
#include "control/api/peer_tls.h"
#include "control/store/store.h"
#include "control/telemetry/metrics.h"
#include "engine/pipeline.h"
#include "gatewayd/access_log.h"
#include "gatewayd/config_file.h"
#include "gatewayd/engine_dataplane.h"
#include "gatewayd/options.h"

namespace penstock::gatewayd {
namespace {

namespace log = loop::log;

loop::ControlLoop::Options loop_options() {
  loop::ControlLoop::Options options;
  for (const char* name : engine::Pipeline::kNames) options.stages.emplace_back(name);
  for (const char* name : engine::OwnPipeline::kNames) options.stages.push_back(std::string("own_") + name);
  return options;
}

int fail(const std::string& why) {
  std::fprintf(stderr, "penstock-gatewayd: %s\n", why.c_str());
  return 1;
}

sigset_t blocked_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int each : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, each);
  return set;
}

void reload(const Options& options, loop::ControlLoop& loop, AccessLog& access_log) {
  if (!options.access_log.file.empty()) {
    access_log.reopen();
    if (options.config.empty()) return;
  }
  if (options.config.empty()) return log::warn("SIGHUP without --config or --access-log: nothing to read");
  auto applied = apply_config(options.config, loop);
  if (!applied) return log::error("configuration refused, the old one stays", {{"reason", applied.error()}});
  log::info("configuration applied",
            {{"revision", std::to_string(applied->revision)}, {"generation", std::to_string(applied->generation)}});
}

unsigned drain_seconds(const loop::ControlLoop& loop) {
  const auto state = loop.state();
  return state->node == nullptr ? 0 : state->node->drain_seconds;
}

// New flows are refused, the others and connections of clients go on until they end or the deadline passes; another
// signal ends it at once.
void drain(loop::ControlLoop& loop, const sigset_t& signals) {
  const unsigned seconds = drain_seconds(loop);
  if (auto drained = loop.drain(true); !drained) log::warn("drain refused", {{"reason", drained.error()}});
  log::info("draining", {{"flows", std::to_string(loop.tracked_flows())},
                         {"connections", std::to_string(loop.client_connections())},
                         {"seconds", std::to_string(seconds)}});
  const base::Nanos deadline = base::monotonic_now() + seconds * base::kNanosPerSecond;
  while (loop.tracked_flows() + loop.client_connections() != 0 && base::monotonic_now() < deadline) {
    constexpr timespec kLook{0, 100'000'000};
    if (sigtimedwait(&signals, nullptr, &kLook) > 0) break;
  }
}

// Answers signals and the service manager's watchdog until it is time to leave.
void serve(const Options& options, loop::ControlLoop& loop, AccessLog& access_log, const sigset_t& signals) {
  uint64_t watchdog_us = 0;
  const bool watched = sd_watchdog_enabled(0, &watchdog_us) > 0;
  const uint64_t pause_us = watched ? watchdog_us / 2 : 1'000'000;
  const timespec pause{static_cast<time_t>(pause_us / 1'000'000), static_cast<long>(pause_us % 1'000'000 * 1000)};
  while (true) {
    const int got = sigtimedwait(&signals, nullptr, &pause);
    if (watched && loop.is_alive()) sd_notify(0, "WATCHDOG=1");
    if (got == SIGINT) return;
    if (got == SIGHUP) {
      sd_notify(0, "RELOADING=1");
      reload(options, loop, access_log);
      sd_notify(0, "READY=1");
    }
    if (got == SIGTERM) {
      sd_notify(0, "STOPPING=1");
      return drain(loop, signals);
    }
  }
}

telemetry::Snapshot with_links(telemetry::Snapshot snapshot, const api::PeerLink& peer_link) {
  for (const mesh::LinkStatus& link : peer_link.status())
    snapshot.links.push_back({.peer = link.peer.to_string(),
                              .up = link.state == mesh::LinkState::kUp,
                              .agreed_outbound = link.agreed_outbound,
                              .agreed_inbound = link.agreed_inbound,
                              .failures = link.failures,
                              .differences = link.differences.size()});
  snapshot.link_refusals = peer_link.refused();
  snapshot.link_connections = peer_link.connections();
  return snapshot;
}

int run(const Options& options) {
  log::setup(options.log_format, options.log_level);
  const sigset_t signals = blocked_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread starts
  signal(SIGPIPE, SIG_IGN);
  api::require_tls13();

  const api::ProtobufCodec codec;
  auto store = store::Store::open(options.store, codec);
  if (!store) return fail(store.error());
  engine::EngineOptions engine_options = options.engine;
  Hosts hosts;
  engine_options.make_host = [&hosts](engine::WorkerState& worker) { return hosts.make(worker); };
  auto engine = engine::Engine::start(engine_options);
  if (!engine) return fail(engine.error());
  if (!(*engine)->huge_pages()) log::info("running without hugepages: slower, and --memory bounds buffers and routes");
  if (!options.engine.key_log.empty())
    log::warn("the keys of associations are written to a file", {{"file", options.engine.key_log}});
  auto access_log = AccessLog::start(options.access_log, hosts);
  if (!access_log) return fail(access_log.error());
  telemetry::L7Baselines baselines;
  EngineDataplane dataplane(**engine, hosts, [&](const flow::Generation* before, const flow::Generation& next) {
    const route::L7Config* was = before == nullptr ? nullptr : before->l7.get();
    (*access_log)->on_publish(next.l7);
    baselines.on_publish(was, next.l7.get(), hosts.counters());
    hosts.on_publish(was, next.l7.get());
  });
  loop::ControlLoop loop(dataplane, std::move(*store), loop_options());
  if (auto started = loop.start(); !started) return fail(started.error());
  if (!options.config.empty()) {
    auto applied = apply_config(options.config, loop);
    if (!applied) return fail(applied.error());
  }
  api::PeerLink peer_link(loop);
  const auto l7 = [&] {
    const auto generation = loop.generation();
    return telemetry::collect_l7(generation == nullptr ? nullptr : generation->l7.get(), hosts.counters(), baselines,
                                 (*access_log)->stats());
  };
  auto server = api::Server::start(options.server, loop, peer_link, {l7, &(*access_log)->readers()});
  if (!server) return fail(server.error());
  std::unique_ptr<telemetry::MetricsServer> metrics;
  if (!options.metrics.empty()) {
    auto started = telemetry::MetricsServer::start(
        options.metrics, PENSTOCK_VERSION, [&] { return with_links(loop.stats(), peer_link); }, l7);
    if (!started) return fail(started.error());
    metrics = std::move(*started);
  }
  log::info("ready", {{"socket", options.server.socket}, {"version", PENSTOCK_VERSION}});
  sd_notify(0, "READY=1");
  serve(options, loop, **access_log, signals);
  (*server)->stop();
  metrics.reset();
  peer_link.stop();
  loop.stop();
  (*access_log)->stop();
  log::info("stopped");
  return 0;
}

}  // namespace
}  // namespace penstock::gatewayd

int main(int argc, char** argv) {
  int status = 0;
  const auto options = penstock::gatewayd::parse_options(argc, argv, status);
  return options ? penstock::gatewayd::run(*options) : status;
}
