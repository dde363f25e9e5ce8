#include "l7/log/format.h"

#include <charconv>
#include <optional>

#include "l7/log/text.h"

namespace penstock::l7log {

namespace {

struct Known {
  std::string_view name;
  Operator what;
};

constexpr Known kOperators[] = {
#define PENSTOCK_LOG_OPERATOR(name, what) {#name, Operator::what},
    PENSTOCK_LOG_OPERATORS(PENSTOCK_LOG_OPERATOR)
#undef PENSTOCK_LOG_OPERATOR
};

// Fields of requests that a record keeps. The path is the one before any rewrite: both of Envoy's names mean it.
constexpr Known kFields[] = {{":METHOD", Operator::kMethod},         {":PATH", Operator::kPath},
                             {":AUTHORITY", Operator::kHost},        {"HOST", Operator::kHost},
                             {"X-REQUEST-ID", Operator::kRequestId}, {"X-ENVOY-ORIGINAL-PATH", Operator::kPath}};

template <size_t kSize>
std::optional<Operator> find(const Known (&all)[kSize], std::string_view name) {
  for (const Known& each : all)
    if (each.name == name) return each.what;
  return std::nullopt;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  append_escaped(out, text.substr(0, 64));
  return out + "\"";
}

base::Error fault(size_t place, const std::string& why) {
  return {"access log format, character " + std::to_string(place + 1) + ": " + why};
}

void append_text(std::string& out, std::string_view text) {
  if (text.empty()) {
    out += '-';
  } else {
    append_escaped(out, text);
  }
}

void append_millis(std::string& out, base::Nanos from, base::Nanos to) {
  if (from == 0 || to < from) {
    out += '-';
  } else {
    out += std::to_string((to - from) / 1'000'000);
  }
}

// Why a message was refused; of access Envoy's words, with the policy and the rule.
std::string detail_of(const proxy::AccessRecord& record, const Names& names) {
  if (record.refusal != h1::Refusal::kNone) return std::string(h1::info(record.refusal).name);
  if ((record.flags & proxy::kAccessDenied) == 0) return "";
  const guard::Counted* by = names.guard(record.guard);
  const bool matched = by != nullptr && !by->part.empty();
  if (matched && by->inspects) return "inspection_denied[" + by->object + "/" + by->part + "]";
  return "rbac_access_denied_matched_policy[" + (matched ? by->object + "/" + by->part : "none") + "]";
}

void append_value(std::string& out, Operator what, size_t most, const proxy::AccessRecord& r, const Context& context) {
  const size_t before = out.size();
  switch (what) {
    case Operator::kLiteral:
      return;
    case Operator::kStartTime:
      return append_time(out, context.wall_of(r.began));
    case Operator::kProtocol:
      return append_text(out, r.method.size == 0 ? std::string_view() : protocol_of(r.version));
    case Operator::kResponseCode:
      out += std::to_string(r.status);
      return;
    case Operator::kDetails:
      return append_text(out, detail_of(r, context.names));
    case Operator::kFlags:
      append_flags(out, r.flags);
      if (out.size() == before) out += '-';
      return;
    case Operator::kBytesReceived:
      out += std::to_string(r.bytes_received);
      return;
    case Operator::kBytesSent:
      out += std::to_string(r.bytes_sent);
      return;
    case Operator::kDuration:
      return append_millis(out, r.began, r.ended);
    case Operator::kRequestDuration:
      return append_millis(out, r.began, r.request_ended);
    case Operator::kResponseDuration:
      return append_millis(out, r.began, r.response_began);
    case Operator::kResponseTxDuration:
      return append_millis(out, r.response_began, r.ended);
    case Operator::kUpstreamHost:
      if (r.backend_port == 0) return append_text(out, {});
      return append_address(out, r.backend, r.backend_port);
    case Operator::kUpstreamAddress:
      return append_text(out, r.backend_port == 0 ? std::string() : r.backend.to_string());
    case Operator::kUpstreamCluster:
      return append_text(out, context.names.cluster(r.cluster));
    case Operator::kAttempts:
      out += std::to_string(r.tries);
      return;
    case Operator::kRouteName:
      return append_text(out, context.names.route(r.route));
    case Operator::kDirect:
      return append_address(out, r.direct, r.direct_port);
    case Operator::kDirectAddress:
      return append_text(out, r.direct.to_string());
    case Operator::kPeer:
      return append_address(out, r.peer, r.peer_port);
    case Operator::kPeerAddress:
      return append_text(out, r.peer.to_string());
    case Operator::kPeerPort:
      out += std::to_string(r.peer_port);
      return;
    case Operator::kMethod:
      return append_text(out, r.method.view().substr(0, most));
    case Operator::kPath:
      return append_text(out, r.path.view().substr(0, most));
    case Operator::kHost:
      return append_text(out, r.host.view().substr(0, most));
    case Operator::kRequestId:
      return append_text(out, r.request_id.view().substr(0, most));
  }
}

// REQ(X?Y): what is used where X is missing. Both must be kept by the record; the path and its original are one.
bool is_missing(Operator what, const proxy::AccessRecord& r) {
  switch (what) {
    case Operator::kMethod:
      return r.method.size == 0;
    case Operator::kPath:
      return r.path.size == 0;
    case Operator::kHost:
      return r.host.size == 0;
    case Operator::kRequestId:
      return r.request_id.size == 0;
    default:
      return false;
  }
}

}  // namespace

base::Result<Format> Format::parse(std::string_view text) {
  Format format;
  if (text == "json") {
    format.json_ = true;
    return format;
  }
  if (text.empty()) return base::Error{"access log format: empty; want json or a text with operators"};
  if (text.size() > kMaxFormat)
    return base::Error{"access log format: longer than " + std::to_string(kMaxFormat) + " bytes"};
  const auto literal = [&](char c) {
    if (format.pieces_.empty() || format.pieces_.back().what != Operator::kLiteral) format.pieces_.emplace_back();
    format.pieces_.back().literal += c;
  };
  bool any = false;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '%') {
      if (text[at] == '\n' || text[at] == '\r') return fault(at, "a line break: a record is one line");
      literal(text[at++]);
      continue;
    }
    if (at + 1 < text.size() && text[at + 1] == '%') {
      literal('%');
      at += 2;
      continue;
    }
    const size_t end = text.find('%', at + 1);
    if (end == std::string_view::npos) return fault(at, "an operator without its second %; a percent sign is %%");
    if (auto added = format.add(text.substr(at + 1, end - at - 1), at); !added) return base::Error{added.error()};
    any = true;
    at = end + 1;
  }
  if (!any) return base::Error{"access log format: no operator; want json, or a text such as %REQ(:METHOD)%"};
  return format;
}

