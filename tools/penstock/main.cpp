// penstock: the command line of a gateway, on its public gRPC contract. The wiring; each group of commands has a file.
#include "tools/penstock/cli.h"

using namespace penstock;

int main(int argc, char** argv) {
  cli::handle_interrupts();
  cli::Shared shared;
  CLI::App app("penstock configures and watches a Penstock gateway.", "penstock");
  app.footer(
      "Examples:\n"
      "  penstock apply -f gateway.yaml          configure\n"
      "  penstock diff -f gateway.yaml           what would change\n"
      "  penstock explain RateLimit.spec.per     what a field means\n"
      "  penstock top                            watch it live\n"
      "  penstock --address 192.0.2.1:9443 --tls-ca ca.pem --tls-cert me.pem --tls-key me.key node info\n\n"
      "Exit status: 0 done, 1 refused or failed, 2 wrong command line, 3 no gateway answers.");
  app.add_option("--address", shared.address, "of the gateway: unix:/path, /path or host:port")
      ->envname("PENSTOCK_ADDRESS")
      ->capture_default_str();
  auto* ca = app.add_option("--tls-ca", shared.tls_ca, "PEM file: who signed the gateway's certificate")
                 ->envname("PENSTOCK_TLS_CA");
  auto* certificate =
      app.add_option("--tls-cert", shared.tls_certificate, "PEM file: our certificate")->envname("PENSTOCK_TLS_CERT");
  auto* key = app.add_option("--tls-key", shared.tls_key, "PEM file: its private key")->envname("PENSTOCK_TLS_KEY");
  ca->needs(certificate)->needs(key);
  certificate->needs(ca);
  key->needs(ca);
  app.add_option("-o,--output", shared.output, "table, json or yaml")
      ->transform(CLI::CheckedTransformer(std::map<std::string, cli::Output>{{"table", cli::Output::kTable},
                                                                             {"json", cli::Output::kJson},
                                                                             {"yaml", cli::Output::kYaml}})
                      .description(""))
      ->default_str("table");
  app.add_option("--timeout-seconds", shared.timeout, "of a call that is no stream")
      ->check([](const std::string& text) {
        char* end = nullptr;
        const double seconds = std::strtod(text.c_str(), &end);
        const bool ok = *end == 0 && seconds >= 0.001 && seconds <= 86400;  // false for nan, which Range lets pass
        return ok ? std::string() : "\"" + text + "\" is not a number from 0.001 to 86400";
      })
      ->capture_default_str();
  app.require_subcommand(1);

  cli::add_ca_commands(app, shared);
  cli::add_config_commands(app, shared);
  cli::add_explain_command(app, shared);
  cli::add_flows_commands(app, shared);
  cli::add_limits_commands(app, shared);
  cli::add_node_commands(app, shared);
  cli::add_peer_commands(app, shared);
  cli::add_telemetry_commands(app, shared);
  cli::add_top_command(app, shared);
  cli::add_completion_command(app, shared);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? cli::kOk : cli::kUsage;
  }
  return shared.status;
}
