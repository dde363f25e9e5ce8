// Requests and responses as every version of HTTP means them (RFC 9110): what an exchange, a router and a filter see,
// and all that a codec needs to write the message again. No version's syntax is in here.
//
// What belongs to one connection and what frames a message is not among the fields: codecs turn Connection, Keep-Alive,
// TE, Transfer-Encoding, Content-Length, Upgrade, Expect and Host into the members below and write them again from
// there. So no field can contradict the framing, and nothing hop-by-hop (RFC 9110 7.6.1) can be forwarded by mistake.
//
// Memory: a head owns one arena and two arrays of fields, allocated with it for given limits and reused by clear(); all
// texts are views of the arena, good until clear(). About 90 KiB of address space, of which a small message touches two
// pages; workers keep heads in a pool and lend them to messages in flight. Heads do not move. Thread: the worker's.
#pragma once

#include <cstdint>
#include <string_view>

#include "l7/http/arena.h"
#include "l7/http/authority.h"
#include "l7/http/fields.h"
#include "l7/http/limits.h"
#include "l7/http/method.h"
#include "l7/http/path.h"
#include "l7/http/status.h"

namespace penstock::http {

enum class Version : uint8_t { kHttp10, kHttp11, kHttp2 };

enum class Scheme : uint8_t { kHttp, kHttps };

// How much content follows a head.
struct Content {
  enum class Kind : uint8_t {
    kNone,     // no content; what the message says about a length is in `length` when declared
    kLength,   // exactly `length` bytes
    kStreamed  // until the sender ends it
  };
  Kind kind = Kind::kNone;
  bool declared = false;  // kNone only: a response to HEAD or a 304 that names the length it would have had
  uint64_t length = 0;
};

// Why a message, though legal, may be read otherwise by others (issue: served, and neither connection is used again).
// The bits name what was seen.
enum Ambiguity : uint16_t {
  kRepeatedContentLength = 1 << 0,   // the same length more than once, RFC 9112 6.3 rule 5
  kContentWithoutMeaning = 1 << 1,   // content in GET, HEAD or DELETE
  kLengthWithoutContent = 1 << 2,    // Content-Length or Transfer-Encoding in a response that has no content
  kHostDiffersFromTarget = 1 << 3,   // Host and an absolute target disagree; the target counts, RFC 9112 3.2.2
  kNewerMinorVersion = 1 << 4,       // HTTP/1.2 to 1.9, read as HTTP/1.1
  kChunkExtension = 1 << 5,          // which parsers have read in different ways
  kConnectionNamesFraming = 1 << 6,  // Connection lists transfer-encoding
  kContentWithUpgrade = 1 << 7,      // content in a request that also asks to switch protocols
};

// RFC 9110 7.1: what a target is, however it was written.
enum class TargetKind : uint8_t {
  kResource,   // path and query, of the authority
  kAuthority,  // CONNECT: only host and port
  kServer      // OPTIONS *: the server itself
};

struct RequestHead {
  explicit RequestHead(const HeadLimits& limits)
      : arena(limits.arena_bytes()), fields(arena, limits.fields_kept()), trailers(arena, limits.fields_kept()) {}
  RequestHead(const RequestHead&) = delete;
  RequestHead& operator=(const RequestHead&) = delete;

  void clear();

  std::string_view method_text() const {
    return method == Method::kOther ? arena.view(method_slice) : to_string(method);
  }
  std::string_view host() const { return arena.view(host_slice); }  // in lower case, without port; brackets for IPv6
  std::string_view path() const { return arena.view(path_slice); }  // normalised; "*" for kServer, empty for kAuthority
  std::string_view query() const { return arena.view(query_slice); }      // without "?"; see has_query
  std::string_view upgrade() const { return arena.view(upgrade_slice); }  // protocols asked for, or empty

  // For filters. Fault::kNone, or why nothing changed. `path` must begin with "/"; it is normalised again.
  Fault set_path(std::string_view path, const PathPolicy& policy);
  Fault set_query(std::string_view query);  // without "?"; an empty one removes it
  Fault set_authority(std::string_view authority);

  Method method = Method::kGet;
  TargetKind target = TargetKind::kResource;
  Version version = Version::kHttp11;  // that the sender speaks
  Scheme scheme = Scheme::kHttp;
  bool has_query = false;         // "/a?" has an empty query, "/a" has none
  bool has_authority = false;     // an HTTP/1.0 request may have none
  bool expects_continue = false;  // Expect: 100-continue
  bool accepts_trailers = false;  // TE: trailers
  uint16_t port = 0;              // 0: none given
  uint16_t ambiguity = 0;         // Ambiguity bits
  Content content;

  Arena arena;
  Fields fields;
  Fields trailers;  // filled by the time the content has ended

  Slice method_slice, host_slice, path_slice, query_slice, upgrade_slice;
};

struct ResponseHead {
  explicit ResponseHead(const HeadLimits& limits)
      : arena(limits.arena_bytes()), fields(arena, limits.fields_kept()), trailers(arena, limits.fields_kept()) {}
  ResponseHead(const ResponseHead&) = delete;
  ResponseHead& operator=(const ResponseHead&) = delete;

  void clear();

  std::string_view reason() const { return arena.view(reason_slice); }  // as sent, may be empty; means nothing
  std::string_view upgrade() const { return arena.view(upgrade_slice); }

  uint16_t status = 0;
  Version version = Version::kHttp11;
  uint16_t ambiguity = 0;
  Content content;

  Arena arena;
  Fields fields;
  Fields trailers;

  Slice reason_slice, upgrade_slice;
};

}  // namespace penstock::http
