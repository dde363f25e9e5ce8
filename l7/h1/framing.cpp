#include "l7/h1/framing.h"

#include <array>

#include "l7/http/chars.h"

namespace penstock::h1 {

namespace {

using http::FieldId;
using http::Fields;
using http::set_of;

constexpr http::FieldSet kOfTheConnection =
    set_of(FieldId::kConnection, FieldId::kKeepAlive, FieldId::kProxyConnection, FieldId::kTe,
           FieldId::kTransferEncoding, FieldId::kContentLength, FieldId::kUpgrade, FieldId::kHttp2Settings);
constexpr http::FieldSet kOfRequests = kOfTheConnection | set_of(FieldId::kHost, FieldId::kExpect);

struct Options {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
};

// RFC 9110 7.6.1: what Connection names concerns this connection only and goes no further.
class ConnectionOptions {
 public:
  explicit ConnectionOptions(const Fields& fields) : fields_(fields) {}

  Refusal read(uint16_t& ambiguity) {
    for (const http::Field& field : fields_) {
      if (field.id != FieldId::kConnection) continue;
      http::for_each_element(fields_.value(field), [&](std::string_view option) { take(option, ambiguity); });
      if (refusal_ != Refusal::kNone) return refusal_;
    }
    return Refusal::kNone;
  }

  const Options& options() const { return options_; }
  void remove_named(Fields& fields) const {
    for (size_t i = 0; i < named_count_; ++i) fields.remove(named_[i]);
  }

 private:
  void take(std::string_view option, uint16_t& ambiguity) {
    if (option.empty() || refusal_ != Refusal::kNone) return;  // empty elements are legal, RFC 9110 5.6.1.2
    if (!http::is_token(option) || count_++ == kMaxConnectionOptions || http::equals_lower(option, "host") ||
        http::equals_lower(option, "content-length")) {
      refusal_ = Refusal::bad_connection;
    } else if (http::equals_lower(option, "close")) {
      options_.close = true;
    } else if (http::equals_lower(option, "keep-alive")) {
      options_.keep_alive = true;
    } else if (http::equals_lower(option, "upgrade")) {
      options_.upgrade = true;
    } else if (http::equals_lower(option, "transfer-encoding")) {
      ambiguity |= http::kConnectionNamesFraming;
    } else if (!http::equals_lower(option, "te")) {
      named_[named_count_++] = option;
    }
  }

