// Bounds of the desired state, each with its reason. What the engine's tables can hold is written in flow/generation.h;
// this room may not include flow, so control/compile asserts that the two agree.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock::model {

// Mirrors of flow/generation.h.
constexpr size_t kMaxInterfaces = 256;  // ports, VLANs and kernel twins together
constexpr size_t kMaxPorts = 32;        // devices, kernel twins included
constexpr size_t kMaxWorkers = 64;
constexpr size_t kMaxServices = 1u << 16;   // virtual ports
constexpr size_t kMaxEndpoints = 1u << 20;  // endpoints of all virtual ports
constexpr size_t kMaxRules = 1u << 17;
constexpr size_t kMaxLimits = 1u << 14;
constexpr size_t kMaxEgresses = 1u << 10;
constexpr size_t kMaxMirrors = 64;
constexpr size_t kMaxNextHops = 64;
constexpr size_t kMaxCryptoDevices = 6;  // beside the two in software: engine/crypto/esp_lane.h, kMaxDevices
constexpr size_t kMaxPeers = 4096;

constexpr size_t kMaxFaults = 1000;        // reported at once: a reply must stay readable and under a gRPC message
constexpr unsigned kMaxCores = 1024;       // CPU_SETSIZE
constexpr size_t kMaxRoutes = 1u << 20;    // what the route table is built and measured for
constexpr size_t kMaxAddresses = 64;       // per interface
constexpr size_t kMaxExceptions = 64;      // per interface: looked through for every packet to the gateway itself
constexpr size_t kMaxListItems = 4096;     // per list of a match: control/compile multiplies lists out
constexpr size_t kMaxPoolAddresses = 256;  // per NAT pool
constexpr size_t kMaxServiceAddresses = 256;
constexpr size_t kMaxServicePorts = 250;  // Kubernetes itself refuses more
constexpr size_t kMaxAppProtocol = 317;   // a prefix of 253, '/', a name of 63
constexpr size_t kMaxSliceEndpoints = 1000;
constexpr size_t kMaxSlicePorts = 100;
constexpr size_t kMaxEndpointsPerService = 4096;  // so that a Maglev table of 100 places each stays under its bound
constexpr uint32_t kMaxMaglevTable = 655373;      // a prime; 2 bytes a place, 1.3 MB a service

constexpr size_t kMaxPeerAddresses = 8;
constexpr uint32_t kMinLivenessInterval = 10, kMaxLivenessInterval = 10'000;  // ms
constexpr uint32_t kMaxLivenessMisses = 100;
constexpr size_t kMaxEncryptRules = 1024;  // each is at most one more route
constexpr size_t kMaxPeerPrefixes = 64;    // looked through for every packet that comes out of its tunnel
constexpr size_t kMaxWorkloads = 32767;  // an identity each has a number (flow/identity.h), and half of them are chosen
constexpr size_t kMaxWorkloadAddresses = 64;
constexpr size_t kMaxRuleIdentities = 256;       // per list of a rule: control/compile multiplies lists out
constexpr size_t kMaxIdentitySelectors = 16384;  // distinct, of all rules: classes are 16 bits wide
constexpr size_t kMaxPeerIdentities = 65535;     // a number is 16 bits wide
constexpr uint32_t kMinReplayWindow = 64;
constexpr uint32_t kMaxReplayWindow = 4096;
constexpr uint32_t kMinLifetimeSeconds = 5;  // agreeing anew more often would be all that gateways do
constexpr uint32_t kMaxLifetimeSeconds = 30 * 86400;
// A quarter is left when new keys are asked for: 0.25 s at 10 Mpps, 0.2 s at 100 Gbit/s.
constexpr uint64_t kMinLifetimePackets = 10'000'000;
constexpr uint64_t kMinLifetimeBytes = 10'000'000'000;
constexpr size_t kMaxPath = 4096;  // PATH_MAX

constexpr unsigned kMinMtu4 = 576;   // RFC 791: every host takes this much
constexpr unsigned kMinMtu6 = 1280;  // RFC 8200 §5
constexpr unsigned kMaxMtu = 9000;   // packet buffers are made for this

// Flow ages are kept in milliseconds that compare right within 24 days (base/time.h).
constexpr uint32_t kMaxFlowTimeoutSeconds = 20 * 86400;

constexpr uint32_t kMinTableEntries = 64;        // smaller tables only make eviction noise
constexpr uint32_t kMaxTableEntries = 1u << 26;  // per worker; 64 M flows are some 20 GB
constexpr uint32_t kMinBuffers = 1024;           // one burst in every queue's ring
constexpr uint32_t kMaxBuffers = 1u << 22;       // 4 M buffers are some 10 GB

// The token bucket keeps the price of one unit in cycles: below one unit a second it would not fit
// (flow/token_bucket.h).
constexpr double kMinRate = 1;
constexpr double kMaxRatePackets = 1e9;  // ten ports of 100 Gbit/s at minimum size are 1.5e9
constexpr double kMaxRateBits = 1e13;    // 10 Tbit/s
constexpr double kMaxRateConnections = 1e9;
constexpr double kMaxRateRequests = 1e9;
constexpr double kMinBandwidth = 1000;         // bit/s of content: below, time-outs come first
constexpr unsigned kMinBandwidthBurst = 8192;  // content goes in steps of half of it
constexpr double kMaxBurstSeconds = 3600;      // of the rate: an hour's credit is no limit any more

constexpr uint16_t kMaxWeight = 1000;    // of an endpoint
constexpr uint16_t kMaxHopWeight = 256;  // of a next hop
constexpr uint8_t kMaxDscp = 63;
constexpr uint16_t kMaxErspanSession = 1023;  // 10 bits
constexpr uint16_t kMinTruncate = 14;         // an Ethernet header
constexpr uint16_t kMaxTruncate = 9216;

}  // namespace penstock::model
