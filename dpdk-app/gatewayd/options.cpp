#include "gatewayd/options.h"

#include <CLI/CLI.hpp>

namespace penstock::gatewayd {

std::optional<Options> parse_options(int argc, char** argv, int& status) {
  Options options;
  std::string level = "info", format = "keyvalue";
  bool no_huge = false;
  uint64_t access_log_mb = 0;
  CLI::App app{"The Penstock gateway: a DPDK packet engine with its gRPC control service.", "penstock-gatewayd"};
  app.set_version_flag("--version", "penstock-gatewayd " PENSTOCK_VERSION);
  app.add_option("--config", options.config,
                 "manifest file or directory, applied at start and at SIGHUP as the whole configuration");
  app.add_option("--store", options.store, "file of applied revisions, or :memory:")->capture_default_str();
  app.add_option("--socket", options.server.socket, "unix socket of the gRPC service (mode 0660)")
      ->capture_default_str();
  app.add_option("--listen", options.server.listen,
                 "address:port of the gRPC service over TCP; needs the three --tls options");
  app.add_option("--tls-cert", options.server.tls_certificate, "PEM certificate chain of the service");
  app.add_option("--tls-key", options.server.tls_key, "PEM private key of the service");
  app.add_option("--tls-ca", options.server.tls_ca, "PEM bundle that client certificates are checked against");
  app.add_flag("--insecure", options.server.insecure, "allow --listen without TLS on any address");
  app.add_option("--metrics", options.metrics, "address:port of the Prometheus endpoint");
  app.add_flag("--no-huge", no_huge, "use ordinary memory even where hugepages are reserved");
  app.add_option("--memory", options.engine.memory_mb, "MiB for DPDK when there are no hugepages (default 1024)")
      ->check(CLI::Range(256, 1 << 20));
  app.add_option(
      "--debug-esp-keys", options.engine.key_log,
      "new file for the keys of all associations, as Wireshark reads them (esp_sa): for debugging, as whoever "
      "reads the file reads the traffic");
  app.add_option("--access-log", options.access_log.file,
                 "file of one line a request or TCP connection, or - for standard output; opened again at SIGHUP");
  app.add_option("--access-log-format", options.access_log.format,
                 "json, or text with Envoy's operators such as '%REQ(:METHOD)% %RESPONSE_CODE%'")
      ->capture_default_str();
  app.add_option("--access-log-sample", options.access_log.sample, "log every how many-th record")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
  app.add_option("--access-log-max-mb", access_log_mb,
                 "MiB at which the file becomes FILE.1, in place of an older one; 0: never")
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--log-level", level, "debug, info, warn or error")->capture_default_str();
  app.add_option("--log-format", format, "keyvalue or json")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    status = app.exit(e) == 0 ? 0 : 2;
    return std::nullopt;
  }
  options.engine.huge_pages = !no_huge;
  options.access_log.most_bytes = access_log_mb << 20;
  const auto parsed_level = loop::log::parse_level(level);
  const auto parsed_format = loop::log::parse_format(format);
  if (!parsed_level || !parsed_format) {
    std::fprintf(stderr, "penstock-gatewayd: %s\n",
                 (!parsed_level ? parsed_level.error() : parsed_format.error()).c_str());
    status = 2;
    return std::nullopt;
  }
  options.log_level = *parsed_level;
  options.log_format = *parsed_format;
  return options;
}

}  // namespace penstock::gatewayd
