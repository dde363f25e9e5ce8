// stats, trace, capture, accesslog.
#include <unistd.h>

#include <fstream>
#include <iostream>

#include "control/api/telemetry.grpc.pb.h"
#include "tools/penstock/cli.h"
#include "tools/penstock/stats_text.h"

namespace penstock::cli {

namespace {

struct Stats {
  std::vector<std::string> sections;
  bool watch = false;
  std::string interval = "1s";
};

const std::map<std::string, v1::StatsRequest::Section>& section_names() {
  static const std::map<std::string, v1::StatsRequest::Section> kNames = {
      {"ports", v1::StatsRequest::PORTS},           {"workers", v1::StatsRequest::WORKERS},
      {"interfaces", v1::StatsRequest::INTERFACES}, {"stages", v1::StatsRequest::STAGES},
      {"drops", v1::StatsRequest::DROPS},           {"services", v1::StatsRequest::SERVICES},
      {"rules", v1::StatsRequest::RULES},           {"limits", v1::StatsRequest::LIMITS},
      {"egresses", v1::StatsRequest::EGRESSES},     {"mirrors", v1::StatsRequest::MIRRORS},
      {"health", v1::StatsRequest::HEALTH},         {"requests", v1::StatsRequest::REQUESTS},
  };
  return kNames;
}

void print(const Shared& shared, const v1::StatsResponse& stats) {
  if (shared.output == Output::kTable) {
    std::cout << stats_text(stats) << std::flush;
  } else {
    print_message(shared, stats);
  }
}

int run_stats(const Shared& shared, const Stats& what) {
  v1::WatchStatsRequest request;
  for (const std::string& name : what.sections) request.add_sections(section_names().at(name));
  const auto service = stub<v1::Telemetry>(shared);
  v1::StatsResponse stats;
  if (!what.watch) {
    v1::StatsRequest once;
    *once.mutable_sections() = request.sections();
    const auto context = call_context(shared);
    const auto status = service->Stats(context.get(), once, &stats);
    if (!status.ok()) return report(shared, status);
    print(shared, stats);
    return kOk;
  }
  request.set_interval_milliseconds(parse_milliseconds(what.interval, "--interval"));
  grpc::ClientContext context;
  const Interruptible guard(context);
  const auto stream = service->WatchStats(&context, request);
  while (stream->Read(&stats)) {
    if (shared.output == Output::kTable) std::cout << coloured(Colour::kBold, time_text(stats.time())) << "\n";
    print(shared, stats);
  }
  return report(shared, stream->Finish());
}

struct Trace {
  std::string filter, timeout = "60s";
  uint32_t packets = 1;
};

int run_trace(const Shared& shared, const Trace& trace) {
  v1::TraceRequest request;
  request.set_filter(trace.filter);
  request.set_packets(trace.packets);
  request.set_timeout_milliseconds(parse_milliseconds(trace.timeout, "--timeout"));
  grpc::ClientContext context;
  const Interruptible guard(context);
  const auto service = stub<v1::Telemetry>(shared);
  const auto stream = service->Trace(&context, request);
  v1::TraceResponse step;
  while (stream->Read(&step)) {
    if (shared.output != Output::kTable) {
      print_message(shared, step);
      continue;
    }
    if (!step.packet_line().empty())
      std::cout << coloured(Colour::kBold, step.packet_line()) << "  (worker " << step.worker() << ")\n";
    const v1::TraceStep& s = step.step();
    char stage[64];
    std::snprintf(stage, sizeof stage, "  %-12s", s.stage().c_str());
    std::cout << stage << (s.reason().empty() ? s.verdict() : coloured(Colour::kRed, s.verdict() + " " + s.reason()))
              << (s.detail().empty() ? "" : "  " + s.detail()) << "\n"
              << std::flush;
  }
  return report(shared, stream->Finish());
}

struct Capture {
  std::string file, filter, timeout;
  std::vector<std::string> points;
  uint32_t snap_length = 0;
  uint64_t packets = 0;
};

int run_capture(const Shared& shared, const Capture& capture) {
  static const std::map<std::string, v1::CaptureRequest::Point> kPoints = {
      {"rx", v1::CaptureRequest::RX}, {"tx", v1::CaptureRequest::TX}, {"drop", v1::CaptureRequest::DROP}};
  const bool to_stdout = capture.file == "-";
  if (to_stdout && isatty(STDOUT_FILENO))
    throw CLI::ValidationError("-w", "a capture is no text for a terminal: name a file, or pipe it (| tshark -r -)");
  v1::CaptureRequest request;
  request.set_filter(capture.filter);
  for (const std::string& point : capture.points) request.add_points(kPoints.at(point));
  request.set_snap_length(capture.snap_length);
  request.set_packets(capture.packets);
  if (!capture.timeout.empty()) request.set_timeout_milliseconds(parse_milliseconds(capture.timeout, "--timeout"));
  grpc::ClientContext context;
  const Interruptible guard(context);
  const auto service = stub<v1::Telemetry>(shared);
  const auto stream = service->Capture(&context, request);
  std::ofstream file;
  std::ostream& out = to_stdout ? std::cout : file;
  uint64_t packets = 0, lost = 0;
  v1::CaptureResponse piece;
  while (stream->Read(&piece)) {
    // Opened by the first piece: a refused capture leaves an older file alone.
    if (!to_stdout && !file.is_open()) file.open(capture.file, std::ios::binary | std::ios::trunc);
    out << piece.pcapng() << std::flush;
    if (!out) {
      std::cerr << "penstock: " << capture.file << ": cannot be written\n";
      context.TryCancel();
      stream->Finish();
      return kRefused;
    }
    packets += piece.packets();
    lost = piece.lost();
  }
  const int status = report(shared, stream->Finish());
  if (status == kOk)
    std::cerr << packets << " packets captured" << (lost ? ", " + std::to_string(lost) + " lost" : "") << "\n";
  return status;
}

struct AccessLog {
  std::string format = "json", timeout;
  uint32_t sample = 1, minimum_status = 0;
  uint64_t lines = 0;
};

int run_access_log(const Shared& shared, const AccessLog& log) {
  v1::AccessLogRequest request;
  request.set_format(log.format);
  request.set_sample(log.sample);
  request.set_minimum_status(log.minimum_status);
  request.set_lines(log.lines);
  if (!log.timeout.empty()) request.set_timeout_milliseconds(parse_milliseconds(log.timeout, "--timeout"));
  grpc::ClientContext context;
  const Interruptible guard(context);
  const auto service = stub<v1::Telemetry>(shared);
  const auto stream = service->AccessLog(&context, request);
  uint64_t lost = 0;
  v1::AccessLogResponse piece;
  while (stream->Read(&piece)) {
    std::cout << piece.lines() << std::flush;
    lost = piece.lost();
  }
  const int status = report(shared, stream->Finish());
  if (lost != 0) std::cerr << lost << " lines were lost: too many for this reader\n";
  return status;
}

}  // namespace

void add_telemetry_commands(CLI::App& app, Shared& shared) {
  auto stats = std::make_shared<Stats>();
  std::vector<std::string> names;
  for (const auto& [name, section] : section_names()) names.push_back(name);
  auto* stats_command = app.add_subcommand("stats", "Counters and gauges")->fallthrough();
  stats_command->footer(
      "Examples:\n  penstock stats\n  penstock stats drops limits --watch --interval 5s\n"
      "  penstock stats -o json | jq .drops");
  stats_command->add_option("section", stats->sections, "all when absent")->check(CLI::IsMember(names));
  stats_command->add_flag("-w,--watch", stats->watch, "again and again");
  stats_command->add_option("--interval", stats->interval, "between two")->capture_default_str();
  stats_command->callback([&shared, stats] { shared.status = run_stats(shared, *stats); });

  auto trace = std::make_shared<Trace>();
  auto* trace_command = app.add_subcommand("trace", "The next packets that match, stage by stage")->fallthrough();
  trace_command->footer("Examples:\n  penstock trace icmp -n 3\n  penstock trace 'tcp port 80 and host 10.0.0.1'");
  trace_command->add_option("filter", trace->filter, "tcpdump expression; every packet when absent");
  trace_command->add_option("-n,--packets", trace->packets, "how many")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  trace_command->add_option("--timeout", trace->timeout, "ends it")->capture_default_str();
  trace_command->callback([&shared, trace] { shared.status = run_trace(shared, *trace); });

  auto capture = std::make_shared<Capture>();
  auto* capture_command = app.add_subcommand("capture", "Writes packets that match to a pcapng file")->fallthrough();
  capture_command->footer(
      "Examples:\n  penstock capture -w drops.pcapng --point drop\n"
      "  penstock capture -w - 'udp port 53' -n 100 | tshark -r -");
  capture_command->add_option("filter", capture->filter, "tcpdump expression; every packet when absent");
  capture_command->add_option("-w,--write", capture->file, "file, or - for standard output")->required();
  capture_command->add_option("--point", capture->points, "rx, tx or drop; all when absent")
      ->check(CLI::IsMember({"rx", "tx", "drop"}))
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  capture_command->add_option("-n,--packets", capture->packets, "end after this many");
  capture_command->add_option("--timeout", capture->timeout, "end after this time");
  capture_command->add_option("-s,--snap-length", capture->snap_length, "bytes kept of a packet")
      ->check(CLI::Range(14, 9216));
  capture_command->callback([&shared, capture] { shared.status = run_capture(shared, *capture); });

  auto log = std::make_shared<AccessLog>();
  auto* log_command =
      app.add_subcommand("accesslog", "Requests and TCP connections, a line each, as they end")->fallthrough();
  log_command->footer(
      "Examples:\n  penstock accesslog | jq .path\n  penstock accesslog --minimum-status 500\n"
      "  penstock accesslog --format '%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %DURATION%'");
  log_command->add_option("--format", log->format, "json, or Envoy's operators")->capture_default_str();
  log_command->add_option("--sample", log->sample, "every how many-th")
      ->check(CLI::Range(1u, 1'000'000'000u))
      ->capture_default_str();
  log_command->add_option("--minimum-status", log->minimum_status, "this status and higher, and no answer at all")
      ->check(CLI::Range(0, 599));
  log_command->add_option("-n,--lines", log->lines, "end after this many");
  log_command->add_option("--timeout", log->timeout, "end after this time; an hour when absent");
  log_command->callback([&shared, log] { shared.status = run_access_log(shared, *log); });
}

}  // namespace penstock::cli
