// Messages written as HTTP/1.1 from the model, never copied from what came in (RFC 9112).
//
// What the head holds as numbers becomes Host, Content-Length or Transfer-Encoding, Connection, TE, Upgrade and Expect
// again; the fields follow as they stand, in lower case. So framing is always the one that `framing` names, and nothing
// that concerned the other connection goes out.
//   - Content of known length: Content-Length. Else chunked; to an HTTP/1.0 client until the connection closes.
//   - A request that could have content but has none says "content-length: 0" (RFC 9110 8.6); so does a response,
//   unless
//     its status or the request's method forbids (204, 1xx, 2xx to CONNECT). HEAD and 304 repeat the length they were
//     told.
//   - Connection: "close" when asked; "keep-alive" to an HTTP/1.0 client that keeps the connection.
// Memory: writes into `out`; a message that does not fit has size 0 and nothing of it may be sent. encoded_bound()
// bytes are always enough. Pure.
#pragma once

#include "base/bytes.h"
#include "l7/http/message.h"

namespace penstock::h1 {

enum class OutFraming : uint8_t { kNone, kLength, kChunked, kUntilClose };

struct Encoded {
  size_t size = 0;
  OutFraming framing = OutFraming::kNone;  // of the content that has to follow
};

struct RequestOut {
  bool close = false;            // this is the last request on the connection
  bool expect_continue = false;  // the server is asked before content is sent
};
Encoded encode_request(const http::RequestHead& head, const RequestOut& how, base::MutableBytes out);

struct ResponseOut {
  http::Method asked = http::Method::kGet;
  http::Version client = http::Version::kHttp11;
  bool close = false;
};
// Also for interim responses (1xx), which have no content and say nothing of the connection; see http::InterimGate.
Encoded encode_response(const http::ResponseHead& head, const ResponseOut& how, base::MutableBytes out);

// Enough for the head with what is written around the fields.
size_t encoded_bound(const http::RequestHead& head);
size_t encoded_bound(const http::ResponseHead& head);

// What is sent around the content. The content itself is not copied: before each piece goes prefix(), after the last
// one finish().
class BodyEncoder {
 public:
  static constexpr size_t kPrefixBytes = 2 + 16 + 2;  // end of the chunk before, size, line end

  void begin(OutFraming framing, uint64_t length) {
    framing_ = framing;
    left_ = length;
    in_chunk_ = false;
  }

  struct Prefix {
    bool allowed;  // false: more content than was announced; the connection must be closed, nothing sent
    uint8_t size;
    char bytes[kPrefixBytes];
  };
  Prefix prefix(uint64_t size);  // for the next `size` > 0 bytes

  struct Finish {
    bool complete;  // false: less content than was announced, or the trailers do not fit; the connection must be closed
    size_t size;
  };
  // Ends the content; trailers go out only in chunked content.
  Finish finish(const http::Fields& trailers, base::MutableBytes out);

 private:
  OutFraming framing_ = OutFraming::kNone;
  bool in_chunk_ = false;
  uint64_t left_ = 0;
};

}  // namespace penstock::h1
