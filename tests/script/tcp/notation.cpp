#include "script/tcp/notation.h"

#include <sstream>
#include <stdexcept>

namespace penstock::tcp::script {

namespace {

struct FlagName {
  char letter;
  uint8_t bit;
};
constexpr FlagName kFlags[] = {{'S', wire::kTcpSyn}, {'F', wire::kTcpFin}, {'R', wire::kTcpRst},
                               {'P', wire::kTcpPsh}, {'.', wire::kTcpAck}, {'U', 0x20},
                               {'E', wire::kTcpEce}, {'W', wire::kTcpCwr}, {'-', 0}};

std::runtime_error bad(const std::string& text) { return std::runtime_error(text); }

uint8_t flags_of(const std::string& text) {
  uint8_t flags = 0;
  for (const char c : text) {
    bool known = false;
    for (const auto& f : kFlags) {
      if (f.letter == c) flags |= f.bit, known = true;
    }
    if (!known) throw bad("flags \"" + text + "\"; valid: letters of SFRP.UEW, or -");
  }
  return flags;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) out.push_back(part);
  return out;
}

void be16(std::vector<uint8_t>& out, uint32_t v) { out.insert(out.end(), {uint8_t(v >> 8), uint8_t(v)}); }
void be32(std::vector<uint8_t>& out, uint32_t v) { be16(out, v >> 16), be16(out, v); }

std::vector<uint8_t> hex(const std::string& text) {
  std::vector<uint8_t> out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return out;
}

void read_sack(std::istringstream& in, const Variables& v, Options& o) {
  for (std::string block; in >> block;) {
    const auto ends = split(block, ':');
    if (ends.size() != 2 || o.sack_count == kMaxSackBlocks)
      throw bad("sack " + block + "; valid: up to 4 of BEGIN:END");
    o.sack[o.sack_count++] = {static_cast<Seq>(number(ends[0], v).value), static_cast<Seq>(number(ends[1], v).value)};
  }
}

void read_timestamps(std::istringstream& in, const Variables& v, Written& w) {
  w.options.has_timestamps = true;
  std::string word, value, word2, echo;
  if (!(in >> word >> value >> word2 >> echo)) {
    w.any_timestamps = true;
    return;
  }
  if (word != "val" || word2 != "ecr") throw bad("valid: TS, or TS val N ecr N");
  w.options.ts_value = static_cast<uint32_t>(number(value, v).value);
  w.options.ts_echo = static_cast<uint32_t>(number(echo, v).value);
}

void read_options(const std::string& text, const Variables& v, Written& w) {
  const std::string inner = text.substr(1, text.size() - 2);
  if (inner == "*") w.any_options = true;
  if (inner == "*") return;
  for (const std::string& option : split(inner, ',')) {
    std::istringstream in(option);
    std::string name, value;
    in >> name;
    if (name == "mss" && in >> value) {
      w.options.mss = static_cast<uint16_t>(number(value, v).value);
    } else if (name == "wscale" && in >> value) {
      w.options.window_scale = static_cast<uint8_t>(number(value, v).value);
    } else if (name == "sackOK") {
      w.options.sack_permitted = true;
    } else if (name == "sack") {
      read_sack(in, v, w.options);
    } else if (name == "TS") {
      read_timestamps(in, v, w);
    } else if (name == "raw" && in >> value) {
      w.raw = hex(value);
    } else if (name != "nop") {
      throw bad("option \"" + option + "\"; valid: mss N, wscale N, sackOK, sack B:E.., TS val N ecr N, nop, raw HEX");
    }
  }
}

// BEGIN(LENGTH) or BEGIN:END(LENGTH)
void read_sequence(const std::string& text, const Variables& v, Written& w) {
  const size_t open = text.find('('), colon = text.find(':');
  if (open == std::string::npos || text.back() != ')')
    throw bad("sequence \"" + text + "\"; valid: BEGIN[:END](LENGTH)");
  w.seq = number(text.substr(0, std::min(open, colon)), v);
  w.length = static_cast<uint32_t>(number(text.substr(open + 1, text.size() - open - 2), v).value);
  if (colon == std::string::npos) return;
  const Number end = number(text.substr(colon + 1, open - colon - 1), v);
  if (end.value != w.seq.value + w.length) throw bad("sequence \"" + text + "\": END is not BEGIN + LENGTH");
}

}  // namespace

