// top: ports, workers, services, routes, limits and drops as rates, live.
#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>

#include "control/api/telemetry.grpc.pb.h"
#include "tools/penstock/cli.h"
#include "tools/penstock/stats_text.h"

namespace penstock::cli {

namespace {

struct Top {
  bool once = false;
  std::string interval = "1s";
};

size_t screen_lines() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) return 0;
  return size.ws_row;
}

std::string title(const v1::StatsResponse& stats) {
  const v1::ControlStats& c = stats.control();
  return coloured(Colour::kBold, "penstock") + "  " + time_text(stats.time()) + "  up " +
         seconds_text((stats.time() - std::min(stats.time(), stats.started())) / 1'000'000'000) + "  revision " +
         std::to_string(c.revision()) + "  generation " + std::to_string(c.generation()) +
         (c.draining() ? coloured(Colour::kYellow, "  draining") : "") +
         (c.health_down() ? coloured(Colour::kRed, "  " + std::to_string(c.health_down()) + " endpoints down") : "") +
         "\n\n";
}

int run_top(const Shared& shared, const Top& top) {
  v1::WatchStatsRequest request;
  for (const auto section : {v1::StatsRequest::PORTS, v1::StatsRequest::WORKERS, v1::StatsRequest::SERVICES,
                             v1::StatsRequest::REQUESTS, v1::StatsRequest::LIMITS, v1::StatsRequest::DROPS})
    request.add_sections(section);
  request.set_interval_milliseconds(parse_milliseconds(top.interval, "--interval"));
  grpc::ClientContext context;
  const Interruptible guard(context);
  const auto service = stub<v1::Telemetry>(shared);
  const auto stream = service->WatchStats(&context, request);
  const bool live = !top.once && isatty(STDOUT_FILENO);
  v1::StatsResponse before, now;
  bool shown = false;
  while (stream->Read(&now)) {
    if (before.time() != 0) {
      const std::string text = title(now) + rates_text(before, now, live ? screen_lines() : 0);
      // Home, the text, and clear what is left of the last screen.
      std::cout << (live ? (shown ? "\033[H" : "\033[2J\033[H") : "");
      for (const char c : text) {
        if (live && c == '\n') std::cout << "\033[K";
        std::cout << c;
      }
      std::cout << (live ? "\033[J" : "") << std::flush;
      shown = true;
      if (top.once) {
        context.TryCancel();
        stream->Finish();
        return kOk;
      }
    }
    before = now;
  }
  return report(shared, stream->Finish());
}

}  // namespace

void add_top_command(CLI::App& app, Shared& shared) {
  auto top = std::make_shared<Top>();
  auto* command =
      app.add_subcommand("top", "Watches ports, workers, services, routes, limits and drops live")->fallthrough();
  command->footer("Examples:\n  penstock top\n  penstock top --once --interval 5s     # one look, for scripts");
  command->add_flag("--once", top->once, "print one interval and end");
  command->add_option("--interval", top->interval, "between two looks")->capture_default_str();
  command->callback([&shared, top] { shared.status = run_top(shared, *top); });
}

}  // namespace penstock::cli
