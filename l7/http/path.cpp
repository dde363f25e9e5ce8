#include "l7/http/path.h"

#include "l7/http/chars.h"

namespace penstock::http {

namespace {

constexpr char kHexDigits[] = "0123456789ABCDEF";

// True when no step could change the path and no fault is in it: the usual case, one look at each byte.
bool is_normal(std::string_view path) {
  char before = 'a';
  for (const char c : path) {
    if (!is(c, kPath) || c == '%') return false;
    if (before == '/' && (c == '/' || c == '.')) return false;
    before = c;
  }
  return true;
}

// Writes a path segment by segment. A segment begins after a "/"; it is judged when the next "/" or the end comes.
class Writer {
 public:
  Writer(char* out, bool merge_slashes) : out_(out), merge_slashes_(merge_slashes) {}

  void put(char c) { out_[size_++] = c; }

  void slash() {
    if (size_ > 0 && !close_segment()) return;
    out_[size_++] = '/';
    segment_ = size_;
  }

  std::string_view finish() {
    close_segment();
    return {out_, size_};
  }

 private:
  std::string_view segment() const { return {out_ + segment_, size_ - segment_}; }

  // False: the segment is gone (or empty and merged) and the "/" before it stands for the one after it too.
  bool close_segment() {
    if (segment() == ".") {
      size_ = segment_;
      return false;
    }
    if (segment() == "..") {
      size_ = segment_;
      remove_last_segment();
      return false;
    }
    return !(merge_slashes_ && size_ == segment_);
  }

  // Back to just after the "/" before the one that ends here.
  void remove_last_segment() {
    if (size_ > 1) {
      --size_;
      while (out_[size_ - 1] != '/') --size_;
    }
    segment_ = size_;
  }

  char* out_;
  size_t size_ = 0;
  size_t segment_ = 0;
  bool merge_slashes_;
};

// One "%XX" at path[at]; writes what it becomes.
Fault put_escape(std::string_view path, size_t at, EscapedSlash policy, Writer& writer) {
  if (path.size() - at < 3 || !is(path[at + 1], kHexDigit) || !is(path[at + 2], kHexDigit)) return Fault::bad_escape;
  const unsigned byte = hex_value(path[at + 1]) << 4 | hex_value(path[at + 2]);
  const char c = static_cast<char>(byte);
  if (byte == 0) return Fault::escaped_nul;
  if (c == '/' || c == '\\') {
    if (policy == EscapedSlash::kReject) return Fault::escaped_slash;
    if (policy == EscapedSlash::kDecode && c == '/') {
      writer.slash();
      return Fault::kNone;
    }
  }
  if (is(c, kUnreserved)) {
    writer.put(c);
  } else {
    writer.put('%');
    writer.put(kHexDigits[byte >> 4]);
    writer.put(kHexDigits[byte & 15]);
  }
  return Fault::kNone;
}

}  // namespace

NormalPath normalise_path(std::string_view path, const PathPolicy& policy, char* out) {
  if (is_normal(path)) return {Fault::kNone, path};
  Writer writer(out, policy.merge_slashes);
  for (size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (!is(c, kPath)) return {Fault::bad_path, {}};
    if (c == '/') {
      writer.slash();
    } else if (c != '%') {
      writer.put(c);
    } else {
      if (const Fault fault = put_escape(path, i, policy.escaped_slash, writer); fault != Fault::kNone)
        return {fault, {}};
      i += 2;
    }
  }
  return {Fault::kNone, writer.finish()};
}

}  // namespace penstock::http
