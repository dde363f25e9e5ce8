// Clients and servers of HTTP/1.1 on our own TCP and one core, for measuring a gateway between them without a kernel:
// two ports (memif, ring), clients behind the one, servers behind the other.
//
//   http_load --client DEVARGS --server DEVARGS --client-address IP --client-gateway IP --server-address IP
//     --server-gateway IP --target IP --port N --connections N --bytes N [--close] [--seconds S]
//
// Closed loop: each connection has one request under way; --close makes a new connection for each. Prints one line of
// JSON: requests, errors, seconds, payload bytes, and how long requests took. Latency is of this closed loop.
#include <rte_eal.h>
#include <rte_errno.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "engine/packet.h"
#include "load/side.h"

namespace penstock::load {
namespace {

struct Options {
  std::string client, server, client_address, client_gateway, server_address, server_gateway, target;
  uint16_t port = 80, server_port = 8080;
  uint32_t connections = 64;
  uint32_t bytes = 128;
  double seconds = 3;
  bool close = false;
};

constexpr std::string_view kEnd = "\r\n\r\n";

std::string_view text_of(base::Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Bytes up to and with the end of the head, 0: not there yet. Heads here are short: at most two pieces.
size_t head_length(tcp::Connection& c, std::string& scratch) {
  base::Bytes pieces[2];
  size_t count = 0;
  c.peek(pieces, 2, count);
  if (count == 0) return 0;
  if (const size_t at = text_of(pieces[0]).find(kEnd); at != std::string_view::npos) {
    scratch.assign(text_of(pieces[0]).substr(0, at));
    return at + kEnd.size();
  }
  if (count < 2) return 0;
  scratch.assign(text_of(pieces[0]));
  scratch += text_of(pieces[1]).substr(0, 4096);
  const size_t at = scratch.find(kEnd);
  return at == std::string::npos ? 0 : at + kEnd.size();
}

uint64_t content_length(std::string_view head) {
  constexpr std::string_view kName = "content-length: ";
  const size_t at = head.find(kName);
  uint64_t length = 0;
  if (at != std::string_view::npos) std::from_chars(head.data() + at + kName.size(), head.data() + head.size(), length);
  return length;
}

// Answers every request with the same bytes.
class Servers {
 public:
  Servers(Side& side, uint16_t port, uint32_t bytes) : side_(side) {
    answer_ = "HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(bytes) + "\r\n\r\n" + std::string(bytes, 'x');
    listener_ = side.stack().listen({.address = side.address(),
                                     .first_port = port,
                                     .last_port = port,
                                     .backlog = 65536,
                                     .half_open = 65536,
                                     .half_open_per_source = 65536});
  }

  void act(base::Nanos now) {
    tcp::Stack& stack = side_.stack();
    for (uint32_t id; (id = stack.accept(listener_)) != tcp::kNone;) {
      if (left_.size() <= id) left_.resize(id + 1);
      left_[id] = {};
    }
    for (tcp::Ready ready; stack.next_event(ready);) serve(ready.id, ready.events, now);
  }

 private:
  struct Answering {
    uint32_t owed = 0;  // answers
    size_t sent = 0;    // of the first of them
  };

  void serve(uint32_t id, uint8_t events, base::Nanos now) {
    tcp::Connection& c = side_.stack().at(id);
    if (events & tcp::kEnded) return side_.stack().release(id);
    Answering& a = left_[id];
    for (size_t head; (head = head_length(c, scratch_)) != 0;) {
      c.consume(head, now);
      ++a.owed;
    }
    while (a.owed != 0) {
      const auto rest = std::string_view(answer_).substr(a.sent);
      const size_t taken = c.write({reinterpret_cast<const uint8_t*>(rest.data()), rest.size()}, now);
      a.sent += taken;
      if (taken < rest.size()) break;
      a.sent = 0;
      --a.owed;
    }
    if (c.peer_finished() && a.owed == 0) c.close(now);
    side_.stack().touch(id);
  }

  Side& side_;
  std::string answer_, scratch_;
  uint32_t listener_;
  std::vector<Answering> left_;
};

class Clients {
 public:
  Clients(Side& side, const Options& options) : side_(side), options_(options) {
    target_ = *base::IpAddress::parse(options.target);
    request_ = "GET /item HTTP/1.1\r\nhost: shop.example.com\r\nuser-agent: http_load\r\naccept: */*\r\n\r\n";
  }

  void start(base::Nanos now) {
    for (uint32_t i = 0; i < options_.connections; ++i) open(now);
  }

  void act(base::Nanos now) {
    tcp::Stack& stack = side_.stack();
    for (tcp::Ready ready; stack.next_event(ready);) on_events(ready.id, ready.events, now);
    for (uint32_t missing = std::exchange(to_open_, 0); missing != 0; --missing) open(now);
  }

  void begin_counting() {
    requests = errors = payload = 0;
    durations_.fill(0);
  }
  double percentile(double share) const {
    uint64_t total = 0, seen = 0;
    for (const uint64_t n : durations_) total += n;
    for (size_t i = 0; i < durations_.size(); ++i)
      if ((seen += durations_[i]) >= static_cast<uint64_t>(static_cast<double>(total) * share))
        return static_cast<double>(i) * kStep / 1000;
    return 0;
  }

  uint64_t requests = 0, errors = 0, payload = 0;

 private:
  static constexpr base::Nanos kStep = 500;  // of the histogram

  struct Asking {
    base::Nanos began = 0;
    uint64_t left = 0;  // content bytes of the answer
    bool in_content = false;
  };

  void open(base::Nanos now) {
    tcp::Tuple tuple{.local = side_.address(), .remote = target_, .local_port = 0, .remote_port = options_.port};
    uint32_t id = tcp::kNone;
    for (int tries = 0; tries < 1000 && id == tcp::kNone; ++tries) {
      tuple.local_port = static_cast<uint16_t>(1024 + next_port_++ % 64000);
      id = side_.stack().connect(tuple, now);
    }
    if (id == tcp::kNone) {
      ++errors;
      ++to_open_;
      return;
    }
    if (asking_.size() <= id) asking_.resize(id + 1);
    asking_[id] = {.began = now};
  }

  void ask(uint32_t id, base::Nanos now) {
    if (!options_.close) asking_[id].began = now;
    asking_[id].in_content = false;
    side_.stack().at(id).write({reinterpret_cast<const uint8_t*>(request_.data()), request_.size()}, now);
  }

  void on_events(uint32_t id, uint8_t events, base::Nanos now) {
    tcp::Connection& c = side_.stack().at(id);
    if (events & tcp::kConnected) ask(id, now);
    while (c.readable() != 0) {
      Asking& a = asking_[id];
      if (!a.in_content) {
        const size_t head = head_length(c, scratch_);
        if (head == 0) break;
        c.consume(head, now);
        if (!scratch_.starts_with("HTTP/1.1 200")) ++errors;
        a.left = content_length(scratch_);
        a.in_content = true;
      }
      const size_t part = std::min<uint64_t>(a.left, c.readable());
      c.consume(part, now);
      a.left -= part;
      payload += part;
      if (a.left != 0) break;
      ++requests;
      ++durations_[std::min<size_t>((now - a.began) / kStep, durations_.size() - 1)];
      if (options_.close) {
        c.close(now);
        break;
      }
      ask(id, now);
    }
    if (events & tcp::kEnded || (options_.close && c.state() >= tcp::State::kFinWait1)) {
      if (c.end() != tcp::End::kOpen && c.end() != tcp::End::kFinished) ++errors;
      side_.stack().release(id);
      ++to_open_;
      return;
    }
    side_.stack().touch(id);
  }

  Side& side_;
  const Options& options_;
  base::IpAddress target_;
  std::string request_, scratch_;
  std::vector<Asking> asking_;
  std::array<uint64_t, 200'000> durations_{};
  uint32_t next_port_ = 0, to_open_ = 0;
};

uint16_t open_port(uint16_t port, rte_mempool* pool) {
  const rte_eth_conf conf{};
  if (rte_eth_dev_configure(port, 1, 1, &conf) != 0 || rte_eth_rx_queue_setup(port, 0, 1024, 0, nullptr, pool) != 0 ||
      rte_eth_tx_queue_setup(port, 0, 1024, 0, nullptr) != 0 || rte_eth_dev_start(port) != 0) {
    std::fprintf(stderr, "http_load: port %u cannot be opened: %s\n", port, rte_strerror(rte_errno));
    std::exit(1);
  }
  return port;
}

int run(const Options& o) {
  std::vector<std::string> words = {
      "http_load",   "--no-huge", "-m", "1024",         "--no-telemetry", "--no-shconf", "--lcores", "0",
      "--log-level", "error",     "-a", "0000:00:00.0", "--vdev",         o.client,      "--vdev",   o.server};
  std::vector<char*> argv;
  for (std::string& each : words) argv.push_back(each.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) return 1;
  rte_mempool* pool = rte_pktmbuf_pool_create("load", 65535, 256, RTE_ALIGN(sizeof(engine::Carry), RTE_MBUF_PRIV_ALIGN),
                                              RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool == nullptr) return 1;
  const auto address = [](const std::string& text) { return *base::IpAddress::parse(text); };
  base::Nanos now = base::monotonic_now();
  const uint32_t capacity = o.close ? 1u << 20 : 4 * o.connections;
  Side front(open_port(0, pool), address(o.client_address), address(o.client_gateway), pool, capacity, now);
  Side back(open_port(1, pool), address(o.server_address), address(o.server_gateway), pool, capacity, now);
  Servers servers(back, o.server_port, o.bytes);
  Clients clients(front, o);
  bool started = false, counting = false;
  base::Nanos begin = now, counted_from = 0;
  const auto length = static_cast<base::Nanos>(o.seconds * 1e9);
  while (counted_from == 0 || now < counted_from + length) {
    now = base::monotonic_now();
    front.receive(now);
    back.receive(now);
    front.stack().on_time(now);
    back.stack().on_time(now);
    if (!started && front.ready() && back.ready()) {
      started = true;
      begin = now;
      clients.start(now);
    }
    if (!started && now - begin > 20 * base::kNanosPerSecond) {
      std::fprintf(stderr, "http_load: the gateway does not answer ARP\n");
      return 1;
    }
    if (started && !counting && now - begin > base::kNanosPerSecond) {
      counting = true;
      counted_from = now;
      clients.begin_counting();
      std::printf("counting\n");
      std::fflush(stdout);
    }
    clients.act(now);
    servers.act(now);
    front.transmit(now);
    back.transmit(now);
  }
  std::printf(
      "{\"requests\": %lu, \"errors\": %lu, \"seconds\": %.3f, \"payload\": %lu, \"p50_us\": %.1f, \"p99_us\": %.1f, "
      "\"p999_us\": %.1f, \"tx_refused\": %lu}\n",
      clients.requests, clients.errors, static_cast<double>(now - counted_from) / 1e9, clients.payload,
      clients.percentile(0.5), clients.percentile(0.99), clients.percentile(0.999), front.refused() + back.refused());
  return 0;
}

}  // namespace
}  // namespace penstock::load

int main(int argc, char** argv) {
  penstock::load::Options o;
  CLI::App app{"Clients and servers of HTTP/1.1 without a kernel, for measuring a gateway between two ports.",
               "http_load"};
  app.add_option("--client", o.client, "devargs of the clients' port")->required();
  app.add_option("--server", o.server, "devargs of the servers' port")->required();
  app.add_option("--client-address", o.client_address)->required();
  app.add_option("--client-gateway", o.client_gateway)->required();
  app.add_option("--server-address", o.server_address)->required();
  app.add_option("--server-gateway", o.server_gateway)->required();
  app.add_option("--target", o.target, "the gateway's address that clients ask")->required();
  app.add_option("--port", o.port, "and its port")->capture_default_str();
  app.add_option("--server-port", o.server_port)->capture_default_str();
  app.add_option("--connections", o.connections)->capture_default_str();
  app.add_option("--bytes", o.bytes, "content of an answer")->capture_default_str();
  app.add_option("--seconds", o.seconds)->capture_default_str();
  app.add_flag("--close", o.close, "a connection for each request");
  CLI11_PARSE(app, argc, argv);
  return penstock::load::run(o);
}
