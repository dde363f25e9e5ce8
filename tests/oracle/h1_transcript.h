// What l7/h1 makes of an input, as text: heads, fields, content, trailers, ends and refusals. The input is handed over
// in pieces of given sizes.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "l7/h1/request_parser.h"
#include "l7/h1/response_parser.h"

namespace penstock::oracle {

inline std::string written(const http::Fields& fields, const char* label) {
  std::string text;
  for (const http::Field& field : fields)
    text += std::string(label) + " " + std::string(fields.name(field)) + "=" + std::string(fields.value(field)) + "\n";
  return text;
}

inline std::string written(const http::Content& content) {
  const char* kind = content.kind == http::Content::Kind::kNone     ? "none"
                     : content.kind == http::Content::Kind::kLength ? "length"
                                                                    : "streamed";
  return std::string(kind) + (content.declared ? " " + std::to_string(content.length) : "");
}

inline std::string written(const http::RequestHead& head) {
  const bool old = head.version == http::Version::kHttp10;
  return "request " + std::string(head.method_text()) + (head.scheme == http::Scheme::kHttps ? " https" : " http") +
         " host " + std::string(head.host()) + ":" + std::to_string(head.port) + " path " + std::string(head.path()) +
         (head.has_query ? "?" + std::string(head.query()) : "") + (old ? " 1.0" : " 1.1") + " upgrade " +
         std::string(head.upgrade()) + (head.expects_continue ? " expects" : "") +
         (head.accepts_trailers ? " te" : "") + " content " + written(head.content) + "\n" +
         written(head.fields, "field");
}

inline std::string written(const http::ResponseHead& head) {
  return "response " + std::to_string(head.status) + (head.version == http::Version::kHttp10 ? " 1.0" : " 1.1") +
         " reason " + std::string(head.reason()) + " upgrade " + std::string(head.upgrade()) + " content " +
         written(head.content) + "\n" + written(head.fields, "field");
}

// Hands `input` to a parser in pieces: the sizes are used again and again; none means all at once. `restart` begins the
// next message after an end and is false when there is none.
template <typename Parser, typename Head, typename Restart>
std::string drive(Parser& parser, Head& head, const std::string& input, const std::vector<size_t>& pieces, bool closed,
                  Restart restart) {
  std::string text, body, tunnel;
  size_t at = 0, offered = 0, piece = 0;
  const auto* bytes = reinterpret_cast<const uint8_t*>(input.data());
  const auto on = [&](const h1::Step& step) {
    switch (step.event) {
      case h1::Event::kHead:
        text += written(head);
        break;
      case h1::Event::kInterim:
        text += "interim " + written(head);
        break;
      case h1::Event::kContent:
        body.append(reinterpret_cast<const char*>(step.data.data()), step.data.size());
        break;
      case h1::Event::kEnd:
        text += "body " + body + "\n" + written(head.trailers, "trailer") + "end" +
                (parser.reusable() ? " reusable" : "") + " ambiguity " + std::to_string(head.ambiguity) + "\n";
        body.clear();
        break;
      case h1::Event::kTunnel:
        tunnel.append(reinterpret_cast<const char*>(step.data.data()), step.data.size());
        break;
      case h1::Event::kRefused:
        if (!body.empty()) text += "body " + body + "\n";
        text += std::string("refused ") + h1::info(parser.refusal()).name + "\n";
        break;
      case h1::Event::kMore:
      case h1::Event::kClosed:
        break;
    }
  };
  for (;;) {
    const h1::Step step = parser.next({bytes + at, offered - at});
    at += step.consumed;
    on(step);
    if (step.event == h1::Event::kRefused) return text;
    if (step.event == h1::Event::kEnd && !restart()) return text;
    if (step.event != h1::Event::kMore) continue;
    if (offered == input.size()) break;
    const size_t size = pieces.empty() ? input.size() : std::max<size_t>(1, pieces[piece++ % pieces.size()]);
    offered = std::min(input.size(), offered + size);
  }
  if (!tunnel.empty()) text += "tunnel " + tunnel + "\n";
  if (closed) {
    const h1::Step step = parser.on_close();
    on(step);
    if (step.event == h1::Event::kRefused || step.event == h1::Event::kEnd) return text;
  }
  return body.empty() ? text : text + "body " + body + "\n";
}

inline std::string request_transcript(const std::string& input, const h1::Limits& limits,
                                      const std::vector<size_t>& pieces, bool closed) {
  http::RequestHead head(limits.head);
  h1::RequestParser parser(limits);
  parser.begin(head);
  return drive(parser, head, input, pieces, closed, [&] {
    parser.begin(head);
    return true;
  });
}

inline std::string response_transcript(const std::string& input, const h1::Asked& asked, const h1::Limits& limits,
                                       const std::vector<size_t>& pieces, bool closed) {
  http::ResponseHead head(limits.head);
  h1::ResponseParser parser(limits);
  parser.begin(head, asked);
  return drive(parser, head, input, pieces, closed, [&] {
    parser.begin(head, asked);
    return true;
  });
}

}  // namespace penstock::oracle