  const Fields& fields_;
  Options options_;
  Refusal refusal_ = Refusal::kNone;
  unsigned count_ = 0;
  size_t named_count_ = 0;
  std::array<std::string_view, kMaxConnectionOptions> named_;
};

bool stays_open(http::Version version, const Options& options) {
  return !options.close && (version != http::Version::kHttp10 || options.keep_alive);
}

bool parse_length(std::string_view text, uint64_t& out) {
  uint64_t length = 0;
  if (text.empty() || !http::all(text, http::kDigit)) return false;
  for (const char c : text) {
    if (__builtin_mul_overflow(length, uint64_t{10}, &length)) return false;
    if (__builtin_add_overflow(length, static_cast<uint64_t>(c - '0'), &length)) return false;
  }
  out = length;
  return length >> 63 == 0;
}

// RFC 9112 6.3 rule 5: one number, or the same number several times.
Refusal read_content_length(const Fields& fields, uint64_t& length, uint16_t& ambiguity) {
  unsigned count = 0;
  Refusal refusal = Refusal::kNone;
  for (const http::Field& field : fields) {
    if (field.id != FieldId::kContentLength) continue;
    http::for_each_element(fields.value(field), [&](std::string_view element) {
      uint64_t one = 0;
      if (refusal != Refusal::kNone) return;
      if (!parse_length(element, one))
        refusal = Refusal::bad_content_length;
      else if (count++ > 0 && one != length)
        refusal = Refusal::differing_content_lengths;
      length = one;
    });
  }
  if (count > 1) ambiguity |= http::kRepeatedContentLength;
  return refusal;
}

bool is_registered_coding(std::string_view coding) {
  for (const char* known : {"gzip", "x-gzip", "deflate", "compress", "x-compress"})
    if (http::equals_lower(coding, known)) return true;
  return false;
}

// RFC 9112 6.1 and 7: "chunked", once, last. Known codings before it are understood but not done here.
Refusal read_transfer_encoding(const Fields& fields) {
  unsigned chunked = 0, registered = 0, unknown = 0;
  bool chunked_last = false;
  for (const http::Field& field : fields) {
    if (field.id != FieldId::kTransferEncoding) continue;
    http::for_each_element(fields.value(field), [&](std::string_view coding) {
      chunked_last = http::equals_lower(coding, "chunked");
      if (chunked_last)
        ++chunked;
      else if (is_registered_coding(coding))
        ++registered;
      else
        ++unknown;
    });
  }
  if (chunked != 1 || !chunked_last || unknown > 0) return Refusal::bad_transfer_encoding;
  return registered > 0 ? Refusal::transfer_coding_not_implemented : Refusal::kNone;
}

// The two length fields, for either side: which of them is there, and right.
struct Lengths {
  bool chunked = false;
  bool has_length = false;
  uint64_t length = 0;
};
Refusal read_lengths(const Fields& fields, http::Version version, Lengths& out, uint16_t& ambiguity) {
  out.chunked = fields.has(FieldId::kTransferEncoding);
  out.has_length = fields.has(FieldId::kContentLength);
  if (out.chunked && out.has_length) return Refusal::both_lengths;
  if (out.has_length) return read_content_length(fields, out.length, ambiguity);
  if (!out.chunked) return Refusal::kNone;
  if (version == http::Version::kHttp10) return Refusal::transfer_encoding_in_http10;
  return read_transfer_encoding(fields);
}

Refusal take_host(http::RequestHead& head) {
  const http::Field* host = head.fields.find(FieldId::kHost);
  if (host == nullptr) return head.version == http::Version::kHttp10 ? Refusal::kNone : Refusal::missing_host;
  if (head.fields.find(FieldId::kHost, host + 1) != nullptr) return Refusal::repeated_host;
  http::Authority authority;
  const http::Fault fault = http::parse_authority(head.fields.value(*host), authority);
  if (fault != http::Fault::kNone) return refusal_of(fault);
  if (head.has_authority) {
    if (authority.port != head.port || !http::equals_lower(authority.host, head.host()))
      head.ambiguity |= http::kHostDiffersFromTarget;
    return Refusal::kNone;
  }
  const uint32_t at = host->value_at;  // the host is the front of the value
  for (uint32_t i = 0; i < authority.host.size(); ++i) head.arena.data()[at + i] = http::lower(authority.host[i]);
  head.host_slice = {at, static_cast<uint32_t>(authority.host.size())};
  head.port = authority.port;
  head.has_authority = !authority.host.empty();
  return Refusal::kNone;
}

// The protocols asked for, when they are usable: one field, well-formed names, and not h2c, which would let a client
// speak HTTP/2 to a server behind the gateway's back (RFC 9113 3.1 has withdrawn it). Else the field is ignored, as RFC
// 9110 7.8 always allows.
bool usable_upgrade(const Fields& fields) {
  const http::Field* field = fields.find(FieldId::kUpgrade);
  if (field == nullptr || fields.find(FieldId::kUpgrade, field + 1) != nullptr) return false;
  bool usable = !fields.value(*field).empty();
  http::for_each_element(fields.value(*field), [&](std::string_view protocol) {
    const size_t slash = protocol.find('/');
    usable = usable && http::is_token(protocol.substr(0, slash)) && !http::equals_lower(protocol, "h2c") &&
             (slash == std::string_view::npos || http::is_token(protocol.substr(slash + 1)));
  });
  return usable;
}

http::Slice upgrade_slice(const Fields& fields) {
  const http::Field* field = fields.find(FieldId::kUpgrade);
  return {field->value_at, field->value_size};
}

// RFC 9110 10.1.1: ignored in HTTP/1.0 and without content.
Refusal take_expectation(http::RequestHead& head) {
  for (const http::Field& field : head.fields) {
    if (field.id != FieldId::kExpect) continue;
    if (!http::equals_lower(head.fields.value(field), "100-continue")) return Refusal::unknown_expectation;
    head.expects_continue = head.version != http::Version::kHttp10 && head.content.kind != http::Content::Kind::kNone;
  }
  return Refusal::kNone;
}

bool names_trailers(const Fields& fields) {
  bool found = false;
  for (const http::Field& field : fields)
    if (field.id == FieldId::kTe)
      http::for_each_element(fields.value(field),
                             [&](std::string_view coding) { found |= http::equals_lower(coding, "trailers"); });
  return found;
}

Refusal take_content(const Limits& limits, http::RequestHead& head, Framing& out) {
  Lengths lengths;
  const Refusal refusal = read_lengths(head.fields, head.version, lengths, head.ambiguity);
  if (refusal != Refusal::kNone) return refusal;
  if (lengths.chunked) {
    head.content.kind = http::Content::Kind::kStreamed;
    out.body = BodyKind::kChunked;
  } else if (lengths.has_length) {
    head.content.declared = true;
    head.content.length = lengths.length;
    if (lengths.length > 0) {
      head.content.kind = http::Content::Kind::kLength;
      out.body = BodyKind::kLength;
    }
  }
  if (out.body == BodyKind::kNone) return Refusal::kNone;
  if (http::forbids_content(head.method)) return Refusal::content_not_allowed;
  if (head.content.length > limits.head.body_bytes) return Refusal::body_too_large;
  if (http::content_is_ambiguous(head.method)) head.ambiguity |= http::kContentWithoutMeaning;
  return Refusal::kNone;
}

}  // namespace

Refusal finish_request(const Limits& limits, http::RequestHead& head, Framing& out) {
  ConnectionOptions connection(head.fields);
  if (head.fields.has(FieldId::kConnection)) {
    if (const Refusal refusal = connection.read(head.ambiguity); refusal != Refusal::kNone) return refusal;
    connection.remove_named(head.fields);
  }
  if (const Refusal refusal = take_host(head); refusal != Refusal::kNone) return refusal;
  if (const Refusal refusal = take_content(limits, head, out); refusal != Refusal::kNone) return refusal;
  if (const Refusal refusal = take_expectation(head); refusal != Refusal::kNone) return refusal;
  if (connection.options().upgrade && head.version == http::Version::kHttp11 && usable_upgrade(head.fields)) {
    head.upgrade_slice = upgrade_slice(head.fields);
    if (out.body != BodyKind::kNone) head.ambiguity |= http::kContentWithUpgrade;
  }
  head.accepts_trailers = names_trailers(head.fields);
  out.persistent = stays_open(head.version, connection.options());
  head.fields.remove_all(kOfRequests);
  return Refusal::kNone;
}

Refusal finish_response(const Asked& asked, const Limits& limits, http::ResponseHead& head, Framing& out) {
  ConnectionOptions connection(head.fields);
  if (const Refusal refusal = connection.read(head.ambiguity); refusal != Refusal::kNone) return refusal;
  connection.remove_named(head.fields);
  out.persistent = stays_open(head.version, connection.options());

  Lengths lengths;
  const bool tunnel = asked.method == http::Method::kConnect && http::is_success(head.status);
  if (!tunnel) {  // RFC 9110 9.3.6: a client ignores lengths in a successful answer to CONNECT
    const Refusal refusal = read_lengths(head.fields, head.version, lengths, head.ambiguity);
    if (refusal != Refusal::kNone) return refusal;
  }
  if (head.status == http::kSwitchingProtocols) {
    if (!asked.upgrade || !connection.options().upgrade || !usable_upgrade(head.fields)) return Refusal::bad_upgrade;
    head.upgrade_slice = upgrade_slice(head.fields);
  }
  if (tunnel || head.status == http::kSwitchingProtocols) {
    out.body = BodyKind::kTunnel;
  } else if (asked.method == http::Method::kHead || http::never_has_content(head.status)) {
    const bool may_say = !http::is_interim(head.status) && head.status != http::kNoContent;
    if (!may_say && (lengths.chunked || lengths.has_length)) head.ambiguity |= http::kLengthWithoutContent;
    head.content.declared = may_say && lengths.has_length;
    head.content.length = head.content.declared ? lengths.length : 0;
  } else if (lengths.has_length) {
    head.content.declared = true;
    head.content.length = lengths.length;
    if (lengths.length > limits.head.body_bytes) return Refusal::body_too_large;
    if (lengths.length > 0) {
      head.content.kind = http::Content::Kind::kLength;
      out.body = BodyKind::kLength;
    }
  } else {
    head.content.kind = http::Content::Kind::kStreamed;
    out.body = lengths.chunked ? BodyKind::kChunked : BodyKind::kUntilClose;
  }
  if (out.body == BodyKind::kUntilClose || out.body == BodyKind::kTunnel) out.persistent = false;
  head.fields.remove_all(kOfTheConnection);
  return Refusal::kNone;
}

bool forbidden_in_trailers(FieldId id) {
  constexpr http::FieldSet kForbidden =
      kOfRequests |
      set_of(FieldId::kTrailer, FieldId::kMaxForwards, FieldId::kAuthorization, FieldId::kProxyAuthorization,
             FieldId::kProxyAuthenticate, FieldId::kWwwAuthenticate, FieldId::kCookie, FieldId::kSetCookie,
             FieldId::kCacheControl, FieldId::kRange, FieldId::kContentType, FieldId::kContentEncoding,
             FieldId::kContentRange, FieldId::kLocation, FieldId::kRetryAfter, FieldId::kVary, FieldId::kAge,
             FieldId::kDate, FieldId::kIfModifiedSince, FieldId::kIfNoneMatch, FieldId::kForwarded, FieldId::kVia,
             FieldId::kXForwardedFor, FieldId::kXForwardedHost, FieldId::kXForwardedPort, FieldId::kXForwardedProto,
             FieldId::kXRequestId);
  return id != FieldId::kUnknown && (set_of(id) & kForbidden);
}

}  // namespace penstock::h1
