#include "control/api/explain.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "flow/verdict.h"
#include "wire/build.h"
#include "wire/headers.h"
#include "wire/print.h"

namespace penstock::api {

namespace {

constexpr uint32_t kMaxPayload = 1400;  // with every header still one standard buffer

base::Result<uint8_t> protocol_of(const std::string& text) {
  static const std::map<std::string, uint8_t> kNames = {{"", 6}, {"tcp", 6}, {"udp", 17}, {"icmp", 1}, {"icmpv6", 58}};
  const auto found = kNames.find(text);
  if (found != kNames.end()) return found->second;
  if (text == "6" || text == "17" || text == "1" || text == "58") return static_cast<uint8_t>(std::stoi(text));
  return base::Error{"description.protocol: \"" + text + "\" cannot be built (want tcp, udp, icmp or icmpv6)"};
}

base::Result<uint8_t> flags_of(const std::string& text) {
  static const std::map<std::string, uint8_t> kNames = {{"FIN", 1},  {"SYN", 2},  {"RST", 4},  {"PSH", 8},
                                                        {"ACK", 16}, {"URG", 32}, {"ECE", 64}, {"CWR", 128}};
  if (text.empty()) return static_cast<uint8_t>(2);
  uint8_t flags = 0;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const auto found = kNames.find(text.substr(at, comma - at));
    if (found == kNames.end())
      return base::Error{"description.tcpFlags: want a list of FIN, SYN, RST, PSH, ACK, URG, ECE, CWR"};
    flags |= found->second;
    at = comma + 1;
  }
  return flags;
}

base::Result<std::vector<uint8_t>> build(const v1::PacketDescription& d, const flow::Interface& in) {
  const auto src = base::IpAddress::parse(d.src()), dst = base::IpAddress::parse(d.dst());
  if (!src) return base::Error{"description.src: " + src.error()};
  if (!dst) return base::Error{"description.dst: " + dst.error()};
  if (src->is_v4() != dst->is_v4()) return base::Error{"description.dst: want an address of the family of src"};
  auto protocol = protocol_of(d.protocol());
  if (!protocol) return base::Error{protocol.error()};
  auto flags = flags_of(d.tcp_flags());
  if (!flags) return base::Error{flags.error()};
  if (d.src_port() > 65535 || d.dst_port() > 65535 || d.icmp_id() > 65535)
    return base::Error{"description: want ports and icmpId up to 65535"};
  if (d.ttl() > 255 || d.dscp() > 63) return base::Error{"description: want a ttl up to 255 and a dscp up to 63"};
  if (d.payload_length() > kMaxPayload)
    return base::Error{"description.payloadLength: want at most " + std::to_string(kMaxPayload)};
  wire::Link link{in.mac, {{2, 0, 0, 0, 0, 0xee}}, in.vlan};
  if (!d.src_mac().empty()) {
    const auto mac = base::MacAddress::parse(d.src_mac());
    if (!mac) return base::Error{"description.srcMac: " + mac.error()};
    link.src = *mac;
  }
  const wire::Ip ip{.src = *src,
                    .dst = *dst,
                    .hop_limit = static_cast<uint8_t>(d.ttl() == 0 ? 64 : d.ttl()),
                    .traffic_class = static_cast<uint8_t>(d.dscp() << 2)};
  const std::vector<uint8_t> payload(d.payload_length(), 0);
  std::vector<uint8_t> frame(2000);
  size_t length = 0;
  if (*protocol == wire::kProtocolTcp) {
    wire::TcpPacket p{.link = link, .ip = ip, .flags = *flags, .window = 65535, .payload = payload};
    p.src_port = static_cast<uint16_t>(d.src_port() == 0 ? 40000 : d.src_port());
    p.dst_port = static_cast<uint16_t>(d.dst_port());
    length = wire::build_tcp(frame, p);
  } else if (*protocol == wire::kProtocolUdp) {
    wire::UdpPacket p{.link = link, .ip = ip, .payload = payload};
    p.src_port = static_cast<uint16_t>(d.src_port() == 0 ? 40000 : d.src_port());
    p.dst_port = static_cast<uint16_t>(d.dst_port());
    length = wire::build_udp(frame, p);
  } else {
    if ((*protocol == wire::kProtocolIcmp) != src->is_v4())
      return base::Error{"description.protocol: want the ICMP of the addresses' family"};
    length = wire::build_echo(
        frame, {.link = link, .ip = ip, .id = static_cast<uint16_t>(d.icmp_id()), .sequence = 1, .payload = payload});
  }
  if (length == 0) return base::Error{"description: does not make a packet"};
  frame.resize(length);
  return frame;
}

base::Result<std::vector<std::vector<uint8_t>>> read_pcap(const std::string& bytes) {
  // libpcap reads from a FILE; memory behind one needs no file system.
  FILE* file = fmemopen(const_cast<char*>(bytes.data()), bytes.size(), "rb");
  if (file == nullptr) return base::Error{"pcap: is empty"};
  char why[PCAP_ERRBUF_SIZE] = {};
  pcap_t* reader = pcap_fopen_offline(file, why);
  if (reader == nullptr) {
    std::fclose(file);
    return base::Error{std::string("pcap: ") + why};
  }
  std::vector<std::vector<uint8_t>> frames;
  const bool ethernet = pcap_datalink(reader) == DLT_EN10MB;
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  while (ethernet && frames.size() < kMaxExplained && pcap_next_ex(reader, &header, &data) == 1)
    frames.emplace_back(data, data + header->caplen);
  pcap_close(reader);
  if (!ethernet) return base::Error{"pcap: holds no Ethernet packets"};
  if (frames.empty()) return base::Error{"pcap: holds no packet"};
  return frames;
}

}  // namespace

base::Result<std::vector<std::vector<uint8_t>>> frames_of(const v1::ExplainRequest& request,
                                                          const flow::Interface& in) {
  using Frames = std::vector<std::vector<uint8_t>>;
  switch (request.packet_case()) {
    case v1::ExplainRequest::kDescription: {
      auto frame = build(request.description(), in);
      if (!frame) return base::Error{frame.error()};
      return Frames{std::move(*frame)};
    }
    case v1::ExplainRequest::kFrame:
      return Frames{{request.frame().begin(), request.frame().end()}};
    case v1::ExplainRequest::kPcap:
      return read_pcap(request.pcap());
    case v1::ExplainRequest::PACKET_NOT_SET:
      break;
  }
  return base::Error{"packet: want a description, a frame or a pcap"};
}

void put_step(const loop::TraceStep& step, v1::TraceStep& message) {
  message.set_stage(step.stage);
  message.set_verdict(flow::to_string(step.verdict));
  if (step.reason != flow::DropReason::kNone) message.set_reason(flow::info(step.reason).name);
  message.set_detail(step.detail);
}

void put_explanation(const std::vector<uint8_t>& frame, const loop::Explanation& explained,
                     v1::PacketExplanation& message) {
  message.set_packet(wire::describe(frame));
  for (const loop::TraceStep& each : explained.steps) put_step(each, *message.add_steps());
  message.set_egress_interface(explained.egress_interface);
  if (explained.output.empty()) return;
  message.set_output(explained.output.data(), explained.output.size());
  message.set_output_packet(wire::describe(explained.output));
}

}  // namespace penstock::api
