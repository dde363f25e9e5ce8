#include "l7/route/rewrite.h"

#include <charconv>

namespace penstock::route {

namespace {

// Puts texts one behind the other; what does not fit is remembered.
class Writer {
 public:
  explicit Writer(std::span<char> out) : out_(out) {}

  void put(std::string_view text) {
    fits_ = fits_ && text.size() <= out_.size() - size_;
    if (fits_) size_ += text.copy(out_.data() + size_, text.size());
  }
  void put_number(unsigned number) {
    char digits[10];
    put({digits, static_cast<size_t>(std::to_chars(digits, digits + sizeof digits, number).ptr - digits)});
  }
  size_t size() const { return size_; }
  std::optional<std::string_view> text() const {
    return fits_ ? std::optional<std::string_view>({out_.data(), size_}) : std::nullopt;
  }

 private:
  std::span<char> out_;
  size_t size_ = 0;
  bool fits_ = true;
};

void put_path(const PathModifier& modifier, std::string_view path, uint32_t prefix_bytes, Writer& writer) {
  const size_t before = writer.size();
  std::string_view replacement = modifier.replacement;
  switch (path.starts_with('/') ? modifier.kind : PathModifier::Kind::kNone) {
    case PathModifier::Kind::kNone:
      return writer.put(path);
    case PathModifier::Kind::kFullPath:
      writer.put(replacement);
      break;
    case PathModifier::Kind::kPrefixMatch:
      // The rest is empty or begins with "/", because prefixes end where segments do.
      if (replacement.ends_with('/')) replacement.remove_suffix(1);
      writer.put(replacement);
      writer.put(path.substr(prefix_bytes < path.size() ? prefix_bytes : path.size()));
      break;
  }
  if (writer.size() == before) writer.put("/");
}

void put_target(const Redirect& redirect, const http::RequestHead& head, uint32_t prefix_bytes, Writer& writer) {
  put_path(redirect.path, head.path(), prefix_bytes, writer);
  if (!head.has_query) return;
  writer.put("?");
  writer.put(head.query());
}

constexpr uint16_t own_port(http::Scheme scheme) { return scheme == http::Scheme::kHttps ? 443 : 80; }

}  // namespace

std::optional<std::string_view> modify_path(const PathModifier& modifier, std::string_view path, uint32_t prefix_bytes,
                                            std::span<char> out) {
  Writer writer(out);
  put_path(modifier, path, prefix_bytes, writer);
  return writer.text();
}

std::optional<std::string_view> compose_location(const Redirect& redirect, const http::RequestHead& head,
                                                 uint16_t client_port, uint32_t prefix_bytes, std::span<char> out) {
  Writer writer(out);
  const std::string_view host = redirect.hostname.empty() ? head.host() : std::string_view(redirect.hostname);
  if (!host.empty()) {
    const http::Scheme scheme = redirect.scheme.value_or(head.scheme);
    const uint16_t derived = redirect.scheme ? own_port(*redirect.scheme) : client_port;
    const uint16_t port = redirect.port != 0 ? redirect.port : derived;
    writer.put(scheme == http::Scheme::kHttps ? "https://" : "http://");
    writer.put(host);
    if (port != own_port(scheme)) {
      writer.put(":");
      writer.put_number(port);
    }
  }
  put_target(redirect, head, prefix_bytes, writer);
  const auto location = writer.text();
  if (!host.empty() || !location || !location->starts_with("//")) return location;
  Writer again(out);  // "//x" alone would name a host: "/.//x" is the same path (RFC 3986 4.2)
  again.put("/.");
  put_target(redirect, head, prefix_bytes, again);
  return again.text();
}

}  // namespace penstock::route
