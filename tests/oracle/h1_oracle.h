// A second HTTP/1 parser, written only to be right: the whole input as one string, a byte at a time, standard
// containers, no vector code, no arena. What it says about an input is a transcript; tests and fuzzers compare it with
// the transcript of l7/h1 (tests/oracle/h1_transcript.h), whatever way the input was cut for that one.
//
// It states the rules once more, in the order in which l7/h1 promises to apply them, from RFC 9112 and 9110. It shares
// with l7 only the tables of names: refusals, and which fields are known.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "l7/h1/framing.h"
#include "l7/h1/limits.h"

namespace penstock::oracle {

using FieldList = std::vector<std::pair<std::string, std::string>>;

class H1Oracle {
 public:
  H1Oracle(std::string input, const h1::Limits& limits) : in_(std::move(input)), limits_(limits) {}

  // Transcripts of all messages in the input; `closed`: the peer closes behind it.
  std::string requests(bool closed);
  std::string responses(const h1::Asked& asked, bool closed);

 private:
  struct Stop {};  // thrown: the input ends inside of a message
  struct Refused {
    std::string name;
  };  // thrown: the input is refused

  // A line without CR LF. Throws as the rules for every line demand; `too_long` names the limit of `most` bytes with
  // LF.
  std::string line(size_t most, const char* too_long);
  void no_controls(const std::string& text) const;
  FieldList fields(size_t most, bool trailers);
  void field_line(const std::string& text, bool trailers, FieldList& out);

  std::string request_head();
  std::string request_line(const std::string& text);
  std::string target(const std::string& text);
  void host(const std::string& text);
  void path_and_query(const std::string& text);
  std::string version(const std::string& text);
  void connection();
  void lengths();
  void one_length(const std::string& text);
  std::string response_head(const h1::Asked& asked, bool& interim);
  bool upgrade_usable(std::string& value) const;
  std::string content(bool& ended, bool closed);
  std::string chunks(bool& ended);
  void chunk_extension(size_t& spent);
  std::string finish(const std::string& body, bool ended);
  std::string written(const FieldList& list, const char* label) const;
  void drop(const std::vector<std::string>& names);
  void reset();

  static std::vector<std::string> split(const std::string& list);
  [[noreturn]] static void refuse(const std::string& name) { throw Refused{name}; }

  std::string in_;
  h1::Limits limits_;
  size_t at_ = 0;

  FieldList fields_, trailers_;
  std::string method_, host_, path_, query_, upgrade_;
  bool has_query_ = false, has_host_ = false, absolute_ = false, secure_ = false;
  bool close_ = false, keep_alive_ = false, wants_upgrade_ = false, old_ = false;
  unsigned port_ = 0, ambiguity_ = 0;
  int status_ = 0;
  char body_ = 'n';  // none, length, chunked, until close, tunnel
  bool declared_ = false;
  unsigned long long length_ = 0;
};

}  // namespace penstock::oracle
