// node info, workers, drain, undrain; version.
#include <iostream>

#include "control/api/node.grpc.pb.h"
#include "tools/penstock/cli.h"

namespace penstock::cli {

namespace {

grpc::Status ask_info(const Shared& shared, v1::NodeInfoResponse& info) {
  const auto context = call_context(shared);
  return stub<v1::Node>(shared)->Info(context.get(), {}, &info);
}

int run_info(const Shared& shared) {
  v1::NodeInfoResponse info;
  if (const auto status = ask_info(shared, info); !status.ok()) return report(shared, status);
  if (shared.output != Output::kTable) {
    print_message(shared, info);
    return kOk;
  }
  std::cout << "name        " << (info.name().empty() ? "(no Node applied yet)" : info.name()) << "\n"
            << "version     " << info.version() << "\n"
            << "started     " << time_text(info.started()) << "\n"
            << "revision    " << info.revision() << "\n"
            << "generation  " << info.generation() << "\n"
            << "state       " << (info.draining() ? coloured(Colour::kYellow, "draining") : "serving") << "\n"
            << "flows       " << info.tracked_flows() << "\n"
            << "connections " << info.client_connections() << "\n"
            << "workers     " << info.workers() << "\n";
  if (info.ports().empty()) return kOk;
  Table table({"INTERFACE", "DRIVER", "MAC", "LINK", "QUEUES", "MAX MTU", "RSS"});
  for (const v1::PortInfo& port : info.ports()) {
    const std::string speed = port.speed_mbps() ? " " + std::to_string(port.speed_mbps()) + " Mbit/s" : "";
    table.add({port.interface(), port.driver(), port.mac(),
               port.link_up() ? "up" + speed : coloured(Colour::kRed, "down"),
               std::to_string(port.rx_queues()) + "/" + std::to_string(port.tx_queues()), count_text(port.max_mtu()),
               port.rss() ? "device" : "software"});
  }
  table.print();
  return kOk;
}

int run_workers(const Shared& shared) {
  v1::WorkersResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Node>(shared)->Workers(context.get(), {}, &response);
  if (!status.ok()) return report(shared, status);
  if (shared.output != Output::kTable) {
    print_message(shared, response);
    return kOk;
  }
  Table table({"WORKER", "CORE", "RUNNING", "GENERATION", "QUEUES"});
  for (const v1::Worker& worker : response.workers()) {
    std::string queues;
    for (const std::string& queue : worker.queues()) queues += (queues.empty() ? "" : " ") + queue;
    table.add({count_text(worker.id()), count_text(worker.core()),
               worker.running() ? "yes" : coloured(Colour::kRed, "no"), count_text(worker.generation()), queues});
  }
  table.print();
  return kOk;
}

int run_drain(const Shared& shared, bool wait) {
  v1::DrainRequest request;
  request.set_wait(wait);
  v1::DrainResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Node>(shared)->Drain(context.get(), request, &response);
  if (!status.ok()) return report(shared, status);
  if (shared.output == Output::kTable) {
    std::cout << "draining: new flows are refused; " << response.tracked_flows() << " flows and "
              << response.client_connections() << " connections of clients go on\n";
  } else {
    print_message(shared, response);
  }
  return kOk;
}

int run_undrain(const Shared& shared) {
  v1::UndrainResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Node>(shared)->Undrain(context.get(), {}, &response);
  if (!status.ok()) return report(shared, status);
  if (shared.output == Output::kTable) {
    std::cout << "serving\n";
  } else {
    print_message(shared, response);
  }
  return kOk;
}

int run_version(const Shared& shared) {
  v1::NodeInfoResponse info;
  const bool answered = ask_info(shared, info).ok();
  if (shared.output != Output::kTable) {
    api::Tree tree = api::Tree::map();
    tree.add("penstock", api::Tree::string(PENSTOCK_VERSION));
    if (answered) tree.add("gateway", api::Tree::string(info.version()));
    print_tree(shared, tree);
    return kOk;
  }
  std::cout << "penstock " << PENSTOCK_VERSION << "\n"
            << "gateway  " << (answered ? info.version() : "does not answer at " + shared.address) << "\n";
  return kOk;
}

}  // namespace

void add_node_commands(CLI::App& app, Shared& shared) {
  auto* node = app.add_subcommand("node", "The gateway as a machine");
  node->fallthrough()->require_subcommand(1);
  node->add_subcommand("info", "What it is and what state it is in")->fallthrough()->callback([&shared] {
    shared.status = run_info(shared);
  });
  node->add_subcommand("workers", "Threads that carry packets")->fallthrough()->callback([&shared] {
    shared.status = run_workers(shared);
  });
  auto wait = std::make_shared<bool>(false);
  auto* drain = node->add_subcommand("drain", "Refuses new flows; the others go on")->fallthrough();
  drain->footer("Example:\n  penstock --timeout-seconds 600 node drain --wait");
  drain->add_flag("--wait", *wait, "until no flow and no connection is left, or --timeout-seconds have passed");
  drain->callback([&shared, wait] { shared.status = run_drain(shared, *wait); });
  node->add_subcommand("undrain", "Takes new flows again")->fallthrough()->callback([&shared] {
    shared.status = run_undrain(shared);
  });
  app.add_subcommand("version", "Versions of the CLI and of the gateway")->fallthrough()->callback([&shared] {
    shared.status = run_version(shared);
  });
}

}  // namespace penstock::cli
