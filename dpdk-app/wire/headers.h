// The numbers of the wire: EtherTypes, protocols, message types, flags, lengths and field offsets, each with its
// source. The only place for them: code elsewhere names a constant. Offsets count from the first byte of the named
// header.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock::wire {

// Ethernet II (IEEE 802.3 §3.2), tags (IEEE 802.1Q §9.5, §9.6).
constexpr size_t kEthernetDstAt = 0;
constexpr size_t kEthernetSrcAt = 6;
constexpr size_t kEthernetTypeAt = 12;
constexpr size_t kEthernetLength = 14;
constexpr size_t kVlanTagLength = 4;        // TCI, then the next EtherType
constexpr uint16_t kVlanIdMask = 0x0fff;    // TCI: PCP 3 bits, DEI 1, VLAN id 12
constexpr uint16_t kEtherTypeMin = 0x0600;  // below: an 802.3 length

constexpr uint16_t kEtherTypeIpv4 = 0x0800;               // RFC 894
constexpr uint16_t kEtherTypeArp = 0x0806;                // RFC 826
constexpr uint16_t kEtherTypeTransparentBridge = 0x6558;  // RFC 7348, RFC 8926: Ethernet inside GRE or Geneve
constexpr uint16_t kEtherTypeVlan = 0x8100;               // 802.1Q C-tag
constexpr uint16_t kEtherTypeIpv6 = 0x86dd;               // RFC 2464 §3
constexpr uint16_t kEtherTypeErspan2 = 0x88be;            // draft-foschiano-erspan §4.1: type I and II
constexpr uint16_t kEtherTypeServiceVlan = 0x88a8;        // 802.1Q S-tag (802.1ad)
constexpr uint16_t kEtherTypeLldp = 0x88cc;               // IEEE 802.1AB

// ARP for IPv4 over Ethernet (RFC 826).
constexpr size_t kArpHardwareAt = 0;
constexpr size_t kArpProtocolAt = 2;
constexpr size_t kArpHardwareLengthAt = 4;
constexpr size_t kArpProtocolLengthAt = 5;
constexpr size_t kArpOperationAt = 6;
constexpr size_t kArpSenderMacAt = 8;
constexpr size_t kArpSenderIpAt = 14;
constexpr size_t kArpTargetMacAt = 18;
constexpr size_t kArpTargetIpAt = 24;
constexpr size_t kArpLength = 28;
constexpr uint16_t kArpHardwareEthernet = 1;
constexpr uint16_t kArpRequest = 1;
constexpr uint16_t kArpReply = 2;

// IPv4 (RFC 791 §3.1).
constexpr size_t kIpv4VersionAt = 0;  // version << 4 | header length in 32-bit words
constexpr size_t kIpv4TosAt = 1;
constexpr size_t kIpv4TotalLengthAt = 2;
constexpr size_t kIpv4IdAt = 4;
constexpr size_t kIpv4FragmentAt = 6;
constexpr size_t kIpv4TtlAt = 8;
constexpr size_t kIpv4ProtocolAt = 9;
constexpr size_t kIpv4ChecksumAt = 10;
constexpr size_t kIpv4SrcAt = 12;
constexpr size_t kIpv4DstAt = 16;
constexpr size_t kIpv4MinLength = 20;
constexpr uint16_t kIpv4DontFragment = 0x4000;
constexpr uint16_t kIpv4MoreFragments = 0x2000;
constexpr uint16_t kIpv4OffsetMask = 0x1fff;  // in units of 8 bytes
constexpr uint8_t kIpv4OptionEnd = 0;
constexpr uint8_t kIpv4OptionNop = 1;
constexpr uint8_t kIpv4OptionLooseRoute = 131;
constexpr uint8_t kIpv4OptionStrictRoute = 137;
constexpr uint8_t kIpv4OptionRouterAlert = 148;  // RFC 2113

// IPv6 (RFC 8200 §3, §4).
constexpr size_t kIpv6PayloadLengthAt = 4;
constexpr size_t kIpv6NextHeaderAt = 6;
constexpr size_t kIpv6HopLimitAt = 7;
constexpr size_t kIpv6SrcAt = 8;
constexpr size_t kIpv6DstAt = 24;
constexpr size_t kIpv6Length = 40;
constexpr size_t kIpv6FragmentLength = 8;
constexpr uint16_t kIpv6MoreFragments = 1;
constexpr uint16_t kIpv6OffsetMask = 0xfff8;  // already in bytes
constexpr uint8_t kIpv6OptionPad1 = 0;
constexpr uint8_t kIpv6OptionPadN = 1;
constexpr uint8_t kIpv6OptionRouterAlert = 5;   // RFC 2711
constexpr uint8_t kIpv6RoutingSourceRoute = 0;  // type 0, forbidden by RFC 5095
constexpr uint16_t kIpv6MinMtu = 1280;          // RFC 8200 §5

