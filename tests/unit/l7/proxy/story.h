// Conversations for exhaustive tests: requests and the endpoints' answers, played in full, and clients' bytes judged.
#pragma once

#include <functional>

#include "l7/h1/request_parser.h"
#include "l7/h1/response_parser.h"
#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {

struct Story {
  const char* name;
  std::string request;
  std::string response;
};

// Every kind of framing, in both directions.
inline const std::vector<Story>& stories() {
  static const std::vector<Story> kStories = {
      {"get", get("/"), answer(200, "hello")},
      {"empty", get("/"), answer(204, "").substr(0, 18) + "\r\n"},
      {"post", "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\ncontent", answer(201, "made")},
      {"chunked",
       "PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n5\r\npedia\r\n0\r\nX-S: 1\r\n\r\n"},
      {"until close", get("/"), "HTTP/1.1 200 OK\r\n\r\nas long as it lasts"},
      {"old client", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", answer(200, "old")},
      {"old client until close", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nold and long"},
      {"interim", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer(200, "ok")},
      {"head", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n"},
      {"upgrade", get("/", "Connection: upgrade\r\nUpgrade: websocket\r\n"),
       "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nframes"},
  };
  return kStories;
}

// One request as it was understood.
struct Read {
  bool whole = false;
  bool refused = false;
  size_t consumed = 0;
  std::string path;
  std::string content, trailers;
  int status = 0;
};

template <typename Parser, typename Head, typename Begin>
Read read_message(const std::string& bytes, bool closed, Head& head, Begin begin) {
  static const h1::Limits kLimits;
  Parser parser(kLimits);
  begin(parser);
  Read read;
  base::Bytes left{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  for (;;) {
    h1::Step step = parser.next(left);
    if (step.event == h1::Event::kMore && step.consumed == 0) {
      if (!closed) return read;
      closed = false;
      step = parser.on_close();
    }
    read.consumed += step.consumed;
    read.content.append(reinterpret_cast<const char*>(step.data.data()), step.data.size());
    left = left.subspan(step.consumed);
    if (step.event == h1::Event::kRefused) read.refused = true;
    if (step.event == h1::Event::kEnd) {
      read.whole = true;
      for (const http::Field& field : head.trailers)
        read.trailers += std::string(head.trailers.name(field)) + "=" + std::string(head.trailers.value(field)) + ";";
    }
    if (step.event == h1::Event::kEnd || step.event == h1::Event::kRefused || step.event == h1::Event::kClosed ||
        step.event == h1::Event::kTunnel)
      return read;
  }
}

inline Read read_request(const std::string& bytes) {
  http::RequestHead head(http::HeadLimits{});
  Read read =
      read_message<h1::RequestParser>(bytes, false, head, [&](h1::RequestParser& parser) { parser.begin(head); });
  read.path = std::string(head.path());
  return read;
}
inline Read read_response(const std::string& bytes, http::Method method, bool upgrade, bool closed) {
  http::ResponseHead head(http::HeadLimits{});
  Read read = read_message<h1::ResponseParser>(bytes, closed, head, [&](h1::ResponseParser& parser) {
    parser.begin(head, {method, upgrade});
  });
  read.status = head.status;
  return read;
}

}  // namespace penstock::proxy