Number number(const std::string& text, const Variables& variables) {
  if (text == "*") return {};
  Number n{false, !text.empty() && text[0] == '=', 0};
  size_t at = n.absolute ? 1 : 0;
  if (at == text.size()) throw bad("a number is missing");
  while (at < text.size()) {
    const int sign = text[at] == '-' ? -1 : 1;
    if (text[at] == '-' || text[at] == '+') ++at;
    const size_t end = std::min(text.find_first_of("+-", at), text.size());
    const std::string term = text.substr(at, end - at);
    if (!term.empty() && term[0] == '$') {
      const auto found = variables.find(term.substr(1));
      if (found == variables.end()) throw bad("no variable " + term);
      n.value += sign * found->second;
    } else if (!term.empty() && term.find_first_not_of("0123456789") == std::string::npos) {
      n.value += sign * std::stoll(term);
    } else {
      throw bad("number \"" + text + "\"; valid: N, $NAME, sums of them, =N (absolute), *");
    }
    at = end;
  }
  return n;
}

Written parse(const std::vector<std::string>& words, const Variables& v) {
  if (words.size() < 2)
    throw bad("valid: FLAGS BEGIN[:END](LENGTH) [ack N] [win N] [ecn ect0|ect1|ce|no] [fill N] [<options>]");
  Written w;
  w.flags = flags_of(words[0]);
  read_sequence(words[1], v, w);
  for (size_t i = 2; i < words.size(); ++i) {
    if (words[i][0] == '<') {
      read_options(words[i], v, w);
      continue;
    }
    if (i + 1 == words.size()) throw bad("a value is missing behind " + words[i]);
    const std::string& value = words[i + 1];
    if (words[i] == "ack") {
      w.ack = number(value, v);
    } else if (words[i] == "win") {
      w.window = number(value, v);
    } else if (words[i] == "fill") {
      w.fill = static_cast<uint8_t>(number(value, v).value);
    } else if (words[i] == "ecn") {
      w.ecn = value == "ce" ? Ecn::kCe : value == "ect0" ? Ecn::kEct0 : value == "ect1" ? Ecn::kEct1 : Ecn::kNotEct;
    } else {
      throw bad("\"" + words[i] + "\"; valid: ack, win, ecn, fill, <options>");
    }
    ++i;
  }
  return w;
}