// IP protocols and IPv6 next headers (IANA protocol-numbers).
constexpr uint8_t kProtocolHopByHop = 0;             // RFC 8200 §4.3
constexpr uint8_t kProtocolIcmp = 1;                 // RFC 792
constexpr uint8_t kProtocolIgmp = 2;                 // RFC 3376
constexpr uint8_t kProtocolIpip = 4;                 // RFC 2003
constexpr uint8_t kProtocolTcp = 6;                  // RFC 9293
constexpr uint8_t kProtocolUdp = 17;                 // RFC 768
constexpr uint8_t kProtocolIpv6 = 41;                // RFC 2473
constexpr uint8_t kProtocolRouting = 43;             // RFC 8200 §4.4
constexpr uint8_t kProtocolFragment = 44;            // RFC 8200 §4.5
constexpr uint8_t kProtocolGre = 47;                 // RFC 2784
constexpr uint8_t kProtocolEsp = 50;                 // RFC 4303
constexpr uint8_t kProtocolAh = 51;                  // RFC 4302
constexpr uint8_t kProtocolIcmpv6 = 58;              // RFC 4443
constexpr uint8_t kProtocolNoNext = 59;              // RFC 8200 §4.7
constexpr uint8_t kProtocolDestinationOptions = 60;  // RFC 8200 §4.6
constexpr uint8_t kProtocolVrrp = 112;               // RFC 5798
constexpr uint8_t kProtocolSctp = 132;               // RFC 9260

// TCP (RFC 9293 §3.1), options (§3.2).
constexpr size_t kTcpSrcPortAt = 0;
constexpr size_t kTcpDstPortAt = 2;
constexpr size_t kTcpSeqAt = 4;
constexpr size_t kTcpAckAt = 8;
constexpr size_t kTcpDataOffsetAt = 12;  // high 4 bits, in 32-bit words
constexpr size_t kTcpFlagsAt = 13;
constexpr size_t kTcpWindowAt = 14;
constexpr size_t kTcpChecksumAt = 16;
constexpr size_t kTcpMinLength = 20;
constexpr size_t kTcpMaxLength = 60;
constexpr uint8_t kTcpFin = 1;
constexpr uint8_t kTcpSyn = 2;
constexpr uint8_t kTcpRst = 4;
constexpr uint8_t kTcpPsh = 8;
constexpr uint8_t kTcpAck = 16;
constexpr uint8_t kTcpUrg = 32;
constexpr uint8_t kTcpEce = 64;   // RFC 3168 §6.1
constexpr uint8_t kTcpCwr = 128;  // RFC 3168 §6.1
constexpr uint8_t kTcpOptionEnd = 0;
constexpr uint8_t kTcpOptionNop = 1;
constexpr uint8_t kTcpOptionMss = 2;
constexpr uint8_t kTcpOptionMssLength = 4;
constexpr uint8_t kTcpOptionWindowScale = 3;  // RFC 7323 §2.2
constexpr uint8_t kTcpOptionWindowScaleLength = 3;
constexpr uint8_t kTcpOptionSackPermitted = 4;  // RFC 2018 §2
constexpr uint8_t kTcpOptionSackPermittedLength = 2;
constexpr uint8_t kTcpOptionSack = 5;        // RFC 2018 §3: 2 + 8 per block
constexpr uint8_t kTcpOptionTimestamps = 8;  // RFC 7323 §3.2
constexpr uint8_t kTcpOptionTimestampsLength = 10;

// UDP (RFC 768), SCTP common header (RFC 9260 §3.1).
constexpr size_t kUdpLengthAt = 4;
constexpr size_t kUdpChecksumAt = 6;
constexpr size_t kUdpLength = 8;
constexpr size_t kSctpLength = 12;

// Ports a gateway knows.
constexpr uint16_t kPortIke = 500;        // RFC 7296 §2
constexpr uint16_t kPortEspInUdp = 4500;  // RFC 3948 §2.1
constexpr uint16_t kPortVxlan = 4789;     // RFC 7348 §5

