// Every reader of wire/ on arbitrary bytes: no read outside of them (AddressSanitizer), and what parse() promises.
// The first byte chooses the way in, the rest is the packet.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "wire/arp_nd.h"
#include "wire/build.h"
#include "wire/checksum.h"
#include "wire/parse.h"
#include "wire/print.h"
#include "wire/rewrite.h"
#include "wire/tcp_options.h"

namespace {

using namespace penstock;
using namespace penstock::wire;

void require(bool truth) {
  if (!truth) std::abort();
}

void check_offsets(const Headers& h, size_t size) {
  require(h.l2_length <= h.l4_offset && h.l4_offset <= h.payload_offset && h.payload_offset <= h.end && h.end <= size);
  require(h.inner_vlan_tags < kMaxVlanTags);
}

// Changes in place must keep a good packet good.
void rewrite(std::vector<uint8_t> frame, const Headers& h) {
  const ChecksumState before = verify_l4(frame, h);
  if (h.hop_limit > 1) decrement_hop_limit(frame.data(), h);
  set_dscp(frame.data(), h, 46);
  clamp_mss(frame.data(), h, 1000);
  const uint8_t* ip = frame.data() + h.l2_length;
  Endpoints from{{}, {}, h.src_port, h.dst_port};
  from.src = h.family == 4 ? base::IpAddress::v4_from(ip + kIpv4SrcAt) : base::IpAddress::v6_from(ip + kIpv6SrcAt);
  from.dst = h.family == 4 ? base::IpAddress::v4_from(ip + kIpv4DstAt) : base::IpAddress::v6_from(ip + kIpv6DstAt);
  Endpoints to{from.dst, from.src, 1234, 4321};
  to.src.bytes[15] ^= 0x5a;
  translate(frame.data(), h, make_translation(from, to, h.protocol));
  Headers again;
  require(parse(frame, static_cast<uint32_t>(frame.size()), Ipv4Checksum::kVerify, again) == ParseError::kNone);
  require(again.end == h.end && again.l4_offset == h.l4_offset && again.traffic_class >> 2 == 46);
  if (before == ChecksumState::kGood) require(verify_l4(frame, again) == ChecksumState::kGood);
}

void read_frame(base::Bytes frame, Ipv4Checksum checksum) {
  Headers h;
  const ParseError error = parse(frame, static_cast<uint32_t>(frame.size()), checksum, h);
  require(!describe(frame).empty());
  if (error != ParseError::kNone) return;
  ArpMessage arp;
  NdMessage nd;
  const bool is_arp = parse_arp(frame, h, arp) == NeighbourError::kNone;
  const bool is_nd = parse_nd(frame, h, nd) == NeighbourError::kNone;
  require(!is_arp || (h.family == 0 && arp.sender_ip.is_v4()));
  require(!is_nd || h.hop_limit == kNdHopLimit);
  if (h.family == 0) return;
  check_offsets(h, frame.size());
  may_answer_with_error(frame, h);
  uint8_t out[100];
  build_reset(out, ResetPacket{.link = Link{}, .frame = frame, .headers = h});
  if (checksum == Ipv4Checksum::kVerify) rewrite({frame.begin(), frame.end()}, h);
}

void read_datagram(base::Bytes datagram, Whole whole) {
  Headers h;
  const ParseError error = parse_ip(datagram, whole, Ipv4Checksum::kVerifiedByDevice, h);
  require(!describe_ip(datagram, whole).empty());
  if (error == ParseError::kNone) check_offsets(h, datagram.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const base::Bytes packet{data + 1, size - 1};
  switch (data[0] & 3) {
    case 0:
      read_frame(packet, Ipv4Checksum::kVerify);
      break;
    case 1:
      read_frame(packet, Ipv4Checksum::kVerifiedByDevice);
      break;
    case 2:
      read_datagram(packet, Whole::kYes);
      break;
    case 3:
      read_datagram(packet, Whole::kQuoted);
      break;
  }
  return 0;
}
