// limits list, set, usage.
#include <iostream>

#include "control/api/limits.grpc.pb.h"
#include "tools/penstock/cli.h"
#include "tools/penstock/summary.h"

namespace penstock::cli {

namespace {

std::string full_name(const v1alpha1::Metadata& metadata) {
  return (metadata.namespace_().empty() ? "default" : metadata.namespace_()) + "/" + metadata.name();
}

int run_list(const Shared& shared) {
  v1::ListLimitsResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Limits>(shared)->List(context.get(), {}, &response);
  if (!status.ok()) return report(shared, status);
  if (shared.output != Output::kTable) {
    print_message(shared, response, false);
    return kOk;
  }
  Table table({"NAME", "TARGET", "RATE", "BURST", "PER", "ACTION"});
  for (const v1alpha1::RateLimit& limit : response.limits()) {
    const auto& spec = limit.spec();
    table.add({full_name(limit.metadata()), target_text(spec.target()), limit_rate_text(spec.rate()),
               spec.has_burst() ? rate_text(spec.burst()) : "", spec.has_per() ? spec.per() : "aggregate",
               spec.has_action() ? spec.action() : "drop"});
  }
  table.print();
  return kOk;
}

int run_usage(const Shared& shared, const std::vector<std::string>& names) {
  v1::LimitUsageRequest request;
  for (const std::string& name : names)
    request.add_names(name.find('/') == std::string::npos ? "default/" + name : name);
  v1::LimitUsageResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Limits>(shared)->Usage(context.get(), request, &response);
  if (!status.ok()) return report(shared, status);
  if (shared.output != Output::kTable) {
    print_message(shared, response);
    return kOk;
  }
  Table table({"NAME", "RATE", "UNIT", "PER", "PASSED", "PASSED BYTES", "EXCEEDED", "EXCEEDED BYTES", "SHADOW"});
  for (const v1::LimitUsage& limit : response.limits())
    table.add({limit.name(), rate_text(limit.rate()), limit.unit() + "/s", limit.per(),
               count_text(limit.passed_packets()), count_text(limit.passed_bytes()),
               count_text(limit.exceeded_packets()), count_text(limit.exceeded_bytes()),
               count_text(limit.shadow_requests())});
  table.print();
  return kOk;
}

struct Set {
  std::string name, space = "default", packets, bits, connections, per_second, per_minute, per_hour, received, answered,
                    burst;
};

int run_set(const Shared& shared, const Set& set) {
  v1::SetLimitRequest request;
  const size_t slash = set.name.find('/');
  request.set_namespace_(slash == std::string::npos ? set.space : set.name.substr(0, slash));
  request.set_name(slash == std::string::npos ? set.name : set.name.substr(slash + 1));
  v1alpha1::LimitRate& rate = *request.mutable_rate();
  if (!set.packets.empty()) rate.set_packets_per_second(parse_scaled(set.packets, "--pps"));
  if (!set.bits.empty()) rate.set_bits_per_second(parse_scaled(set.bits, "--bps"));
  if (!set.connections.empty()) rate.set_connections_per_second(parse_scaled(set.connections, "--cps"));
  if (!set.per_second.empty()) rate.set_requests_per_second(parse_scaled(set.per_second, "--rps"));
  if (!set.per_minute.empty()) rate.set_requests_per_minute(parse_scaled(set.per_minute, "--rpm"));
  if (!set.per_hour.empty()) rate.set_requests_per_hour(parse_scaled(set.per_hour, "--rph"));
  if (!set.received.empty()) rate.set_request_bits_per_second(parse_scaled(set.received, "--request-bps"));
  if (!set.answered.empty()) rate.set_response_bits_per_second(parse_scaled(set.answered, "--response-bps"));
  if (!set.burst.empty()) request.set_burst(parse_scaled(set.burst, "--burst"));
  v1::ApplyResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Limits>(shared)->Set(context.get(), request, &response);
  if (!status.ok()) return report(shared, status);
  for (const v1::FieldError& error : response.errors())
    std::cerr << error.object() << " " << error.path() << ": " << error.reason() << "\n";
  if (shared.output != Output::kTable) {
    print_message(shared, response);
  } else if (response.applied()) {
    std::printf("revision %lu: %s is live\n", response.revision(), limit_rate_text(rate).c_str());
  }
  return response.applied() ? kOk : kRefused;
}

}  // namespace

void add_limits_commands(CLI::App& app, Shared& shared) {
  auto* limits = app.add_subcommand("limits", "Rate limits: their rates, and what they pass");
  limits->fallthrough()->require_subcommand(1);
  limits->add_subcommand("list", "RateLimit objects")->fallthrough()->callback([&shared] {
    shared.status = run_list(shared);
  });

  auto names = std::make_shared<std::vector<std::string>>();
  auto* usage = limits->add_subcommand("usage", "What has passed and what has not")->fallthrough();
  usage->add_option("name", *names, "name or namespace/name; all when absent");
  usage->callback([&shared, names] { shared.status = run_usage(shared, *names); });

  auto set = std::make_shared<Set>();
  auto* command = limits->add_subcommand("set", "Changes the rate of a RateLimit")->fallthrough();
  command->footer(
      "Examples:\n  penstock limits set web --pps 10k\n  penstock limits set ops/backup --bps 2G --burst 100M");
  command->add_option("name", set->name, "name or namespace/name")->required();
  command->add_option("-n,--namespace", set->space, "of the name")->capture_default_str();
  auto* rate = command->add_option_group("rate");
  rate->add_option("--pps", set->packets, "packets per second");
  rate->add_option("--bps", set->bits, "bits per second");
  rate->add_option("--cps", set->connections, "new connections per second");
  rate->add_option("--rps", set->per_second, "requests per second");
  rate->add_option("--rpm", set->per_minute, "requests per minute");
  rate->add_option("--rph", set->per_hour, "requests per hour");
  rate->add_option("--request-bps", set->received, "bits per second of the content of requests");
  rate->add_option("--response-bps", set->answered, "bits per second of the content of answers");
  rate->require_option(1);
  command->add_option(
      "--burst", set->burst,
      "packets, bits, connections or requests; 5 ms of the rate, or the requests it names, when absent");
  command->callback([&shared, set] { shared.status = run_set(shared, *set); });
}

}  // namespace penstock::cli
