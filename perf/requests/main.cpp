// penstock-lab-requests: clients and servers of HTTP/1.1 and plain TCP for penstock-lab (perf/LAB.md), on our own TCP
// or the kernel's.
//
//   penstock-lab-requests --check FILE    reads a specification and says what is wrong with it
//   penstock-lab-requests --spec FILE     runs it: commands from standard input, events to standard output
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "requests/clients.h"
#include "requests/http_clients.h"
#include "requests/http_servers.h"
#include "requests/kernel_transport.h"
#include "requests/ports.h"
#include "requests/servers.h"
#include "requests/session.h"
#include "requests/stack_transport.h"
#include "requests/tcp_clients.h"
#include "requests/tcp_servers.h"

namespace penstock::requests {
namespace {

constexpr uint32_t kLingering = 65536;    // connections that are still being closed, beside those in use
constexpr uint64_t kOwnDescriptors = 64;  // beside the connections'

using load::Control;

std::optional<Spec> read(const std::string& file, Faults& faults) {
  std::ifstream in(file);
  if (!in) {
    faults.push_back({"", std::string("the specification cannot be read: ") + std::strerror(errno)});
    return {};
  }
  std::stringstream text;
  text << in.rdbuf();
  const auto json = nlohmann::json::parse(text.str(), nullptr, false);
  if (json.is_object()) return read_spec(json, faults);
  faults.push_back({"", "the specification is no object of JSON in UTF-8"});
  return {};
}

int tell(const Faults& faults) {
  for (const Fault& fault : faults) Control::error(fault.field, fault.message);
  return 2;
}

// Everything a specification needs, in the order in which it must be built.
class Generator {
 public:
  explicit Generator(const Spec& spec) : spec_(spec) {}

  int run() {
    Faults faults;
    check_descriptors(faults);
    pin(faults);
    if (faults.empty() && !spec_.ports.empty()) ports_ = Ports::open(spec_, faults);
    if (faults.empty()) build(faults);
    if (!faults.empty()) return tell(faults);
    return Session(spec_, workers_, sides_).run();
  }

 private:
  // Sockets run where the process may; on the cores that are asked for, as DPDK does with its own. The first one is
  // this thread's.
  void pin(Faults& faults) const {
    for (size_t n = spec_.cores.size(); n-- > 0;) {
      cpu_set_t cores;
      CPU_ZERO(&cores);
      CPU_SET(spec_.cores[n], &cores);
      if (::sched_setaffinity(0, sizeof cores, &cores) != 0)
        faults.push_back({"cores[" + std::to_string(n) + "]",
                          std::to_string(spec_.cores[n]) + " is no core that this process may run on"});
    }
  }

  // Each connection of the kernel's takes one.
  void check_descriptors(Faults& faults) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    uint64_t left = files.rlim_max - std::min<uint64_t>(files.rlim_max, kOwnDescriptors);
    const auto take = [&](const char* field, uint64_t wanted) {
      if (wanted > left)
        faults.push_back({field, std::to_string(wanted) + " is more than this process has descriptors for, " +
                                     std::to_string(left) + " of " + std::to_string(files.rlim_max) + " (ulimit -Hn)"});
      left -= std::min(left, wanted);
    };
    if (spec_.clients && spec_.clients->stack == StackKind::kKernel)
      take("clients.connections", spec_.clients->connections);
    if (!spec_.servers || spec_.servers->stack != StackKind::kKernel) return;
    const uint64_t wanted = spec_.servers->connections;
    const uint64_t least = spec_.threads();  // each serves some
    served_ =
        static_cast<uint32_t>(spec_.servers->connections_asked ? wanted : std::clamp<uint64_t>(left, least, wanted));
    take("servers.connections", served_);
  }

