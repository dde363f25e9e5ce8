// Rules of what AccessPolicy, Egress and Mirror have in common: matches, prefix lists, interface lists, address pools.
#include <algorithm>

#include "control/model/validation.h"

namespace penstock::model {

namespace {

constexpr uint8_t kIcmp = 1, kIcmp6 = 58, kTcp = 6;

bool has_family(const std::vector<base::Prefix>& prefixes, bool v4) {
  return prefixes.empty() ||
         std::any_of(prefixes.begin(), prefixes.end(), [v4](const auto& p) { return p.is_v4() == v4; });
}

// A prefix whose family the other list does not have could never match.
void validate_families(const std::vector<base::Prefix>& prefixes, const std::vector<base::Prefix>& others,
                       const char* other, const std::string& at, ObjectFaults& faults) {
  const bool has[2] = {has_family(others, false), has_family(others, true)};  // [is IPv4]
  for (size_t i = 0; i < prefixes.size(); ++i) {
    const bool v4 = prefixes[i].is_v4();
    if (!has[v4])
      faults.add(text(at, "[", i, "]"), text(prefixes[i].to_string(), " is ", family(v4), ", but nothing in ", other,
                                             " is: it could never match"));
  }
}

void validate_ports(const std::vector<PortRange>& ports, bool allowed, const std::string& at, ObjectFaults& faults) {
  if (ports.empty()) return;
  if (!allowed) faults.add(at, "needs protocol TCP, UDP or SCTP");
  if (ports.size() > kMaxListItems) {
    faults.add(at, text("too many (at most ", kMaxListItems, ")"));
    return;
  }
  std::set<std::pair<uint16_t, uint16_t>> seen;
  for (size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].first > ports[i].last)
      faults.add(text(at, "[", i, "]"), text(ports[i].first, "-", ports[i].last, " ends before it begins"));
    if (!seen.emplace(ports[i].first, ports[i].last).second) faults.add(text(at, "[", i, "]"), "is given twice");
  }
}

void validate_icmp(const Match& match, const std::string& at, ObjectFaults& faults) {
  const bool icmp = match.protocol == kIcmp, icmp6 = match.protocol == kIcmp6;
  if (match.icmp_type && !icmp && !icmp6) faults.add(at + ".icmpType", "needs protocol ICMP or ICMPv6");
  const auto wrong_family = [&](const std::vector<base::Prefix>& prefixes, const char* list) {
    for (size_t i = 0; i < prefixes.size(); ++i) {
      if ((icmp && !prefixes[i].is_v4()) || (icmp6 && prefixes[i].is_v4()))
        faults.add(text(at, list, "[", i, "]"),
                   text(prefixes[i].to_string(), " cannot match with protocol ", icmp ? "ICMP" : "ICMPv6"));
    }
  };
  wrong_family(match.from, ".from");
  wrong_family(match.to, ".to");
}

}  // namespace

void validate_prefixes(const std::vector<base::Prefix>& prefixes, const std::string& at, ObjectFaults& faults) {
  if (prefixes.size() > kMaxListItems) {
    faults.add(at, text(prefixes.size(), " prefixes are too many (at most ", kMaxListItems, ")"));
    return;
  }
  std::set<base::Prefix> seen;
  for (size_t i = 0; i < prefixes.size(); ++i) {
    if (prefixes[i].has_host_bits())
      faults.add(text(at, "[", i, "]"),
                 text(prefixes[i].to_string(), " has host bits set (want ", prefixes[i].network().to_string(), ")"));
    if (!seen.insert(prefixes[i]).second)
      faults.add(text(at, "[", i, "]"), text(prefixes[i].to_string(), " is given twice"));
  }
}

void validate_interfaces(const std::vector<std::string>& names, const std::string& at, const Surroundings& around,
                         ObjectFaults& faults) {
  std::set<std::string_view> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    if (!around.interfaces.contains(names[i])) {
      faults.add(text(at, "[", i, "]"), text("there is no interface \"", names[i], "\""));
    } else if (!seen.insert(names[i]).second) {
      faults.add(text(at, "[", i, "]"), text("\"", names[i], "\" is given twice"));
    }
  }
}

void validate_pool(const std::vector<base::IpAddress>& pool, const std::string& at, ObjectFaults& faults) {
  if (pool.size() > kMaxPoolAddresses)
    faults.add(at, text(pool.size(), " addresses are too many (at most ", kMaxPoolAddresses, ")"));
  std::set<base::IpAddress> seen;
  for (size_t i = 0; i < pool.size(); ++i) {
    const char* why = why_no_host(pool[i]);
    if (!why && pool[i].is_link_local()) why = "is link-local: nobody beyond the link could answer";
    if (!why && !seen.insert(pool[i]).second) why = "is given twice";
    if (why) faults.add(text(at, "[", i, "]"), text(pool[i].to_string(), " ", why));
  }
}

void validate_match(const Match& match, const std::string& at, const Surroundings& around, ObjectFaults& faults) {
  validate_interfaces(match.interfaces, at + ".interfaces", around, faults);
  validate_prefixes(match.from, at + ".from", faults);
  validate_prefixes(match.to, at + ".to", faults);
  validate_families(match.from, match.to, "to", at + ".from", faults);
  validate_families(match.to, match.from, "from", at + ".to", faults);
  if (match.protocol == 0) faults.add(at + ".protocol", "0 is no protocol of a packet (want 1 to 255)");
  const bool ports = match.protocol && has_ports(*match.protocol);
  validate_ports(match.source_ports, ports, at + ".sourcePorts", faults);
  validate_ports(match.destination_ports, ports, at + ".ports", faults);
  if (match.tcp_flags_mask != 0 && match.protocol != kTcp) faults.add(at + ".tcpFlags", "needs protocol TCP");
  if (match.tcp_flags & ~match.tcp_flags_mask) faults.add(at + ".tcpFlags", "wants a flag that it does not look at");
  validate_icmp(match, at, faults);
}

}  // namespace penstock::model