base::Result<void> Format::add(std::string_view inside, size_t place) {
  const size_t open = inside.find('(');
  if (const auto what = find(kOperators, inside)) {
    pieces_.push_back({*what, {}, std::string::npos, *what});
    return {};
  }
  const std::string_view name = inside.substr(0, open);
  if (name == "REQ" && open != std::string_view::npos) {
    const size_t close = inside.find(')', open);
    if (close == std::string_view::npos) return fault(place, "REQ without its closing parenthesis");
    return add_request(inside.substr(open + 1, close - open - 1), inside.substr(close + 1), place);
  }
  if (open != std::string_view::npos && find(kOperators, name))
    return fault(place, std::string(name) + " takes no argument here");
  std::string all = "REQ(FIELD?OTHER):LENGTH";
  for (const Known& each : kOperators) all.append(", ").append(each.name);
  return fault(place, "unknown operator " + quoted(inside) + "; want one of " + all);
}

base::Result<void> Format::add_request(std::string_view argument, std::string_view most, size_t place) {
  Piece piece;
  if (!most.empty()) {
    const char* end = most.data() + most.size();
    size_t length = 0;
    const auto [stop, error] = std::from_chars(most.data() + 1, end, length);
    if (most.front() != ':' || error != std::errc() || stop != end || length == 0)
      return fault(place, "want a length above 0 such as REQ(:PATH):40, not " + quoted(most));
    piece.most = length;
  }
  const size_t question = argument.find('?');
  const auto field = [&](std::string_view name) { return find(kFields, upper(name)); };
  const std::string_view first = argument.substr(0, question);
  const std::string_view second = question == std::string_view::npos ? first : argument.substr(question + 1);
  for (const std::string_view name : {first, second}) {
    if (field(name)) continue;
    std::string all;
    for (const Known& each : kFields) all.append(all.empty() ? "" : ", ").append(each.name);
    return fault(place, "REQ(" + quoted(name) + "): records do not keep this field; want one of " + all);
  }
  piece.what = *field(first);
  piece.otherwise = *field(second);
  pieces_.push_back(std::move(piece));
  return {};
}

void Format::append(std::string& out, const proxy::AccessRecord& record, const Context& context) const {
  if (json_) return append_json(out, record, context);
  for (const Piece& piece : pieces_) {
    out += piece.literal;
    append_value(out, is_missing(piece.what, record) ? piece.otherwise : piece.what, piece.most, record, context);
  }
  out += '\n';
}

}  // namespace penstock::l7log