std::vector<uint8_t> to_bytes(const Written& w, const Bases& b, uint16_t window, base::Bytes payload) {
  std::vector<uint8_t> out, options = w.raw;
  const Options& o = w.options;
  if (o.mss != 0) be16(options, wire::kTcpOptionMss << 8 | wire::kTcpOptionMssLength), be16(options, o.mss);
  if (o.window_scale != kNoWindowScale)
    options.insert(options.end(), {1, wire::kTcpOptionWindowScale, 3, o.window_scale});
  if (o.sack_permitted) be32(options, 0x01010402);
  if (o.has_timestamps) {
    be32(options, 0x0101080a);
    be32(options, o.ts_value + b.sender_time);
    be32(options, (w.flags & wire::kTcpAck) != 0 ? o.ts_echo + b.receiver_time : o.ts_echo);
  }
  if (o.sack_count != 0) {
    be32(options, 0x01010502U + 8U * o.sack_count);
    for (size_t i = 0; i < o.sack_count; ++i) {
      be32(options, o.sack[i].begin + b.receiver);
      be32(options, o.sack[i].end + b.receiver);
    }
  }
  while (options.size() % 4 != 0) options.push_back(0);
  if (options.size() > kMaxOptionBytes) throw bad("options of more than 40 bytes");
  be16(out, 1), be16(out, 2);
  be32(out, w.seq.from(b.sender));
  be32(out, (w.flags & wire::kTcpAck) != 0 ? w.ack.from(b.receiver) : 0);
  out.insert(out.end(), {static_cast<uint8_t>((20 + options.size()) / 4 << 4), w.flags});
  be16(out, window);
  be32(out, 0);
  out.insert(out.end(), options.begin(), options.end());
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

std::string to_text(const Segment& s, const Bases& b) {
  std::ostringstream out;
  for (const auto& f : kFlags) {
    if (f.bit != 0 && s.has(f.bit)) out << f.letter;
  }
  if (s.flags == 0) out << '-';
  const auto seq = static_cast<int32_t>(s.seq - b.sender);
  out << ' ' << seq << ':' << seq + static_cast<int32_t>(s.payload.size()) << '(' << s.payload.size() << ')';
  if (s.has(wire::kTcpAck)) out << " ack " << static_cast<int32_t>(s.ack - b.receiver);
  out << " win " << s.window;
  if (s.ecn != Ecn::kNotEct) out << " ecn " << (s.ecn == Ecn::kCe ? "ce" : s.ecn == Ecn::kEct0 ? "ect0" : "ect1");
  std::string sep = " <";
  const auto put = [&] {
    out << sep;
    sep = ",";
  };
  const Options& o = s.options;
  if (o.mss != 0) put(), out << "mss " << o.mss;
  if (o.sack_permitted) put(), out << "sackOK";
  if (o.has_timestamps) {
    put();
    out << "TS val " << static_cast<int32_t>(o.ts_value - b.sender_time) << " ecr "
        << static_cast<int32_t>(o.ts_echo - (s.has(wire::kTcpAck) ? b.receiver_time : 0));
  }
  if (o.window_scale != kNoWindowScale) put(), out << "wscale " << int{o.window_scale};
  if (o.sack_count != 0) put(), out << "sack";
  for (size_t i = 0; i < o.sack_count; ++i) {
    out << ' ' << static_cast<int32_t>(o.sack[i].begin - b.receiver) << ':'
        << static_cast<int32_t>(o.sack[i].end - b.receiver);
  }
  if (sep == ",") out << '>';
  return out.str();
}

namespace {

bool same_options(const Written& w, const Options& got, const Bases& b, bool with_ack) {
  const Options& o = w.options;
  if (w.any_options) return true;
  if (o.mss != got.mss || o.window_scale != got.window_scale || o.sack_permitted != got.sack_permitted ||
      o.has_timestamps != got.has_timestamps || o.sack_count != got.sack_count) {
    return false;
  }
  if (o.has_timestamps && !w.any_timestamps &&
      (o.ts_value != got.ts_value - b.sender_time || o.ts_echo != got.ts_echo - (with_ack ? b.receiver_time : 0))) {
    return false;
  }
  for (size_t i = 0; i < o.sack_count; ++i) {
    if (o.sack[i].begin + b.receiver != got.sack[i].begin || o.sack[i].end + b.receiver != got.sack[i].end)
      return false;
  }
  return true;
}

}  // namespace

std::string difference(const Written& w, const Segment& got, const Bases& b) {
  const uint8_t pushed = w.flags & wire::kTcpPsh;  // asked for, or of no interest
  if (w.flags != (got.flags & ~(wire::kTcpPsh & ~pushed))) return "flags";
  if (!w.seq.any && w.seq.from(b.sender) != got.seq) return "sequence number";
  if (w.length != got.payload.size()) return "length";
  if (!w.ack.any && w.ack.from(b.receiver) != got.ack) return "acknowledgment";
  if (!w.window.any && w.window.value != got.window) return "window";
  if (w.ecn && *w.ecn != got.ecn) return "ECN field";
  return same_options(w, got.options, b, got.has(wire::kTcpAck)) ? "" : "options";
}

}  // namespace penstock::tcp::script