  void build(Faults& faults) {
    build_own();
    for (uint32_t n = 0; n < spec_.threads() && faults.empty(); ++n)
      build_kernel({.index = n, .of = spec_.threads()}, faults);
    const auto of = [](const auto& parts, size_t n) { return n < parts.size() ? parts[n].get() : nullptr; };
    for (size_t n = 0; n < spec_.threads(); ++n)
      workers_.push_back(std::make_unique<Worker>(of(clients_, n), of(servers_, n)));
  }

  // On one thread.
  void build_own() {
    const base::Nanos now = base::monotonic_now();
    for (size_t i = 0; i < spec_.ports.size(); ++i) {
      const bool client = spec_.ports[i].name == "clients";
      const uint32_t connections = client ? spec_.clients->connections : spec_.servers->connections;
      own_.push_back(std::make_unique<StackTransport>(ports_->number(i), spec_.ports[i], ports_->pool(),
                                                      connections + kLingering, now));
      sides_.push_back(&own_.back()->side());
      if (client) {
        add_clients(*own_.back());
      } else {
        own_.back()->listen_on(spec_.servers->listen);
        add_servers(*own_.back());
      }
    }
  }

  void build_kernel(Share share, Faults& faults) {
    if (spec_.clients && spec_.clients->stack == StackKind::kKernel) {
      kernel_.push_back(std::make_unique<KernelTransport>(share.of_all(spec_.clients->connections)));
      add_clients(*kernel_.back());
    }
    if (spec_.servers && spec_.servers->stack == StackKind::kKernel) {
      kernel_.push_back(std::make_unique<KernelTransport>(share.of_all(served_)));
      if (const auto done = kernel_.back()->listen_on(spec_.servers->listen, share.of > 1); !done)
        return faults.push_back({"servers.listen", done.error()});
      add_servers(*kernel_.back());
    }
  }

  template <typename Net>
  void add_clients(Net& net) {
    net.connect_to(spec_.clients->target);
    if (spec_.clients->protocol == Protocol::kHttp)
      clients_.push_back(std::make_unique<Clients<Net, HttpClients>>(net, *spec_.clients, spec_.seed));
    else
      clients_.push_back(std::make_unique<Clients<Net, TcpClients>>(net, *spec_.clients, spec_.seed));
  }
  template <typename Net>
  void add_servers(Net& net) {
    const uint64_t seed = spec_.seed + 2 + servers_.size();
    if (spec_.servers->protocol == Protocol::kHttp)
      servers_.push_back(std::make_unique<Servers<Net, HttpServers>>(net, *spec_.servers, seed));
    else
      servers_.push_back(std::make_unique<Servers<Net, TcpServers>>(net, *spec_.servers, seed));
  }

  const Spec& spec_;
  uint32_t served_ = 0;  // connections of the kernel's server
  std::unique_ptr<Ports> ports_;
  std::vector<std::unique_ptr<StackTransport>> own_;
  std::vector<std::unique_ptr<KernelTransport>> kernel_;
  std::vector<std::unique_ptr<ClientPart>> clients_;  // each is a worker's
  std::vector<std::unique_ptr<ServerPart>> servers_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Side*> sides_;
};

}  // namespace
}  // namespace penstock::requests

int main(int argc, char** argv) {
  using namespace penstock::requests;
  CLI::App app{"Clients and servers of HTTP/1.1 and plain TCP for penstock-lab.", "penstock-lab-requests"};
  std::string check, spec_file;
  auto* modes = app.add_option_group("mode")->require_option(1);
  modes->add_option("--check", check, "specification to be checked");
  modes->add_option("--spec", spec_file, "specification to be run");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  Faults faults;
  const auto spec = read(check.empty() ? spec_file : check, faults);
  if (!faults.empty()) return tell(faults);
  if (!check.empty()) {
    Control::say({{"event", "ok"}});
    return 0;
  }
  ::prctl(PR_SET_TIMERSLACK, 1);  // the kernel may otherwise wake us 50 µs late
  return Generator(*spec).run();
}
