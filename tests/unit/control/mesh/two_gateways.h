// Two gateways that agree on keys with each other over a link that delays, loses and breaks: the real machines, time
// and associations that are only numbers.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>

#include "control/mesh/machine.h"
#include "unit/control/pki/forge.h"

namespace penstock::mesh {

using pki::kDay;
using pki::kHour;
using pki::kNow;
constexpr base::Nanos kMs = 1'000'000;
constexpr base::Nanos kSecond = base::kNanosPerSecond;

// Associations by their SPIs.
class FakeTunnels : public Tunnels {
 public:
  explicit FakeTunnels(uint32_t first) : next_(first) {}

  base::Result<Made> make_inbound(const model::Name&, const std::string&, uint64_t epoch, unsigned senders) override {
    if (full) return base::Error{"no room"};
    Made made;
    for (unsigned i = 0; i < senders; ++i) {
      inbound[epoch].insert(++next_);
      made.associations.push_back({next_, pki::Secret("key"), {}});
    }
    most_sets = std::max(most_sets, inbound.size());
    return made;
  }
  base::Result<void> use_outbound(const model::Name&, const std::string&, const Grant& grant) override {
    if (refuses) return base::Error{"a key of no possible length"};
    outbound.clear();
    for (const Association& each : grant.associations) outbound.insert(each.spi);
    worn = false;
    return {};
  }
  base::Result<void> learn_identities(const model::Name&, const std::string&,
                                      const std::vector<model::PeerIdentity>& told) override {
    learned = told;
    return {};
  }
  void drop_inbound(const model::Name&, uint64_t epoch) override { inbound.erase(epoch); }
  void drop_outbound(const model::Name&) override { outbound.clear(); }
  void settle() override {}
  std::vector<Use> use() override {
    Use use{.peer = {.name = "other"}, .outbound = !outbound.empty(), .worn = worn};
    for (const auto& [epoch, spis] : inbound) use.inbound.push_back(epoch);
    return {use};
  }

  bool takes(uint32_t spi) const {
    for (const auto& [epoch, spis] : inbound)
      if (spis.contains(spi)) return true;
    return false;
  }

  std::map<uint64_t, std::set<uint32_t>> inbound;
  std::set<uint32_t> outbound;
  std::vector<model::PeerIdentity> learned;
  bool full = false, refuses = false, worn = false;
  size_t most_sets = 0;

 private:
  uint32_t next_;
};

inline pki::SpiffeId id(const std::string& text) { return *pki::SpiffeId::parse(text); }

class TwoGateways : public ::testing::Test {
 protected:
  struct Gateway {
    std::string name;  // "a"
    std::unique_ptr<FakeTunnels> tunnels;
    std::unique_ptr<Machine> machine;
    model::Peer peer;  // its object for the other
    Evidence evidence;
    long serial = 0;
    std::shared_ptr<const pki::Material> material;
    bool up = true;
    uint64_t starts = 0;
  };
  struct Event {
    base::Nanos at;
    std::function<void()> run;
  };

  void SetUp() override {
    for (Gateway* each : {&a_, &b_}) {
      each->name = each == &a_ ? "a" : "b";
      each->peer.name = {.name = "other"};
      each->peer.identity = "spiffe://example.org/gateway/" + std::string(each == &a_ ? "b" : "a");
      each->peer.address = *base::IpAddress::parse(each == &a_ ? "192.0.2.2" : "192.0.2.1");
      each->peer.prefixes = {*base::Prefix::parse(each == &a_ ? "10.2.0.0/16" : "10.1.0.0/16")};
      each->peer.lifetime.seconds = 3600;
      certify(*each, kNow + kDay);
      start(*each);
    }
  }

  // A certificate of its own from the root of both.
  void certify(Gateway& g, pki::Seconds until, const std::vector<long>& revoked = {}) {
    const auto identity = pki::forge(
        {.san = "URI:spiffe://example.org/gateway/" + g.name, .not_after = until, .serial = g.serial = ++serial_},
        &root_);
    g.evidence = {{identity.certificate}, id("spiffe://example.org/gateway/" + g.name)};
    g.material = material(identity, revoked);
  }
  std::shared_ptr<const pki::Material> material(const pki::Identity& identity, const std::vector<long>& revoked) {
    auto trust = pki::TrustBundle::make("example.org", {root_.certificate},
                                        {pki::forge_list(root_, revoked, kNow - kHour, kNow + 100 * kDay)}, "bundle");
    EXPECT_TRUE(trust.ok()) << trust.error();
    return std::make_shared<const pki::Material>(pki::Material{
        {{identity.certificate}, identity.key, *identity.certificate.identity()}, std::move(*trust), ++number_});
  }
  // The same certificate, and a list that names these serials.
  void revoke(Gateway& g, const std::vector<long>& serials) {
    const auto& svid = g.material->svid;
    g.material = material({svid.chain[0], svid.key}, serials);
    g.machine->set_material(g.material, "", now_, wall());
  }

