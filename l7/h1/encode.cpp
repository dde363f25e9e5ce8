#include "l7/h1/encode.h"

#include <charconv>
#include <cstring>

namespace penstock::h1 {

namespace {

// More than all that is written around target and fields: method, status, own fields, line ends.
constexpr size_t kFrameBytes = 512;

class Writer {
 public:
  explicit Writer(base::MutableBytes out)
      : begin_(reinterpret_cast<char*>(out.data())), at_(begin_), end_(begin_ + out.size()) {}

  void put(std::string_view text) {
    if (static_cast<size_t>(end_ - at_) < text.size()) {
      fits_ = false;
      return;
    }
    if (!text.empty()) std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void put_number(uint64_t number) {
    char digits[20];
    put({digits, static_cast<size_t>(std::to_chars(digits, digits + sizeof digits, number).ptr - digits)});
  }
  void put_field(std::string_view name, std::string_view value) {
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }
  void put_fields(const http::Fields& fields) {
    for (const http::Field& field : fields) put_field(fields.name(field), fields.value(field));
  }
  void put_length(uint64_t length) {
    put("content-length: ");
    put_number(length);
    put("\r\n");
  }
  size_t size() const { return fits_ ? static_cast<size_t>(at_ - begin_) : 0; }

 private:
  char* begin_;
  char* at_;
  char* end_;
  bool fits_ = true;
};

// "connection: a, b", if there is anything to say.
class ConnectionField {
 public:
  explicit ConnectionField(Writer& out) : out_(out) {}
  void add(std::string_view option) {
    out_.put(empty_ ? "connection: " : ", ");
    out_.put(option);
    empty_ = false;
  }
  void end() {
    if (!empty_) out_.put("\r\n");
  }

 private:
  Writer& out_;
  bool empty_ = true;
};

void put_authority(const http::RequestHead& head, Writer& out) {
  out.put(head.host());
  if (head.port == 0) return;
  out.put(":");
  out.put_number(head.port);
}

void put_target(const http::RequestHead& head, Writer& out) {
  if (head.target == http::TargetKind::kAuthority) return put_authority(head, out);
  out.put(head.path());
  if (!head.has_query) return;
  out.put("?");
  out.put(head.query());
}

OutFraming put_content(const http::Content& content, bool says_none, bool chunks, Writer& out) {
  switch (content.kind) {
    case http::Content::Kind::kNone:
      if (says_none) out.put_length(0);
      return OutFraming::kNone;
    case http::Content::Kind::kLength:
      out.put_length(content.length);
      return OutFraming::kLength;
    case http::Content::Kind::kStreamed:
      break;
  }
  if (!chunks) return OutFraming::kUntilClose;
  out.put("transfer-encoding: chunked\r\n");
  return OutFraming::kChunked;
}

// The lengths of a response, which depend on what was asked (RFC 9110 8.6, RFC 9112 6.3).
OutFraming put_response_content(const http::ResponseHead& head, const ResponseOut& how, Writer& out) {
  if (http::is_interim(head.status) || head.status == http::kNoContent) return OutFraming::kNone;
  if (how.asked == http::Method::kConnect && http::is_success(head.status)) return OutFraming::kNone;
  if (how.asked == http::Method::kHead || head.status == http::kNotModified) {
    if (head.content.declared) out.put_length(head.content.length);
    return OutFraming::kNone;
  }
  return put_content(head.content, true, how.client != http::Version::kHttp10, out);
}

size_t fields_bound(const http::Fields& fields) {
  size_t bytes = 0;
  for (const http::Field& field : fields) bytes += field.name_size + field.value_size + 4;  // ": " and CR LF
  return bytes;
}

}  // namespace

Encoded encode_request(const http::RequestHead& head, const RequestOut& how, base::MutableBytes bytes) {
  Writer out(bytes);
  out.put(head.method_text());
  out.put(" ");
  put_target(head, out);
  out.put(" HTTP/1.1\r\nhost: ");
  put_authority(head, out);
  out.put("\r\n");
  out.put_fields(head.fields);
  Encoded encoded;
  const bool says_none = head.content.declared || http::expects_content(head.method);
  encoded.framing = put_content(head.content, says_none && !http::forbids_content(head.method), true, out);
  if (how.expect_continue) out.put("expect: 100-continue\r\n");
  ConnectionField connection(out);
  if (how.close) connection.add("close");
  if (!head.upgrade().empty()) connection.add("upgrade");
  if (head.accepts_trailers) connection.add("te");
  connection.end();
  if (!head.upgrade().empty()) out.put_field("upgrade", head.upgrade());
  if (head.accepts_trailers) out.put("te: trailers\r\n");
  out.put("\r\n");
  encoded.size = out.size();
  return encoded;
}

Encoded encode_response(const http::ResponseHead& head, const ResponseOut& how, base::MutableBytes bytes) {
  Writer out(bytes);
  out.put("HTTP/1.1 ");
  out.put_number(head.status);
  out.put(" ");
  out.put(head.reason().empty() ? http::reason_phrase(head.status) : head.reason());
  out.put("\r\n");
  out.put_fields(head.fields);
  Encoded encoded;
  encoded.framing = put_response_content(head, how, out);
  ConnectionField connection(out);
  if (head.status == http::kSwitchingProtocols) {
    connection.add("upgrade");
  } else if (!http::is_interim(head.status)) {
    if (how.close || encoded.framing == OutFraming::kUntilClose)
      connection.add("close");
    else if (how.client == http::Version::kHttp10)
      connection.add("keep-alive");
  }
  connection.end();
  if (head.status == http::kSwitchingProtocols) out.put_field("upgrade", head.upgrade());
  out.put("\r\n");
  encoded.size = out.size();
  return encoded;
}

size_t encoded_bound(const http::RequestHead& head) {
  return kFrameBytes + head.path().size() + head.query().size() + 2 * head.host().size() + head.upgrade().size() +
         fields_bound(head.fields);
}

size_t encoded_bound(const http::ResponseHead& head) {
  return kFrameBytes + head.reason().size() + head.upgrade().size() + fields_bound(head.fields);
}

BodyEncoder::Prefix BodyEncoder::prefix(uint64_t size) {
  Prefix prefix{framing_ != OutFraming::kNone, 0, {}};
  if (framing_ == OutFraming::kLength) {
    prefix.allowed = size <= left_;
    if (prefix.allowed) left_ -= size;
  }
  if (framing_ != OutFraming::kChunked) return prefix;
  char* at = prefix.bytes;
  if (in_chunk_) {
    *at++ = '\r';
    *at++ = '\n';
  }
  at = std::to_chars(at, prefix.bytes + kPrefixBytes - 2, size, 16).ptr;
  *at++ = '\r';
  *at++ = '\n';
  prefix.size = static_cast<uint8_t>(at - prefix.bytes);
  in_chunk_ = true;
  return prefix;
}

BodyEncoder::Finish BodyEncoder::finish(const http::Fields& trailers, base::MutableBytes bytes) {
  if (framing_ == OutFraming::kLength) return {left_ == 0, 0};
  if (framing_ != OutFraming::kChunked) return {true, 0};
  Writer out(bytes);
  out.put(in_chunk_ ? "\r\n0\r\n" : "0\r\n");
  out.put_fields(trailers);
  out.put("\r\n");
  return {out.size() > 0, out.size()};
}

}  // namespace penstock::h1
