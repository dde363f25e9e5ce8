// A whole proxy between clients and endpoints that say anything, cut anywhere: whatever comes, nothing is held when all
// have gone, the transport is used as it is meant to be, and nothing waits for ever.
//
// The input is a program: the first byte chooses a configuration, then operations of a byte with their arguments. What
// is said is made of words of HTTP and of bytes of the input.
#include <memory>

#include "input.h"
#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

constexpr std::string_view kClientWords[] = {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    "PUT /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    "GET /deny?q=evil HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "HEAD / HTTP/1.0\r\n\r\n",
    "3\r\nabc\r\n",
    "0\r\n\r\n",
    "evil",
    "content-length: 1\r\n",
    "\r\n",
    "PUT /p HTTP/1.1\r\nHost: a\r\nContent-Encoding: deflate, GZIP\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST /p HTTP/1.1\r\nHost: a\r\nContent-Encoding: deflate\r\nContent-Length: 9\r\n\r\n\1\4\0\xfb\377"
    "evil",
};
constexpr std::string_view kServerWords[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early\r\nLink: a\r\n\r\n",
    "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "HTTP/1.1 204 None\r\n\r\n",
    "2\r\nab\r\n",
    "0\r\n\r\n",
    "\r\n",
};

std::shared_ptr<const route::L7Config> configuration(uint8_t way) {
  ConfigBuilder builder;
  const uint32_t mirror = builder.cluster(1);
  config::Filters filters;
  if (way & 1) filters.mirrors.push_back({mirror, 1, 1});
  if (way & 2) filters.fault = config::Fault{.delay = kMs, .delay_per_million = 500'000};
  filters.response = {{config::HeaderChange::Kind::kSet, "x-by", "us"}};
  config::Action action = ConfigBuilder::to(builder.cluster(2, {.connections = 2}), builder.filters(filters));
  if (way & 4) action.retry = {.attempts = 2, .backoff = kMs, .codes = {503}};
  action.timeouts.request = way & 8 ? 1000 * kMs : 0;
  action.guards = 0;
  builder.route("/", builder.action(action));
  std::vector<config::AccessPolicy> policies(1);
  policies[0].action = config::AccessAction::kDeny;
  policies[0].rules.emplace_back().paths = {{config::TextKind::kPrefix, "/deny"}};
  config::Inspection inspection;
  inspection.body_bytes = way & 16 ? 6 : 0;
  inspection.patterns.emplace_back().expression = "evil";
  inspection.patterns[0].parts = config::kInspectBody | config::kInspectQuery;
  inspection.patterns[0].action = config::InspectionAction::kDeny;
  guard::Set& set = builder.config().guards;
  auto access = guard::Access::build(policies);
  auto scratch = guard::AccessScratch::make(*access);
  auto inspected = guard::Inspection::build(inspection);
  auto room = std::make_shared<guard::InspectionScratch>();
  if (!room->fit(*inspected)) fail("no scratch");
  set.lists = {{{0}, 0}};
  set.access = std::make_shared<const guard::Access>(std::move(*access));
  set.access_scratches = {std::make_shared<guard::AccessScratch>(std::move(*scratch))};
  set.inspections = {std::make_shared<const guard::Inspection>(std::move(*inspected))};
  set.inspection_scratches = {room};
  return builder.build();
}

// Compiled once: regular expressions take longer than a run.
std::shared_ptr<const route::L7Config> kept(uint8_t way) {
  static std::shared_ptr<const route::L7Config> all[32];
  if (!all[way & 31]) all[way & 31] = configuration(way & 31);
  return all[way & 31];
}

class Actor {
 public:
  Actor(const uint8_t* data, size_t size) : in_(data, size), rig_(kept(in_.byte()), small_limits()) {}

  void play() {
    for (unsigned steps = 0; !in_.empty() && steps < 500; ++steps) {
      step();
      if (rig_.net.misuse) fail("the transport was misused");
    }
    for (uint32_t id = 0; id < rig_.net.all().size(); ++id)
      if (rig_.net.at(id).used && !rig_.net.at(id).released) rig_.reset(id);
    rig_.pass(30'000 * kMs);  // mirrors end by themselves
    if (rig_.proxy.exchanges() != 0) fail("an exchange was kept");
    if (rig_.proxy.messages() != 0) fail("a head was kept");
    if (rig_.proxy.held_bodies() != 0) fail("held content was kept");
    if (rig_.proxy.clients() != 0) fail("a client was kept");
    if (rig_.net.misuse) fail("the transport was misused");
  }

 private:
  template <size_t kWords>
  std::string words(const std::string_view (&from)[kWords]) {
    const uint8_t which = in_.byte();
    std::string out = which < 224 ? std::string(from[which % kWords]) : in_.bytes(1 + which % 8);
    if (which < 224 && which >= 192) out.resize(out.size() / 2);
    return out;
  }
  uint32_t one_of(const std::vector<uint32_t>& ids) { return ids[in_.byte() % ids.size()]; }

  void step() {
    const uint8_t operation = in_.byte();
    if (clients_.empty() || (operation >= 240 && clients_.size() < 4)) {
      clients_.push_back(rig_.client(operation % 8 == 7 ? 1 : 0));
      return;
    }
    const uint32_t client = one_of(clients_);
    if (operation < 90) return rig_.send(client, words(kClientWords));
    if (operation < 110) return void(rig_.take(client, 1 + in_.byte()));
    if (operation < 120) return rig_.finish(client);
    if (operation < 125) return rig_.reset(client);
    if (operation < 135) return rig_.pass(in_.byte() * 40 * kMs);
    if (operation < 140) return rig_.adopt(kept(in_.byte()));
    if (operation < 145) {
      rig_.net.window = 64 << in_.byte() % 12;
      rig_.net.piece_bytes = 1 + in_.byte();
      return;
    }
    if (operation < 150) {
      rig_.net.outcomes.assign(4, static_cast<FakeNet::Connect>(in_.byte() % 4));
      return;
    }
    if (rig_.net.connects.empty()) return;
    const uint32_t backend = one_of(rig_.net.connects);
    if (!rig_.net.at(backend).upstream || rig_.net.at(backend).released) return;
    if (operation < 210) return rig_.send(backend, words(kServerWords));
    if (operation < 230) return void(rig_.take(backend, 1 + in_.byte()));
    if (operation < 235) return rig_.finish(backend);
    rig_.reset(backend);
  }

  Input in_;
  Rig rig_;
  std::vector<uint32_t> clients_;
};

}  // namespace
}  // namespace penstock::proxy

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::make_unique<penstock::proxy::Actor>(data, size)->play();
  return 0;
}