// ICMP (RFC 792), ICMPv6 (RFC 4443 §2.1): type, code, checksum, four bytes that depend on the type.
constexpr size_t kIcmpTypeAt = 0;
constexpr size_t kIcmpCodeAt = 1;
constexpr size_t kIcmpChecksumAt = 2;
constexpr size_t kIcmpIdAt = 4;        // echo
constexpr size_t kIcmpSequenceAt = 6;  // echo
constexpr size_t kIcmpMtuAt = 6;       // fragmentation needed: 16 bits (RFC 1191 §4)
constexpr size_t kIcmpv6MtuAt = 4;     // packet too big: 32 bits (RFC 4443 §3.2)
constexpr size_t kIcmpLength = 8;
constexpr size_t kIcmpErrorMaxLength = 576;  // RFC 1812 §4.3.2.3: the whole IPv4 datagram; IPv6: kIpv6MinMtu

constexpr uint8_t kIcmpEchoReply = 0;
constexpr uint8_t kIcmpUnreachable = 3;
constexpr uint8_t kIcmpSourceQuench = 4;  // RFC 6633: not sent, ignored
constexpr uint8_t kIcmpRedirect = 5;
constexpr uint8_t kIcmpEchoRequest = 8;
constexpr uint8_t kIcmpTimeExceeded = 11;
constexpr uint8_t kIcmpParameterProblem = 12;
constexpr uint8_t kIcmpNetUnreachable = 0;  // codes of kIcmpUnreachable; RFC 1812 §5.2.7.1
constexpr uint8_t kIcmpHostUnreachable = 1;
constexpr uint8_t kIcmpProtocolUnreachable = 2;
constexpr uint8_t kIcmpPortUnreachable = 3;
constexpr uint8_t kIcmpFragmentationNeeded = 4;
constexpr uint8_t kIcmpProhibited = 13;
constexpr uint8_t kIcmpTtlExpired = 0;  // codes of kIcmpTimeExceeded
constexpr uint8_t kIcmpReassemblyExpired = 1;

constexpr uint8_t kIcmpv6Unreachable = 1;
constexpr uint8_t kIcmpv6PacketTooBig = 2;
constexpr uint8_t kIcmpv6TimeExceeded = 3;
constexpr uint8_t kIcmpv6ParameterProblem = 4;
constexpr uint8_t kIcmpv6EchoRequest = 128;  // types below 128 are errors (RFC 4443 §2.1)
constexpr uint8_t kIcmpv6EchoReply = 129;
constexpr uint8_t kIcmpv6NoRoute = 0;  // codes of kIcmpv6Unreachable; RFC 4443 §3.1
constexpr uint8_t kIcmpv6Prohibited = 1;
constexpr uint8_t kIcmpv6AddressUnreachable = 3;
constexpr uint8_t kIcmpv6PortUnreachable = 4;
constexpr uint8_t kIcmpv6HopLimitExceeded = 0;  // codes of kIcmpv6TimeExceeded
constexpr uint8_t kIcmpv6ReassemblyExpired = 1;

// Neighbour discovery (RFC 4861 §4).
constexpr uint8_t kNdRouterSolicit = 133;
constexpr uint8_t kNdRouterAdvert = 134;
constexpr uint8_t kNdNeighbourSolicit = 135;
constexpr uint8_t kNdNeighbourAdvert = 136;
constexpr uint8_t kNdRedirect = 137;
constexpr uint8_t kNdHopLimit = 255;  // RFC 4861 §7.1.1: proves that no router forwarded it
constexpr size_t kNdTargetAt = 8;     // of NS and NA, from the ICMPv6 header
constexpr size_t kNdRouterSolicitLength = 8;
constexpr size_t kNdNeighbourLength = 24;
constexpr uint8_t kNdFlagRouter = 0x80;  // of NA, byte 4 of the ICMPv6 header
constexpr uint8_t kNdFlagSolicited = 0x40;
constexpr uint8_t kNdFlagOverride = 0x20;
constexpr uint8_t kNdOptionSourceLink = 1;  // RFC 4861 §4.6.1
constexpr uint8_t kNdOptionTargetLink = 2;
constexpr size_t kNdLinkOptionLength = 8;  // Ethernet (RFC 2464 §6)

// GRE with a sequence number (RFC 2890 §2) and ERSPAN type II (draft-foschiano-erspan §4.2).
constexpr uint16_t kGreHasSequence = 0x1000;
constexpr size_t kGreSequencedLength = 8;
constexpr size_t kErspan2Length = 8;
constexpr uint16_t kErspan2Version = 1;        // the draft's number for type II
constexpr uint16_t kErspanMaxSession = 0x3ff;  // 10 bits

}  // namespace penstock::wire