  // As after a crash: nothing is left of what it had.
  void start(Gateway& g) {
    ++g.starts;
    g.tunnels = std::make_unique<FakeTunnels>(static_cast<uint32_t>(1000 * (2 * g.starts + (&g == &a_ ? 0 : 1))));
    g.machine = std::make_unique<Machine>(*g.tunnels, random_(), random_());
    g.machine->set_workers(2);
    g.machine->set_material(g.material, "", now_, wall());
    configure(g);
    g.up = true;
  }
  void configure(Gateway& g) {
    model::Objects<model::Peer> peers;
    peers[g.peer.name] = std::make_shared<const model::Peer>(g.peer);
    g.machine->set_peers(peers, now_);
  }

  pki::Seconds wall() const { return kNow + now_ / kSecond + clock_error; }
  Gateway& other(const Gateway& g) { return &g == &a_ ? b_ : a_; }
  base::Nanos delay() { return static_cast<base::Nanos>(random_() % 5 + 1) * kMs; }
  bool lost() { return static_cast<double>(random_() % 1000) < loss * 1000; }

  void later(base::Nanos time, std::function<void()> run) { events_.push_back({now_ + time, std::move(run)}); }
  void send(Gateway& from, const Call& call) {
    Gateway& to = other(from);
    const uint64_t from_start = from.starts;
    const auto fail = [this, &from, call, from_start](base::Nanos after) {
      later(after, [&from, call, from_start, this] {
        if (from.starts == from_start && from.up) from.machine->on_failure(call, Failure::kUnreachable, "lost", now_);
      });
    };
    if (lost()) return fail(2 * kSecond);
    later(delay(), [this, &from, &to, call, from_start, fail] {
      if (!to.up || broken) return fail(0);
      if (call.kind == CallKind::kBeat) {
        const auto alive = to.machine->on_beat_of(from.evidence.id, call.epoch, now_);
        if (lost()) return fail(2 * kSecond);
        return later(delay(), [&from, call, alive, from_start, this] {
          if (from.starts == from_start && from.up) from.machine->on_beat(call, alive.instance, alive.has_set, now_);
        });
      }
      auto answer = std::make_shared<Machine::Answer>(to.machine->on_offer(from.evidence, call.offer, now_, wall()));
      if (lost()) return fail(2 * kSecond);
      later(delay(), [this, &from, &to, call, answer, from_start, sender = to.evidence] {
        if (from.starts != from_start || !from.up) return;
        if (answer->refused) {
          from.machine->on_failure(call, answer->refused->failure, answer->refused->reason, now_);
        } else {
          from.machine->on_grant(call, *answer->grant, sender, now_, wall());
        }
      });
    });
  }

  // Every millisecond: what arrives, what the machines want; and `check`.
  void run(
      base::Nanos time, const std::function<void()>& check = [] {}) {
    for (const base::Nanos end = now_ + time; now_ < end; now_ += kMs) {
      for (size_t i = 0; i < events_.size(); ++i) {
        if (events_[i].at > now_) continue;
        const auto event = std::move(events_[i].run);
        events_.erase(events_.begin() + static_cast<long>(i--));
        event();
      }
      for (Gateway* each : {&a_, &b_}) {
        if (!each->up) continue;
        each->machine->on_time(now_, wall());
        while (const auto call = each->machine->next_call()) send(*each, *call);
      }
      check();
    }
  }
  // What `g` sends arrives: the other one takes every SPI that it uses.
  bool carries(Gateway& g) {
    if (g.tunnels->outbound.empty()) return false;
    for (const uint32_t spi : g.tunnels->outbound)
      if (!other(g).tunnels->takes(spi)) return false;
    return true;
  }
  bool both_carry() { return carries(a_) && carries(b_); }
  LinkStatus status(Gateway& g) { return g.machine->status().at(0); }
  // Time until the tunnel carries in both directions, at most `most`.
  base::Nanos until_both_carry(base::Nanos most) {
    const base::Nanos began = now_;
    while (!both_carry() && now_ - began < most) run(kMs);
    return now_ - began;
  }

  const pki::Identity root_ = pki::forge(pki::forged_root());
  long serial_ = 100;
  uint64_t number_ = 0;
  base::Nanos now_ = kSecond;
  double loss = 0;
  pki::Seconds clock_error = 0;
  bool broken = false;  // nobody reaches the other
  std::mt19937 random_{7};
  std::vector<Event> events_;
  Gateway a_, b_;
};

}  // namespace penstock::mesh
