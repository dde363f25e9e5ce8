#include "l7/guard/lenient_path.h"

#include <cstdint>
#include <cstring>

#include "l7/http/chars.h"

namespace penstock::guard {

namespace {

// Whether something in the path may be read in another way at all.
bool is_plain(std::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '%' || c == '\\' || c == ';') return false;
    if (c == '/' && i + 1 < path.size() && (path[i + 1] == '/' || path[i + 1] == '.')) return false;
  }
  return true;
}

bool decodes(unsigned byte) {
  const bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
  const bool digit = byte >= '0' && byte <= '9';
  return letter || digit ||
         (byte != 0 && byte < 0x80 && std::strchr("-._~/\\%;!$&'()*+,=:@", static_cast<int>(byte)) != nullptr);
}

// The end of what is written so far is looked at again after each character, so that escapes of escapes are met.
size_t decode(std::string_view path, char* out) {
  size_t size = 0;
  for (const char c : path) {
    out[size++] = c;
    while (size >= 3 && out[size - 3] == '%' && http::is(out[size - 2], http::kHexDigit) &&
           http::is(out[size - 1], http::kHexDigit)) {
      const unsigned byte = http::hex_value(out[size - 2]) << 4 | http::hex_value(out[size - 1]);
      if (!decodes(byte)) break;
      size -= 2;
      out[size - 1] = static_cast<char>(byte);
    }
  }
  return size;
}

// Segments in place: what is written never passes what is read.
size_t remove_segments(char* path, size_t size) {
  size_t to = 0, at = 0;
  bool open = true;  // "/" at the end
  while (at < size) {
    const size_t begin = at;
    while (at < size && path[at] != '/' && path[at] != '\\') ++at;
    size_t end = begin;
    while (end < at && path[end] != ';') ++end;
    const std::string_view segment(path + begin, end - begin);
    open = at < size;
    ++at;
    if (segment.empty() || segment == ".") {
      open = true;
    } else if (segment == "..") {
      while (to > 0 && path[to - 1] != '/') --to;
      if (to > 0) --to;
      open = true;
    } else {
      // Before every segment of the path stands a "/", so there is room for the one that is written here.
      const size_t length = segment.size();
      std::memmove(path + to + 1, path + begin, length);
      path[to] = '/';
      to += length + 1;
    }
  }
  if (open || to == 0) path[to++] = '/';
  return to;
}

}  // namespace

std::string_view lenient_path(std::string_view path, char* out) {
  if (!path.starts_with('/') || is_plain(path)) return path;
  const size_t size = decode(path, out);
  return {out, remove_segments(out, size)};
}

}  // namespace penstock::guard
