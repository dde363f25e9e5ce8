#include "requests/spec.h"

#include <sched.h>

#include <charconv>

#include "l7/http/chars.h"

namespace penstock::requests {

using nlohmann::json;

namespace {

constexpr base::Nanos kHour = 3600 * base::kNanosPerSecond;

std::string element(const std::string& path, size_t index) { return path + "[" + std::to_string(index) + "]"; }

// "198.51.100.1:80" or "[2001:db8::1]:80".
std::optional<SocketAddress> parse_socket_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  const auto address = base::IpAddress::parse(host);
  SocketAddress out;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (!address || address->is_v6() != brackets || error != std::errc() || end != port.data() + port.size() ||
      out.port == 0)
    return {};
  out.address = *address;
  return out;
}

std::string to_text(const SocketAddress& at) {
  const std::string address = at.address.to_string();
  return (at.address.is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(at.port);
}

SocketAddress read_socket_address(Fields& from, const std::string& name) {
  const std::string text = from.text(name);
  const auto parsed = parse_socket_address(text);
  if (!parsed && !text.empty()) from.fault(name, "must be an address and a port: 198.51.100.1:80 or [2001:db8::1]:80");
  return parsed.value_or(SocketAddress{});
}

bool is_whole(const json& value, uint64_t most) {
  return value.is_number_integer() && (value.is_number_unsigned() || value.get<int64_t>() >= 0) &&
         value.get<uint64_t>() <= most;
}

// A number, {min, max} or [{size, weight}, …].
Sizes read_sizes(Fields& from, const std::string& name, Faults& faults) {
  const json* value = from.take(name);
  if (value == nullptr) return Sizes(0);
  if (is_whole(*value, Sizes::kLargest)) return Sizes(value->get<uint64_t>());
  Sizes sizes;
  if (value->is_object()) {
    Fields range(*value, from.path(name), faults);
    const uint64_t low = range.whole("min", 0, Sizes::kLargest), high = range.whole("max", low, Sizes::kLargest);
    range.finish();
    sizes.clear();
    sizes.add(low, std::max(low, high), 1);
  } else if (value->is_array() && !value->empty() && value->size() <= 1000) {
    sizes.clear();
    for (size_t i = 0; i < value->size(); ++i) {
      Fields piece((*value)[i], element(from.path(name), i), faults);
      const uint64_t size = piece.whole("size", 0, Sizes::kLargest);
      sizes.add(size, size, piece.whole("weight", 1, 1'000'000, 1));
      piece.finish();
    }
  } else {
    from.fault(name, "must be bytes (0 to 1073741824), {min, max} or a list of 1 to 1000 {size, weight}");
  }
  return sizes;
}

void read_headers(Fields& request, const std::string& target, std::string& head, Faults& faults) {
  const json* given = request.take("headers");
  bool host = false;
  const std::string path = request.path("headers");
  if (given != nullptr && !given->is_object()) request.fault("headers", "must be an object of names and values");
  const json none = json::object();
  for (const auto& [name, value] : (given != nullptr && given->is_object() ? *given : none).items()) {
    std::string lower = name;
    for (char& c : lower) c = http::lower(c);
    const bool ours = lower == "content-length" || lower == "transfer-encoding" || lower == "connection" ||
                      lower == "expect" || lower == "upgrade" || lower == "te";
    const std::string at = path + "." + name;
    if (name.size() > 256 || !http::is_token(name)) {
      faults.push_back({at, "is no name of a field (RFC 9110 5.1)"});
    } else if (ours) {
      faults.push_back({at, "is not to be given: the generator frames its messages itself"});
    } else if (!value.is_string() || value.get<std::string>().size() > 8192 ||
               !http::all(value.get<std::string>(), http::kFieldValue)) {
      faults.push_back({at, "must be a text without control characters, at most 8192 bytes"});
    } else {
      host |= lower == "host";
      head += lower + ": " + value.get<std::string>() + "\r\n";
    }
  }
  if (!host) head += "host: " + target + "\r\n";
}

void read_request(Fields request, const std::string& target, ClientSpec& out, Faults& faults) {
  static const std::vector<std::string> kMethods = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
  const std::string& method = kMethods[request.choice("method", kMethods, 0)];
  out.method = http::method_of(method);
  const std::string path = request.text("path", "/");
  bool good = !path.empty() && path.front() == '/' && path.size() <= 8000;
  for (const char c : path) good &= c > ' ' && c < 0x7f && c != '#';
  if (!good) request.fault("path", "must begin with / and hold neither blanks nor #, at most 8000 bytes");
  out.head = method + " " + path + " HTTP/1.1\r\n";
  read_headers(request, target, out.head, faults);
  out.body = read_sizes(request, "body", faults);
  if (out.body.largest() != 0 && http::content_is_ambiguous(out.method))
    request.fault("body", "must be 0: content of " + method + " has no meaning (RFC 9110 9.3)");
  request.finish();
}

void read_arrivals(Fields arrivals, ClientSpec& out) {
  const bool open = arrivals.has("open"), closed = arrivals.has("closed"), hold = arrivals.has("hold");
  if (open + closed + hold > 1) return arrivals.fault("", "must be one of open, closed and hold");
  Fields how = arrivals.object(open ? "open" : hold ? "hold" : "closed");
  if (open) {
    out.arrivals = ArrivalKind::kOpen;
    out.rate = how.number("rate", 1e-3, kMostRequestsPerSecond);
    out.spacing = how.choice("spacing", {"constant", "poisson"}, 0) == 0 ? Spacing::kConstant : Spacing::kPoisson;
  } else if (hold) {
    out.arrivals = ArrivalKind::kHold;
  } else {
    out.arrivals = ArrivalKind::kClosed;
    out.think = how.duration("think", 0, kHour, 0);
  }
  how.finish();
  arrivals.finish();
}

StackKind read_stack(Fields& from) {
  return from.choice("stack", {"own", "kernel"}, 1) == 0 ? StackKind::kOwn : StackKind::kKernel;
}

Protocol read_protocol(Fields& from) {
  return from.choice("protocol", {"http", "tcp"}, 0) == 0 ? Protocol::kHttp : Protocol::kTcp;
}

// A field that means something in the other protocol only.
void refuse(Fields& from, const char* name, const char* protocol) {
  if (from.take(name) != nullptr) from.fault(name, std::string("means nothing with protocol: ") + protocol);
}

Exchange read_exchange(Fields from) {
  Exchange out;
  out.request = from.whole("request", 0, Sizes::kLargest, 1);
  out.answer = from.whole("answer", 0, Sizes::kLargest, 1);
  if ((out.request == 0) != (out.answer == 0))
    from.fault("", "must have bytes both ways, or none: one byte asks for the others, or says that they came");
  from.finish();
  return out;
}

ClientSpec read_clients(Fields from, Faults& faults) {
  ClientSpec out;
  out.stack = read_stack(from);
  out.target = read_socket_address(from, "target");
  out.connections = static_cast<uint32_t>(from.whole("connections", 1, kMostConnections, 1));
  out.ramp = from.duration("ramp", 0, kHour, 0);
  read_arrivals(from.object("arrivals"), out);
  out.protocol = read_protocol(from);
  const bool tcp = out.protocol == Protocol::kTcp;
  if (tcp) out.exchange = read_exchange(from.object("exchange"));
  const bool nothing = tcp && out.exchange.empty();
  out.requests_per_connection =
      static_cast<uint32_t>(from.whole("requestsPerConnection", 0, UINT32_MAX, nothing ? 1 : 0));
  if (nothing && out.requests_per_connection != 1)
    from.fault("requestsPerConnection", "must be 1: an exchange without bytes is the whole connection");
  if (nothing && out.arrivals == ArrivalKind::kHold)
    from.fault("arrivals", "must be open or closed: a connection without bytes is ended, and not held");
  out.timeout = from.duration("timeout", 1'000'000, kHour, out.timeout);
  if (tcp) {
    refuse(from, "request", "tcp");
  } else {
    refuse(from, "exchange", "http");
    read_request(from.object("request"), to_text(out.target), out, faults);
  }
  from.finish();
  return out;
}

ServerSpec read_servers(Fields from, Faults& faults) {
  ServerSpec out;
  out.stack = read_stack(from);
  out.listen = read_socket_address(from, "listen");
  out.connections_asked = from.has("connections");
  out.connections = static_cast<uint32_t>(from.whole("connections", 1, kMostConnections, out.connections));
  out.protocol = read_protocol(from);
  if (out.protocol == Protocol::kTcp) {
    out.exchange = read_exchange(from.object("exchange"));
    refuse(from, "body", "tcp");
    from.finish();
    return out;
  }
  refuse(from, "exchange", "http");
  if (const json* body = from.take("body"); body != nullptr && *body == "path") {
    out.by_path = true;
  } else {
    out.body = read_sizes(from, "body", faults);
  }
  from.finish();
  return out;
}

PortSpec read_port(Fields from, Faults& faults) {
  PortSpec out;
  out.name = from.text("name");
  out.device = from.text("device");
  if (out.device.size() > 500) from.fault("device", "is longer than 500 characters");
  if (from.has("mac")) {
    const auto mac = base::MacAddress::parse(from.text("mac"));
    if (!mac || mac->is_multicast() || mac->is_zero())
      from.fault("mac", "must be an address of one station, such as 02:00:00:00:00:01");
    else
      out.mac = *mac;
  }
  const std::string address = from.text("address"), gateway = from.text("gateway");
  if (const auto own = base::Prefix::parse(address); own && !own->address.is_unspecified())
    out.address = *own;
  else if (!address.empty())
    from.fault("address", "must be an address with its subnet's length, such as 198.51.100.2/24 or 2001:db8::2/64");
  if (const auto next = base::IpAddress::parse(gateway); next && !next->is_unspecified())
    out.gateway = *next;
  else if (!gateway.empty())
    from.fault("gateway", "must be an address, such as 198.51.100.1 or 2001:db8::1");
  if (out.address && out.gateway && out.address->is_v4() != out.gateway->is_v4())
    from.fault("gateway", "must be of the address's family, to be asked for from there");
  if (const json* answers = from.take("answers"); answers != nullptr) {
    if (!answers->is_array()) from.fault("answers", "must be a list of prefixes");
    for (size_t i = 0; answers->is_array() && i < answers->size(); ++i) {
      const auto prefix = (*answers)[i].is_string() ? base::Prefix::parse((*answers)[i].get<std::string>())
                                                    : base::Result<base::Prefix>(base::Error{});
      if (!prefix)
        faults.push_back({element(from.path("answers"), i), "must be a prefix, such as 198.18.0.0/16"});
      else
        out.answers.push_back(prefix->network());
    }
  }
  from.finish();
  return out;
}

void read_ports(Fields& from, Spec& out, Faults& faults) {
  const json* ports = from.take("ports");
  if (ports == nullptr) return;
  if (!ports->is_array() || ports->size() > 2)
    return from.fault("ports", "must be a list of at most two: clients, servers");
  for (size_t i = 0; i < ports->size(); ++i) {
    const std::string path = element("ports", i);
    out.ports.push_back(read_port({(*ports)[i], path, faults}, faults));
    const std::string name = out.ports.back().name;
    const bool used = (name == "clients" && out.clients && out.clients->stack == StackKind::kOwn) ||
                      (name == "servers" && out.servers && out.servers->stack == StackKind::kOwn);
    if (!used) faults.push_back({path + ".name", "must be clients or servers, whichever has the own stack"});
    if (i == 1 && name == out.ports[0].name) faults.push_back({path + ".name", "is there twice"});
  }
}

// The own stack has one family on a port: that of the other end.
void check_family(const std::optional<base::Prefix>& own, const SocketAddress& other, const char* field,
                  Faults& faults) {
  if (other.port == 0 || !own || own->is_v4() == other.address.is_v4()) return;
  faults.push_back({field, std::string("must be an IPv") + (own->is_v4() ? "4" : "6") +
                               " address, as that of its port is: the own stack has one on a port"});
}

// Each core has connections of its own.
void check_cores(const Spec& spec, bool own_stack, Faults& faults) {
  const uint32_t threads = spec.threads();
  if (threads > 1 && own_stack)
    faults.push_back({"cores", "must be one core: the own stack is one thread, and has one queue of its port"});
  const std::string least = "must be at least " + std::to_string(threads) + ", one for each core";
  if (spec.clients && spec.clients->connections < threads) faults.push_back({"clients.connections", least});
  if (spec.servers && spec.servers->connections < threads) faults.push_back({"servers.connections", least});
}

// Two ends of one process are for each other.
void check_ends(const ClientSpec& clients, const ServerSpec& servers, Faults& faults) {
  if (clients.protocol != servers.protocol)
    faults.push_back({"servers.protocol", "must be that of the clients"});
  else if (clients.protocol == Protocol::kTcp && !(clients.exchange == servers.exchange))
    faults.push_back({"servers.exchange", "must be that of the clients"});
}

void check_whole(const Spec& spec, Faults& faults) {
  if (!spec.clients && !spec.servers) faults.push_back({"", "clients, servers or both must be there"});
  if (spec.clients && spec.servers) check_ends(*spec.clients, *spec.servers, faults);
  const bool own_clients = spec.clients && spec.clients->stack == StackKind::kOwn;
  const bool own_servers = spec.servers && spec.servers->stack == StackKind::kOwn;
  check_cores(spec, own_clients || own_servers, faults);
  if (own_clients && spec.port("clients") == nullptr)
    faults.push_back({"ports", "a port named clients is missing: the clients have the own stack"});
  if (own_servers && spec.port("servers") == nullptr)
    faults.push_back({"ports", "a port named servers is missing: the servers have the own stack"});
  if (const PortSpec* port = own_clients ? spec.port("clients") : nullptr)
    check_family(port->address, spec.clients->target, "clients.target", faults);
  if (const PortSpec* port = own_servers ? spec.port("servers") : nullptr)
    check_family(port->address, spec.servers->listen, "servers.listen", faults);
  for (size_t i = 0; i < spec.ports.size(); ++i) {
    const std::string& device = spec.ports[i].device;
    if (!device.starts_with("loop:")) continue;
    const bool both = spec.ports.size() == 2 && device == "loop:" + spec.ports[1 - i].name &&
                      spec.ports[1 - i].device == "loop:" + spec.ports[i].name;
    if (!both) faults.push_back({element("ports", i) + ".device", "two ports that name each other make a loop"});
  }
}

}  // namespace

const PortSpec* Spec::port(std::string_view name) const {
  for (const PortSpec& each : ports)
    if (each.name == name) return &each;
  return nullptr;
}

Spec read_spec(const json& value, Faults& faults) {
  Spec out;
  Fields from(value, "", faults);
  if (const json* cores = from.take("cores"); cores != nullptr) {
    std::set<json> different;
    bool good = cores->is_array() && !cores->empty() && cores->size() <= kMostCores;
    for (size_t i = 0; good && i < cores->size(); ++i)
      good = is_whole((*cores)[i], CPU_SETSIZE - 1) && different.insert((*cores)[i]).second;
    if (good)
      out.cores = cores->get<std::vector<unsigned>>();
    else
      from.fault("cores", "must be a list of 1 to 64 different cores");
  }
  out.huge = from.flag("huge", false);
  out.memory_megabytes = static_cast<uint32_t>(from.whole("memoryMegabytes", 64, 1 << 20, 512));
  out.prefix = from.text("prefix", "penstock-lab");
  if (out.prefix.size() > 64 || !http::is_token(out.prefix))
    from.fault("prefix", "must be 1 to 64 characters of a file's name");
  out.seed = from.whole("seed", 0, uint64_t{1} << 53, 1);
  if (from.has("clients")) out.clients = read_clients(from.object("clients"), faults);
  if (from.has("servers")) out.servers = read_servers(from.object("servers"), faults);
  read_ports(from, out, faults);
  from.finish();
  check_whole(out, faults);
  return out;
}

}  // namespace penstock::requests
