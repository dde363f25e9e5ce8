// The second half of the oracle: whole messages, their content, and the two loops over an input.
#include <algorithm>
#include <cctype>
#include <cstring>

#include "oracle/h1_oracle.h"

namespace penstock::oracle {

namespace {

const std::vector<std::string> kConnectionFields{"connection", "keep-alive",        "proxy-connection",
                                                 "te",         "transfer-encoding", "content-length",
                                                 "upgrade",    "http2-settings"};

std::string low(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

bool tchar(char c) { return c != 0 && (isalnum(static_cast<unsigned char>(c)) || strchr("!#$%&'*+-.^_`|~", c)); }

}  // namespace

std::string H1Oracle::request_head() {
  const size_t most = limits_.head.target_bytes + h1::kRequestLineFrame + 2;
  std::string first = line(most, "target_too_long");
  if (first == "\r") first = line(most, "target_too_long");
  const std::string spoken = request_line(first);
  fields_ = fields(limits_.head.field_bytes, false);

  connection();
  const std::string target_host = host_;
  const unsigned target_port = port_;
  const bool from_target = has_host_;
  unsigned hosts = 0;
  std::string value;
  for (const auto& field : fields_) {
    if (field.first != "host") continue;
    ++hosts;
    value = field.second;
  }
  if (hosts == 0 && !old_) refuse("missing_host");
  if (hosts > 1) refuse("repeated_host");
  if (hosts == 1) host(value);
  if (from_target) {
    if (host_ != target_host || port_ != target_port) ambiguity_ |= http::kHostDiffersFromTarget;
    host_ = target_host;
    port_ = target_port;
  }

  lengths();
  const bool has_content = body_ == 'c' || length_ > 0;
  if (body_ == 'n' && length_ > 0) body_ = 'l';
  if (has_content && (method_ == "CONNECT" || method_ == "TRACE")) refuse("content_not_allowed");
  if (length_ > limits_.head.body_bytes) refuse("body_too_large");
  if (has_content && (method_ == "GET" || method_ == "HEAD" || method_ == "DELETE"))
    ambiguity_ |= http::kContentWithoutMeaning;
  bool expects = false, te = false;
  for (const auto& [name, text] : fields_) {
    if (name == "expect") {
      if (low(text) != "100-continue") refuse("unknown_expectation");
      expects = !old_ && has_content;
    }
    if (name == "te")
      for (const std::string& coding : split(text)) te |= low(coding) == "trailers";
  }
  std::string upgrade;
  if (wants_upgrade_ && !old_ && upgrade_usable(upgrade)) {
    upgrade_ = upgrade;
    if (has_content) ambiguity_ |= http::kContentWithUpgrade;
  }
  drop(kConnectionFields);
  drop({"host", "expect"});
  return "request " + method_ + (secure_ ? " https" : " http") + " host " + host_ + ":" + std::to_string(port_) +
         " path " + path_ + (has_query_ ? "?" + query_ : "") + " " + spoken + " upgrade " + upgrade_ +
         (expects ? " expects" : "") + (te ? " te" : "") + " content " +
         (body_ == 'c'   ? "streamed"
          : body_ == 'l' ? "length"
                         : "none") +
         (declared_ ? " " + std::to_string(length_) : "") + "\n" + written(fields_, "field");
}

std::string H1Oracle::response_head(const h1::Asked& asked, bool& interim) {
  const std::string with_cr = line(h1::kMaxStatusLineBytes + 1, "status_line_too_long");
  if (with_cr.empty() || with_cr.back() != '\r') refuse("bare_lf");
  const std::string text = with_cr.substr(0, with_cr.size() - 1);
  no_controls(text);
  const size_t space = text.find(' ');
  if (space == std::string::npos) refuse("bad_status_line");
  const std::string spoken = version(text.substr(0, space));
  const std::string rest = text.substr(space + 1);
  if (rest.size() != 3 && (rest.size() < 4 || rest[3] != ' ')) refuse("bad_status_line");
  for (int i = 0; i < 3; ++i)
    if (!isdigit(static_cast<unsigned char>(rest[static_cast<size_t>(i)]))) refuse("bad_status_line");
  status_ = std::stoi(rest.substr(0, 3));
  if (status_ < 100 || status_ > 599) refuse("bad_status");
  fields_ = fields(limits_.head.field_bytes, false);

  connection();
  const bool tunnel = asked.method == http::Method::kConnect && status_ / 100 == 2;
  if (!tunnel) lengths();
  std::string upgrade;
  if (status_ == 101) {
    if (!asked.upgrade || !wants_upgrade_ || !upgrade_usable(upgrade)) refuse("bad_upgrade");
    upgrade_ = upgrade;
  }
  const bool chunked = body_ == 'c';
  const bool said = declared_ || chunked;
  interim = status_ / 100 == 1 && status_ != 101;
  if (tunnel || status_ == 101) {
    body_ = 't';
    declared_ = false;
  } else if (asked.method == http::Method::kHead || status_ / 100 == 1 || status_ == 204 || status_ == 304) {
    body_ = 'n';
    if (status_ / 100 == 1 || status_ == 204) {
      if (said) ambiguity_ |= http::kLengthWithoutContent;
      declared_ = false;
    }
  } else if (declared_) {
    if (length_ > limits_.head.body_bytes) refuse("body_too_large");
    body_ = length_ > 0 ? 'l' : 'n';
  } else if (!chunked) {
    body_ = 'u';
  }
  drop(kConnectionFields);
  return "response " + std::to_string(status_) + " " + spoken + " reason " +
         rest.substr(std::min<size_t>(4, rest.size())) + " upgrade " + upgrade_ + " content " +
         (body_ == 'c' || body_ == 'u' ? "streamed"
          : body_ == 'l'               ? "length"
                                       : "none") +
         (declared_ ? " " + std::to_string(length_) : "") + "\n" + written(fields_, "field");
}

// *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) CR LF, from the first byte behind the size.
void H1Oracle::chunk_extension(size_t& spent) {
  const auto take = [&](bool counts) {
    if (at_ == in_.size()) throw Stop{};
    if (counts && ++spent > h1::kMaxChunkExtensionBytes) refuse("chunk_extensions_too_large");
    return in_[at_++];
  };
  const auto wrong = [](char c) { refuse(c == '\n' ? "bare_lf" : "bad_chunk_extension"); };
  const auto after_blanks = [&](char c) {
    while (c == ' ' || c == '\t') c = take(true);
    return c;
  };
  char c = in_[at_ - 1];
  for (;;) {
    const bool had_blank = c == ' ' || c == '\t';
    c = after_blanks(c);
    if (c == '\r' && !had_blank) break;
    if (c != ';') wrong(c);
    c = after_blanks(take(true));
    if (!tchar(c)) wrong(c);
    while (tchar(c)) c = take(true);
    const bool blank_after_name = c == ' ' || c == '\t';
    c = after_blanks(c);
    if (c == ';') continue;
    if (c == '\r' && !blank_after_name) break;
    if (c != '=') wrong(c);
    c = after_blanks(take(true));
    if (c == '"') {
      for (c = take(true); c != '"'; c = take(true)) {
        if (c == '\\') c = take(true);
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) wrong(c);
      }
      c = take(true);
    } else {
      if (!tchar(c)) wrong(c);
      while (tchar(c)) c = take(true);
    }
  }
  if (take(false) != '\n') refuse("bare_cr");
}

std::string H1Oracle::chunks(bool& ended) {
  std::string body;
  size_t spent = 0;
  try {
    for (;;) {
      unsigned __int128 size = 0;
      unsigned digits = 0;
      const auto next = [&] {
        if (at_ == in_.size()) throw Stop{};
        return in_[at_++];
      };
      char c = next();
      while (isxdigit(static_cast<unsigned char>(c))) {
        if (++digits > 16) refuse("chunk_size_too_large");
        size = size * 16 + static_cast<unsigned>(std::stoi(std::string(1, c), nullptr, 16));
        c = next();
      }
      if (digits == 0) refuse("bad_chunk_size");
      if (c == '\n') refuse("bare_lf");
      if (c == ';' || c == ' ' || c == '\t') {
        ambiguity_ |= http::kChunkExtension;
        ++spent;
        if (spent > h1::kMaxChunkExtensionBytes) refuse("chunk_extensions_too_large");
        chunk_extension(spent);
      } else if (c == '\r') {
        if (next() != '\n') refuse("bare_cr");
      } else {
        refuse("bad_chunk_size");
      }
      if (size >> 63) refuse("chunk_size_too_large");
      if (size + body.size() > limits_.head.body_bytes) refuse("body_too_large");
      if (size == 0) break;
      const size_t there = static_cast<size_t>(std::min<unsigned __int128>(size, in_.size() - at_));
      body += in_.substr(at_, there);
      at_ += there;
      if (there < size) throw Stop{};
      if (next() != '\r' || next() != '\n') refuse("bad_chunk_end");
    }
    trailers_ = fields(limits_.head.trailer_bytes, true);
    ended = true;
  } catch (const Stop&) {
    ended = false;
  } catch (const Refused& refused) {
    throw Refused{refused.name + "\n" + body};  // what came before it is part of the transcript
  }
  return body;
}

std::string H1Oracle::content(bool& ended, bool closed) {
  if (body_ == 'c') return chunks(ended);
  if (body_ == 'n') {
    ended = true;
    return "";
  }
  const bool counted = body_ == 'l';
  const unsigned long long most = counted ? length_ : limits_.head.body_bytes;
  const size_t there = static_cast<size_t>(std::min<unsigned long long>(most, in_.size() - at_));
  std::string body = in_.substr(at_, there);
  at_ += there;
  if (!counted && at_ < in_.size()) throw Refused{"body_too_large\n" + body};
  ended = counted ? there == length_ : closed;
  return body;
}

std::string H1Oracle::finish(const std::string& body, bool ended) {
  if (!ended) return body.empty() ? "" : "body " + body + "\n";
  const bool persistent = !close_ && (!old_ || keep_alive_) && body_ != 'u';
  return "body " + body + "\n" + written(trailers_, "trailer") + "end" +
         (persistent && ambiguity_ == 0 ? " reusable" : "") + " ambiguity " + std::to_string(ambiguity_) + "\n";
}

namespace {
std::string refusal_text(const std::string& name_and_body) {
  const size_t split = name_and_body.find('\n');
  if (split == std::string::npos) return "refused " + name_and_body + "\n";
  const std::string body = name_and_body.substr(split + 1);
  return (body.empty() ? "" : "body " + body + "\n") + "refused " + name_and_body.substr(0, split) + "\n";
}
}  // namespace

std::string H1Oracle::requests(bool closed) {
  std::string text;
  try {
    for (;;) {
      reset();
      const size_t start = at_;
      try {
        text += request_head();
      } catch (const Stop&) {
        const std::string rest = in_.substr(start);
        return closed && !rest.empty() && rest != "\r\n" ? text + "refused truncated\n" : text;
      }
      bool ended = false;
      const std::string body = content(ended, closed);
      text += finish(body, ended);
      if (!ended) return closed ? text + "refused truncated\n" : text;
    }
  } catch (const Refused& refused) {
    return text + refusal_text(refused.name);
  }
}

std::string H1Oracle::responses(const h1::Asked& asked, bool closed) {
  std::string text;
  unsigned interims = 0, doubt = 0;
  try {
    for (;;) {
      reset();
      const size_t start = at_;
      bool interim = false;
      std::string head;
      try {
        head = response_head(asked, interim);
      } catch (const Stop&) {
        return closed && (start < in_.size() || interims > 0) ? text + "refused truncated\n" : text;
      }
      if (interim) {
        if (++interims > h1::kMaxInterimResponses) refuse("too_many_interim_responses");
        doubt |= ambiguity_;
        text += "interim " + head;
        continue;
      }
      text += head;
      ambiguity_ |= doubt;
      interims = doubt = 0;
      if (body_ == 't') return at_ < in_.size() ? text + "tunnel " + in_.substr(at_) + "\n" : text;
      bool ended = false;
      const std::string body = content(ended, closed);
      text += finish(body, ended);
      if (!ended) return closed ? text + "refused truncated\n" : text;
      if (body_ == 'u') return text;
    }
  } catch (const Refused& refused) {
    return text + refusal_text(refused.name);
  }
}

}  // namespace penstock::oracle
