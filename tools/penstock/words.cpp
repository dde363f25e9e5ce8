#include "tools/penstock/words.h"

#include <sstream>

#include "base/address.h"
#include "tools/penstock/cli.h"

namespace penstock::cli {

namespace {

constexpr Word kFilterWords[] = {
    {"src", "--src", "source address or prefix"},
    {"dst", "--dst", "destination address or prefix"},
    {"proto", "--protocol", "tcp, udp, icmp, icmpv6, sctp or a number"},
    {"sport", "--src-port", "source port"},
    {"dport", "--dst-port", "destination port"},
    {"in", "--interface", "interface of the key (exact flows)"},
    {"cookie", "--cookie", "cookie (exact flows)"},
    {"mask", "--cookie-mask", "bits of the cookie that count"},
    {"service", "--service", "namespace/name of the Service (tracked flows)"},
};

constexpr Word kPacketWords[] = {
    {"in", "--interface", "interface or VLAN the packet comes in by"},
    {"src", "--src", "source address"},
    {"dst", "--dst", "destination address"},
    {"proto", "--protocol", "tcp (default), udp, icmp or icmpv6"},
    {"sport", "--src-port", "source port"},
    {"dport", "--dst-port", "destination port"},
    {"flags", "--tcp-flags", "TCP flags, SYN by default: ACK,PSH"},
    {"id", "--icmp-id", "identifier of an ICMP echo"},
    {"ttl", "--ttl", "TTL or hop limit, 64 by default"},
    {"dscp", "--dscp", "DSCP"},
    {"len", "--payload-length", "bytes after the transport header"},
    {"mac", "--src-mac", "source MAC address, where a Workload asks for one"},
};

constexpr Word kFlowWords[] = {
    {"src", "--src", "source address"},
    {"dst", "--dst", "destination address"},
    {"proto", "--protocol", "tcp, udp, icmp, icmpv6, sctp or a number"},
    {"sport", "--src-port", "source port"},
    {"dport", "--dst-port", "destination port"},
    {"in", "--interface", "interface the packets come in by; any when absent"},
    {"action", "--action", "allow (default), drop, redirect or nat"},
    {"out", "--out", "redirect: interface to send through"},
    {"via", "--via", "redirect: next hop"},
    {"nat-src", "--nat-src", "nat: new source address"},
    {"nat-dst", "--nat-dst", "nat: new destination address"},
    {"nat-sport", "--nat-src-port", "nat: new source port"},
    {"nat-dport", "--nat-dst-port", "nat: new destination port"},
    {"dscp", "--dscp", "set this DSCP"},
    {"mirror", "--mirror", "namespace/name of the Mirror that gets copies"},
    {"pps", "--pps", "rate in packets per second: 10k"},
    {"bps", "--bps", "rate in bits per second: 10M"},
    {"burst", "--burst", "of the rate, in packets or bits"},
    {"cookie", "--cookie", "any number, to find the entry again"},
    {"idle", "--idle", "goes after this time without packets: 30s"},
    {"hard", "--hard", "goes after this time: 1h"},
};

uint64_t parse_uint(const std::string& text, const std::string& key, uint64_t most) {
  char* end = nullptr;
  errno = 0;
  // 010 is ten to everybody who writes a port; 0x10 is for cookies.
  const int base = text.starts_with("0x") || text.starts_with("0X") ? 16 : 10;
  const uint64_t number = std::strtoull(text.c_str(), &end, base);
  if (text.empty() || !std::isxdigit(static_cast<unsigned char>(text[0])) || *end || errno != 0 || number > most)
    throw CLI::ValidationError(key, "\"" + text + "\" is not a number from 0 to " + std::to_string(most));
  return number;
}

}  // namespace

void Words::add_to(CLI::App& command, std::span<const Word> words) {
  words_ = words;
  std::string keys;
  for (const Word& word : words) keys += std::string(keys.empty() ? "" : " ") + word.key + "=";
  command.add_option("words", positional_, keys);
  for (const Word& word : words) command.add_option(word.option, options_[word.key], word.help);
}

void Words::read_word(const std::string& word) {
  const size_t equals = word.find('=');
  const std::string key = word.substr(0, equals);
  const bool known = std::any_of(words_.begin(), words_.end(), [&](const Word& each) { return key == each.key; });
  if (equals == std::string::npos || !known) {
    std::string keys;
    for (const Word& each : words_) keys += std::string(" ") + each.key + "=";
    throw CLI::ValidationError(word, "is not one of" + keys);
  }
  if (!values_.emplace(key, word.substr(equals + 1)).second) throw CLI::ValidationError(key, "is given twice");
}

void Words::read() {
  values_.clear();
  for (const std::string& word : positional_) read_word(word);
  for (const auto& [key, value] : options_)
    if (!value.empty() && !values_.emplace(key, value).second) throw CLI::ValidationError(key, "is given twice");
}

void Words::read_line(const std::string& line) {
  values_.clear();
  std::istringstream stream(line);
  std::string word;
  while (stream >> word) read_word(word);
}

std::string Words::text(const std::string& key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? "" : found->second;
}

uint64_t Words::number(const std::string& key, uint64_t most) const {
  return has(key) ? parse_uint(text(key), key, most) : 0;
}

double Words::scaled(const std::string& key) const { return has(key) ? parse_scaled(text(key), key) : 0; }

uint32_t Words::seconds(const std::string& key) const {
  if (!has(key)) return 0;
  const uint32_t milliseconds = parse_milliseconds(text(key), key);
  if (milliseconds % 1000) throw CLI::ValidationError(key, "want whole seconds");
  return milliseconds / 1000;
}

uint32_t Words::protocol() const {
  static const std::map<std::string, uint32_t> kNames = {{"tcp", 6},    {"udp", 17}, {"icmp", 1}, {"icmpv6", 58},
                                                         {"sctp", 132}, {"gre", 47}, {"esp", 50}};
  const std::string name = text("proto");
  const auto found = kNames.find(name);
  return name.empty()            ? 0
         : found != kNames.end() ? found->second
                                 : static_cast<uint32_t>(parse_uint(name, "proto", 255));
}

std::string Words::address(const std::string& key) const {
  if (!has(key)) return "";
  const auto parsed = base::IpAddress::parse(text(key));
  if (!parsed) throw CLI::ValidationError(key, parsed.error());
  const base::IpAddress& a = parsed.value();
  return a.is_v4() ? std::string(reinterpret_cast<const char*>(a.v4_bytes()), 4)
                   : std::string(reinterpret_cast<const char*>(a.bytes.data()), 16);
}

std::span<const Word> filter_words() { return kFilterWords; }
std::span<const Word> packet_words() { return kPacketWords; }
std::span<const Word> flow_words() { return kFlowWords; }

v1::FlowFilter filter_from(const Words& words) {
  v1::FlowFilter filter;
  filter.set_src(words.text("src"));
  filter.set_dst(words.text("dst"));
  filter.set_protocol(words.protocol());
  filter.set_src_port(static_cast<uint32_t>(words.number("sport", 65535)));
  filter.set_dst_port(static_cast<uint32_t>(words.number("dport", 65535)));
  filter.set_interface(words.text("in"));
  if (words.has("cookie")) filter.set_cookie(words.number("cookie", UINT64_MAX));
  if (words.has("mask")) filter.set_cookie_mask(words.number("mask", UINT64_MAX));
  filter.set_service(words.text("service"));
  return filter;
}

v1::PacketDescription packet_from(const Words& words) {
  v1::PacketDescription packet;
  packet.set_src(words.text("src"));
  packet.set_dst(words.text("dst"));
  packet.set_protocol(words.text("proto"));
  packet.set_src_port(static_cast<uint32_t>(words.number("sport", 65535)));
  packet.set_dst_port(static_cast<uint32_t>(words.number("dport", 65535)));
  packet.set_tcp_flags(words.text("flags"));
  packet.set_icmp_id(static_cast<uint32_t>(words.number("id", 65535)));
  packet.set_ttl(static_cast<uint32_t>(words.number("ttl", 255)));
  packet.set_dscp(static_cast<uint32_t>(words.number("dscp", 63)));
  packet.set_payload_length(static_cast<uint32_t>(words.number("len", 9000)));
  packet.set_src_mac(words.text("mac"));
  return packet;
}

v1::FlowOperation operation_from(const Words& words) {
  static const std::map<std::string, v1::FlowAction::Verb> kVerbs = {{"", v1::FlowAction::ALLOW},
                                                                     {"allow", v1::FlowAction::ALLOW},
                                                                     {"drop", v1::FlowAction::DROP},
                                                                     {"redirect", v1::FlowAction::REDIRECT},
                                                                     {"nat", v1::FlowAction::NAT}};
  v1::FlowOperation operation;
  v1::FlowKey& key = *operation.mutable_key();
  key.set_src(words.address("src"));
  key.set_dst(words.address("dst"));
  key.set_protocol(words.protocol());
  key.set_src_port(static_cast<uint32_t>(words.number("sport", 65535)));
  key.set_dst_port(static_cast<uint32_t>(words.number("dport", 65535)));
  key.set_interface(words.text("in"));
  v1::FlowAction& action = *operation.mutable_action();
  const auto verb = kVerbs.find(words.text("action"));
  if (verb == kVerbs.end()) throw CLI::ValidationError("action", "want allow, drop, redirect or nat");
  action.set_verb(verb->second);
  action.set_redirect_interface(words.text("out"));
  action.set_redirect_via(words.address("via"));
  action.set_nat_source(words.address("nat-src"));
  action.set_nat_destination(words.address("nat-dst"));
  action.set_nat_source_port(static_cast<uint32_t>(words.number("nat-sport", 65535)));
  action.set_nat_destination_port(static_cast<uint32_t>(words.number("nat-dport", 65535)));
  if (words.has("dscp")) action.set_dscp(static_cast<uint32_t>(words.number("dscp", 63)));
  action.set_mirror(words.text("mirror"));
  if (words.has("pps") && words.has("bps")) throw CLI::ValidationError("pps", "excludes bps");
  if (words.has("pps")) action.mutable_limit()->set_packets_per_second(words.scaled("pps"));
  if (words.has("bps")) action.mutable_limit()->set_bits_per_second(words.scaled("bps"));
  if (words.has("burst")) action.mutable_limit()->set_burst(words.scaled("burst"));
  operation.set_cookie(words.number("cookie", UINT64_MAX));
  operation.set_idle_timeout(words.seconds("idle"));
  operation.set_hard_timeout(words.seconds("hard"));
  return operation;
}

}  // namespace penstock::cli
