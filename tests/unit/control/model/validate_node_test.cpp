#include <gtest/gtest.h>

#include <functional>

#include "control/model/limits.h"
#include "tests/unit/control/model/sample_state.h"

namespace penstock::model {
namespace {

std::string with_node(const std::function<void(Node&)>& change) {
  State state;
  Node node = sample_node();
  change(node);
  state.node = std::make_shared<const Node>(node);
  return faults_of(state);
}

#define EXPECT_FAULT(expected, ...) \
  EXPECT_EQ(with_node([](Node& n) { __VA_ARGS__; }), std::string("Node/default/gw ") + expected)

TEST(ValidateNode, TheSampleIsFine) {
  EXPECT_EQ(with_node([](Node&) {}), "");
  EXPECT_EQ(faults_of(sample_state()), "");
  EXPECT_EQ(faults_of({}), "");
}

TEST(ValidateNode, Name) {
  EXPECT_EQ(with_node([](Node& n) { n.name = "GW_1"; }).substr(0, 50),
            "Node/default/GW_1 metadata.name: \"GW_1\": want 1 to");
  EXPECT_EQ(with_node([](Node& n) { n.name = "gw.rack-3.example"; }), "");
}

TEST(ValidateNode, Workers) {
  EXPECT_FAULT("spec.workers.cores[2]: core 1 is given twice", (n.workers.cores = {1, 2, 1}));
  EXPECT_FAULT("spec.workers.cores[0]: there is no core 5000", n.workers.cores = {5000});
  EXPECT_FAULT("spec.workers.cores: 65 workers are too many (at most 64)",
               for (unsigned i = 0; i < 65; ++i) n.workers.cores.push_back(i));
  EXPECT_FAULT("spec.workers.flows: 1 is out of range (want 64 to 67108864 entries)", n.workers.flows = 1);
  EXPECT_FAULT("spec.workers.sources: 1 is out of range (want 64 to 67108864 entries)", n.workers.sources = 1);
  EXPECT_FAULT("spec.workers.exactFlows: 4294967295 is out of range (want 64 to 67108864 entries)",
               n.workers.exact_flows = ~0u);
  EXPECT_FAULT("spec.workers.neighbours: 0 is out of range (want 64 to 1048576 entries)", n.workers.neighbours = 0);
  EXPECT_FAULT("spec.workers.buffers: 10 is out of range (want 1024 to 4194304 packets)", n.workers.buffers = 10);
  EXPECT_FAULT("spec.workers.connections: 1000 is out of range (want 1024 to 4194304)", n.workers.connections = 1000);
  EXPECT_FAULT("spec.workers.requests: 0 is out of range (want 64 to 131072)", n.workers.requests = 0);
  EXPECT_FAULT("spec.workers.streamMebibytes: 7 is out of range (want 8 to 65536 MiB)", n.workers.stream_mebibytes = 7);
  EXPECT_FAULT("spec.workers.halfOpen: 1048577 is out of range (want 0 to 1048576)", n.workers.half_open = 1048577);
}

TEST(ValidateNode, SessionKeys) {
  EXPECT_EQ(with_node([](Node& n) { n.session_key_file = "/etc/penstock/session.keys"; }), "");
  EXPECT_FAULT("spec.sessions.keyFile: want an absolute path of at most 4096 characters", n.session_key_file = "keys");
  EXPECT_FAULT("spec.sessions.keyFile: want an absolute path of at most 4096 characters",
               n.session_key_file = "/keys\n");
}

TEST(ValidateNode, CryptoDevices) {
  EXPECT_EQ(with_node([](Node& n) { n.crypto_devices = {"0000:3d:01.0", "penstock_fake_lookaside0,polls=3"}; }), "");
  EXPECT_FAULT("spec.crypto.devices[0].device: is missing (want a PCI address or devargs)", n.crypto_devices = {""});
  EXPECT_FAULT("spec.crypto.devices[0].device: is missing (want a PCI address or devargs)",
               n.crypto_devices = {",polls=3"});
  const std::string wanted =
      "want a PCI address or devargs: at most 255 printable characters without blanks, 40 before the first comma";
  EXPECT_FAULT("spec.crypto.devices[1].device: " + wanted, (n.crypto_devices = {"crypto_qat0", "crypto_qat1 x"}));
  EXPECT_FAULT("spec.crypto.devices[0].device: " + wanted, n.crypto_devices = {std::string(41, 'a')});
  EXPECT_FAULT("spec.crypto.devices[0].device: " + wanted, n.crypto_devices = {"a," + std::string(254, 'b')});
  EXPECT_FAULT("spec.crypto.devices[1].device: device \"crypto_a\" is also that of spec.crypto.devices[0].device",
               (n.crypto_devices = {"crypto_a,x=1", "crypto_a,x=2"}));
  EXPECT_FAULT("spec.crypto.devices: too many (at most 6)",
               for (int i = 0; i < 7; ++i) n.crypto_devices.push_back("crypto_" + std::to_string(i)));
}

TEST(ValidateNode, InterfaceFields) {
  EXPECT_FAULT("spec.interfaces[0].name: want 1 to 15 characters of A-Z, a-z, 0-9, '.', '_' and '-'",
               n.interfaces[0].name = "");
  EXPECT_FAULT("spec.interfaces[0].name: want 1 to 15 characters of A-Z, a-z, 0-9, '.', '_' and '-'",
               n.interfaces[0].name = "sixteen-letters-");
  EXPECT_FAULT("spec.interfaces[0].name: want 1 to 15 characters of A-Z, a-z, 0-9, '.', '_' and '-'",
               n.interfaces[0].name = "a b");
  EXPECT_FAULT("spec.interfaces[0].device: is missing (want a PCI address or devargs)", n.interfaces[0].device = "");
  EXPECT_FAULT(
      "spec.interfaces[0].device: want a PCI address or devargs: at most 255 printable characters without blanks",
      n.interfaces[0].device = "net_tap0 iface=x");
  EXPECT_FAULT("spec.interfaces[0].queues: 65 is out of range (want 0 to 64)", n.interfaces[0].queues = 65);
  EXPECT_FAULT("spec.interfaces[1].mtu: 80 is out of range (want 576 to 9000 bytes)", n.interfaces[1].mtu = 80);
  EXPECT_FAULT("spec.interfaces[1].mtu: 9001 is out of range (want 576 to 9000 bytes)", n.interfaces[1].mtu = 9001);
  EXPECT_FAULT("spec.interfaces[0].mtu: 1000 is too small for IPv6 (want at least 1280 bytes)",
               n.interfaces[0].mtu = 1000);
  EXPECT_EQ(with_node([](Node& n) { n.interfaces[1].mtu = 576; }), "");
  EXPECT_FAULT("spec.interfaces[0].mac: 01:00:00:00:00:00 is no address of a single station",
               n.interfaces[0].mac = base::MacAddress{{1}});
  EXPECT_FAULT("spec.interfaces[0].mac: 00:00:00:00:00:00 is no address of a single station",
               n.interfaces[0].mac.emplace());
  EXPECT_FAULT("spec.interfaces[0].mssClamp: 100 is out of range (want 536 to 8960 bytes)",
               n.interfaces[0].mss_clamp = 100);
}

TEST(ValidateNode, InterfaceAddresses) {
  const auto with_address = [](const char* address) {
    return with_node([address](Node& n) { n.interfaces[1].addresses = {net(address)}; });
  };
  const std::string at = "Node/default/gw spec.interfaces[1].addresses[0]: ";
  EXPECT_EQ(with_address("0.0.0.0/8"), at + "0.0.0.0/8 is the unspecified address");
  EXPECT_EQ(with_address("127.0.0.2/8"), at + "127.0.0.2/8 is a loopback address");
  EXPECT_EQ(with_address("ff02::1/64"), at + "ff02::1/64 is a multicast address");
  EXPECT_EQ(with_address("255.255.255.255/32"), at + "255.255.255.255/32 is the broadcast address");
  EXPECT_EQ(with_address("172.16.0.0/24"), at + "172.16.0.0/24 is the network's address (want one of a host in it)");
  EXPECT_EQ(with_address("172.16.0.255/24"),
            at + "172.16.0.255/24 is the network's broadcast address (want one of a host in it)");
  EXPECT_EQ(with_address("2001:db8:2::/64"),
            at + "2001:db8:2::/64 is the network's address (want one of a host in it)");
  EXPECT_EQ(with_address("172.16.0.0/31"), "");
  EXPECT_EQ(with_address("172.16.0.0/32"), "");
  EXPECT_EQ(with_address("2001:db8:2::/127"), "");
  EXPECT_EQ(with_address("fe80::1/64"), "");
  EXPECT_EQ(with_node([](Node& n) {
              n.interfaces = {n.interfaces[1]}, n.routes = {}, n.interfaces[0].vlans = {},
              n.interfaces[0].addresses = {net("10.0.0.1/0")};
            }),
            "Node/default/gw spec.interfaces[0].addresses[0]: 10.0.0.1/0 would make every address connected (want a "
            "prefix length above 0)");
  EXPECT_FAULT("spec.interfaces[1].addresses: too many (at most 64)",
               for (uint32_t i = 2; i < 66; ++i) n.interfaces[1].addresses.push_back(
                   {base::IpAddress::v4(0x0a000000u + i), 24}));
}

TEST(ValidateNode, Exceptions) {
  EXPECT_FAULT("spec.interfaces[0].exception.twin: rules need the name of the kernel interface that gets the packets",
               (n.interfaces[0].exceptions = {{6, 179}}));
  EXPECT_FAULT("spec.interfaces[0].exception.twin: want 1 to 15 characters of A-Z, a-z, 0-9, '.', '_' and '-'",
               n.interfaces[0].twin = "a/b");
  EXPECT_FAULT("spec.interfaces[0].exception.rules[0].protocol: is missing (want 1 to 255, or a name)",
               (n.interfaces[0].twin = "t0", n.interfaces[0].exceptions = {{0, 0}}));
  EXPECT_FAULT("spec.interfaces[0].exception.rules[0].port: only TCP, UDP and SCTP have ports",
               (n.interfaces[0].twin = "t0", n.interfaces[0].exceptions = {{89, 7}}));
  EXPECT_FAULT("spec.interfaces[0].exception.rules[1]: is given twice",
               (n.interfaces[0].twin = "t0", n.interfaces[0].exceptions = {{6, 22}, {6, 22}}));
  EXPECT_FAULT("spec.interfaces[0].exception.rules: too many (at most 64)", n.interfaces[0].twin = "t0";
               for (uint16_t i = 1; i < 66; ++i) n.interfaces[0].exceptions.push_back({6, i}));
  EXPECT_FAULT("spec.interfaces[1].exception.twin: name \"t0\" is also that of spec.interfaces[0].exception.twin",
               n.interfaces[0].twin = n.interfaces[1].twin = "t0");
  EXPECT_EQ(with_node([](Node& n) {
              n.interfaces[0].twin = "t0", n.interfaces[0].exceptions = {{89, 0}, {6, 179}};
            }),
            "");
}

TEST(ValidateNode, Vlans) {
  EXPECT_FAULT("spec.interfaces[1].vlans[0].id: 0 is out of range (want 1 to 4094)", n.interfaces[1].vlans[0].id = 0);
  EXPECT_FAULT("spec.interfaces[1].vlans[0].id: 4095 is out of range (want 1 to 4094)",
               n.interfaces[1].vlans[0].id = 4095);
  EXPECT_FAULT("spec.interfaces[1].vlans[1].id: VLAN 100 is given twice on \"lan\"", Vlan v; v.name = "v"; v.id = 100;
               n.interfaces[1].vlans.push_back(v));
  EXPECT_FAULT("spec.interfaces[1].vlans[0].mtu: 9500 is out of range (want 576 to 9000 bytes)",
               n.interfaces[1].vlans[0].mtu = 9500);
  EXPECT_FAULT("spec.interfaces[1].vlans[0].mtu: 2000 is more than the 1500 bytes of \"lan\"",
               n.interfaces[1].vlans[0].mtu = 2000);
  EXPECT_FAULT("spec.interfaces[1].vlans[0].mtu: 600 is too small for IPv6 (want at least 1280 bytes)",
               n.interfaces[1].vlans[0].mtu = 600;
               n.interfaces[1].vlans[0].addresses = {net("2001:db8:9::1/64")});
  EXPECT_FAULT("spec.interfaces[1].vlans[0].name: want 1 to 15 characters of A-Z, a-z, 0-9, '.', '_' and '-'",
               n.interfaces[1].vlans[0].name = "");
  EXPECT_FAULT("spec.interfaces[1].vlans[0].mssClamp: 9000 is out of range (want 536 to 8960 bytes)",
               n.interfaces[1].vlans[0].mss_clamp = 9000);
  EXPECT_FAULT("spec.interfaces[1].vlans[0].addresses[0]: 224.0.0.5/24 is a multicast address",
               n.interfaces[1].vlans[0].addresses = {net("224.0.0.5/24")});
}

TEST(ValidateNode, Duplicates) {
  EXPECT_FAULT("spec.interfaces[1].name: name \"wan\" is also that of spec.interfaces[0].name",
               n.interfaces[1].name = "wan");
  EXPECT_FAULT("spec.interfaces[1].vlans[0].name: name \"wan\" is also that of spec.interfaces[0].name",
               n.interfaces[1].vlans[0].name = "wan");
  EXPECT_FAULT("spec.interfaces[1].device: device \"net_af_packet0\" is also that of spec.interfaces[0].device",
               n.interfaces[1].device = "net_af_packet0,iface=eth1");
}

TEST(ValidateNode, Counts) {
  EXPECT_FAULT(
      "spec.interfaces: 258 interfaces, VLANs and kernel twins are too many (at most 256)",
      n.interfaces[1].vlans.clear();
      for (uint16_t i = 1; i <= 256; ++i) {
        Vlan v;
        v.id = i;
        v.name = "v" + std::to_string(i);
        n.interfaces[1].vlans.push_back(v);
      });
  EXPECT_FAULT(
      "spec.interfaces: 34 devices and kernel twins are too many (at most 32)", for (int i = 0; i < 16; ++i) {
        Interface port;
        port.name = "p" + std::to_string(i);
        port.device = "net_null" + std::to_string(i);
        port.twin = "t" + std::to_string(i);
        n.interfaces.push_back(port);
      });
}

TEST(ValidateNode, Overlaps) {
  EXPECT_FAULT("spec.interfaces[1].addresses[0]: 203.0.113.1 is also the address at spec.interfaces[0].addresses[0]",
               n.interfaces[1].addresses = {net("203.0.113.1/24")});
  EXPECT_FAULT("spec.interfaces[1].addresses[0]: 203.0.113.129/25 on \"lan\" overlaps 203.0.113.1/24 on \"wan\"",
               n.interfaces[1].addresses = {net("203.0.113.129/25")});
  EXPECT_FAULT("spec.interfaces[1].addresses[0]: 203.0.0.1/16 on \"lan\" overlaps 203.0.113.1/24 on \"wan\"",
               n.interfaces[1].addresses = {net("203.0.0.1/16")});
  EXPECT_FAULT("spec.interfaces[1].vlans[0].addresses[0]: 10.0.0.9/30 on \"lan.100\" overlaps 10.0.0.1/24 on \"lan\"",
               n.interfaces[1].vlans[0].addresses = {net("10.0.0.9/30")});
  EXPECT_FAULT("spec.interfaces[1].addresses[1]: 10.0.0.1 is also the address at spec.interfaces[1].addresses[0]",
               n.interfaces[1].addresses.push_back(net("10.0.0.1/23")));
  // Two addresses of one subnet on one interface are fine, and so is the same link-local prefix on several links.
  EXPECT_EQ(with_node([](Node& n) { n.interfaces[1].addresses.push_back(net("10.0.0.2/24")); }), "");
  EXPECT_EQ(with_node([](Node& n) {
              n.interfaces[0].addresses.push_back(net("fe80::1/64"));
              n.interfaces[1].addresses.push_back(net("fe80::1/64"));
            }),
            "");
  EXPECT_FAULT("spec.interfaces[1].addresses[2]: fe80::1 is also the address at spec.interfaces[1].addresses[1]",
               n.interfaces[1].addresses.push_back(net("fe80::1/64"));
               n.interfaces[1].addresses.push_back(net("fe80::1/64")));
}

TEST(ValidateNode, Settings) {
  EXPECT_FAULT("spec.flowTimeouts.tcpEstablished: 2000000 is out of range (want 1 to 1728000 seconds)",
               n.flow_timeouts.tcp_established = 2'000'000);
  EXPECT_FAULT("spec.flowTimeouts.udpStream: 0 is out of range (want 1 to 1728000 seconds)",
               n.flow_timeouts.udp_stream = 0);
  EXPECT_FAULT("spec.neighbours.reachableTime: 0 is out of range (want 1 to 86400 seconds)",
               n.neighbours.reachable_seconds = 0);
  EXPECT_FAULT("spec.neighbours.retryInterval: 1 is out of range (want 100 to 60000 milliseconds)",
               n.neighbours.retry_milliseconds = 1);
  EXPECT_FAULT("spec.neighbours.retries: 21 is out of range (want 1 to 20)", n.neighbours.retries = 21);
  EXPECT_FAULT("spec.neighbours.queuePackets: 0 is out of range (want 1 to 1024 packets)",
               n.neighbours.queue_packets = 0);
  EXPECT_FAULT("spec.icmpErrorsPerSecond: 1000001 is out of range (want 0 to 1000000)",
               n.icmp_errors_per_second = 1'000'001);
  EXPECT_FAULT("spec.fragments.timeout: 1 is out of range (want 100 to 120000 milliseconds)",
               n.fragment_timeout_milliseconds = 1);
  EXPECT_FAULT("spec.fragments.datagrams: 0 is out of range (want 1 to 1048576)", n.fragment_datagrams = 0);
  EXPECT_FAULT("spec.drainTimeout: 86401 is out of range (want 0 to 86400 seconds)", n.drain_seconds = 86401);
}

TEST(ValidateNode, RoutePrefixes) {
  const auto with_prefix = [](const char* prefix) {
    return with_node([prefix](Node& n) { n.routes.push_back({net(prefix), RouteAction::kBlackhole, {}}); });
  };
  const std::string at = "Node/default/gw spec.routes[1].prefix: ";
  EXPECT_EQ(with_prefix("10.1.0.1/16"), at + "10.1.0.1/16 has host bits set (want 10.1.0.0/16)");
  EXPECT_EQ(with_prefix("224.0.0.0/4"), at + "224.0.0.0/4 is not routed: multicast or loopback");
  EXPECT_EQ(with_prefix("0.0.0.0/0"), at + "0.0.0.0/0 is also the prefix of spec.routes[0]");
  EXPECT_EQ(with_prefix("10.0.0.0/24"), at + "10.0.0.0/24 is connected on \"lan\"");
  EXPECT_EQ(with_prefix("10.0.0.1/32"), at + "10.0.0.1/32 is the gateway's own address");
  EXPECT_EQ(with_prefix("10.0.0.0/16"), "");
}

TEST(ValidateNode, RouteHops) {
  EXPECT_FAULT("spec.routes[0].nextHops: at least one is needed (or another action)", n.routes[0].next_hops.clear());
  EXPECT_FAULT("spec.routes[0].nextHops: only a route with action forward has next hops",
               n.routes[0].action = RouteAction::kProhibit);
  EXPECT_FAULT(
      "spec.routes[0].nextHops: too many (at most 64)", n.routes[0].next_hops.clear();
      for (uint32_t i = 2; i < 67; ++i) n.routes[0].next_hops.push_back({base::IpAddress::v4(0xcb007100u + i), "", 1}));
  EXPECT_FAULT("spec.routes[0].nextHops[1]: is the same as nextHops[0]",
               n.routes[0].next_hops.push_back(n.routes[0].next_hops[0]));
  EXPECT_FAULT("spec.routes[0].nextHops[0].weight: 0 is out of range (want 1 to 256)",
               n.routes[0].next_hops[0].weight = 0);
  EXPECT_FAULT("spec.routes[0].nextHops[0].weight: 257 is out of range (want 1 to 256)",
               n.routes[0].next_hops[0].weight = 257);
  EXPECT_FAULT("spec.routes[0].nextHops[0].interface: there is no interface \"dmz\"",
               n.routes[0].next_hops[0].interface = "dmz");
  EXPECT_FAULT("spec.routes[0].nextHops[0]: want via, interface or both", n.routes[0].next_hops[0].via.reset());
  EXPECT_FAULT("spec.routes[0].nextHops[1].via: is missing: only a single next hop may be the link itself",
               n.routes[0].next_hops.push_back({{}, "lan", 1}));
  EXPECT_EQ(with_node([](Node& n) { n.routes[0].next_hops = {{{}, "lan", 1}}; }), "");
}

TEST(ValidateNode, RouteGateways) {
  const auto with_via = [](const char* via, const char* interface = "") {
    return with_node([via, interface](Node& n) { n.routes[0].next_hops = {{ip(via), interface, 1}}; });
  };
  const std::string at = "Node/default/gw spec.routes[0].nextHops[0].via: ";
  EXPECT_EQ(with_via("192.0.2.1"), at + "192.0.2.1 lies in no connected prefix");
  EXPECT_EQ(with_via("2001:db8:1::2"), at + "2001:db8:1::2 is IPv6, but the route is IPv4");
  EXPECT_EQ(with_via("203.0.113.1"), at + "203.0.113.1 is the gateway's own address");
  EXPECT_EQ(with_via("203.0.113.9", "lan"), at + "203.0.113.9 is on \"wan\", not on \"lan\"");
  EXPECT_EQ(with_via("224.0.0.9"), at + "224.0.0.9 is a multicast address");
  EXPECT_EQ(with_via("10.0.100.7", "lan.100"), "");
  const auto with_via6 = [](const char* via, const char* interface) {
    return with_node([=](Node& n) {
      n.routes.push_back({net("::/0"), RouteAction::kForward, {{ip(via), interface, 1}}});
    });
  };
  EXPECT_EQ(with_via6("fe80::1", "wan"), "");
  EXPECT_EQ(with_via6("fe80::1", ""),
            "Node/default/gw spec.routes[1].nextHops[0].via: fe80::1 is link-local: it needs an interface");
}

TEST(ValidateNode, TooManyRoutes) {
  EXPECT_FAULT("spec.routes: 1048577 routes are too many (at most 1048576)", n.routes.resize(kMaxRoutes + 1));
}

TEST(ValidateNode, AllFaultsAtOnceButNotWithoutBound) {
  EXPECT_EQ(with_node([](Node& n) {
              n.interfaces[0].mtu = 1, n.routes[0].next_hops[0].weight = 0, n.drain_seconds = 1u << 20;
            }),
            "Node/default/gw spec.interfaces[0].mtu: 1 is out of range (want 576 to 9000 bytes)\n"
            "Node/default/gw spec.routes[0].nextHops[0].weight: 0 is out of range (want 1 to 256)\n"
            "Node/default/gw spec.drainTimeout: 1048576 is out of range (want 0 to 86400 seconds)");
  State state;
  Node node = sample_node();
  for (uint32_t i = 0; i < 3000; ++i)
    node.routes.push_back({{base::IpAddress::v4(0x14000001u + (i << 8)), 24}, RouteAction::kBlackhole, {}});
  state.node = std::make_shared<const Node>(node);
  const FieldErrors errors = validate(state);
  ASSERT_EQ(errors.size(), kMaxFaults + 1);
  EXPECT_EQ(errors.back().to_string(), "bundle: 2000 more faults are not shown");
}

}  // namespace
}  // namespace penstock::model
