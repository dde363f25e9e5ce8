// How the translators read fields: one Fields per object collects its faults. Paths are linked on the stack and become
// text only when something is wrong.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"
#include "control/model/errors.h"
#include "control/model/peer.h"
#include "control/model/policy.h"

namespace penstock::api {

// At most that many bytes of the text, none of its UTF-8 characters cut: an error must be text to every client.
std::string_view beginning_of(std::string_view text, size_t most);

struct Path {
  const Path* parent = nullptr;
  const char* name = "";
  int index = -1;  // of a list; -1: not one

  std::string to_string() const;
};

// A name as users write it, and what it means.
template <typename T>
struct Choice {
  const char* name;
  T value;
};

template <typename T, size_t N>
const char* name_of(T value, const Choice<T> (&choices)[N]) {
  for (const auto& choice : choices)
    if (choice.value == value) return choice.name;
  return "";
}

class Fields {
 public:
  Fields(std::string object, model::FieldErrors& errors) : object_(std::move(object)), errors_(errors) {}

  void fault(const Path& path, std::string reason);

  // Each leaves `out` as it was and reports when the text is wrong.
  void address(const Path& path, std::string_view text, base::IpAddress& out);
  void prefix(const Path& path, std::string_view text, base::Prefix& out);
  void link_address(const Path& path, std::string_view text, model::LinkAddress& out);  // "192.0.2.7:9510"
  void spiffe_id(const Path& path, std::string_view text, std::string& out);
  void mac(const Path& path, std::string_view text, base::MacAddress& out);
  void seconds(const Path& path, std::string_view text, uint32_t& out);       // "90s", "1m30s"; whole seconds
  void milliseconds(const Path& path, std::string_view text, uint32_t& out);  // "500ms"
  void protocol(const Path& path, std::string_view text, uint8_t& out);       // "tcp", "89"
  void ports(const Path& path, std::string_view text, model::PortRange& out);
  void tcp_flags(const Path& path, std::string_view text, uint8_t& flags, uint8_t& mask);
  void bytes(const Path& path, std::string_view text, std::string& out);  // with \n \r \t \\ \xNN

  template <typename List>
  void prefixes(const Path& parent, const char* name, const List& texts, std::vector<base::Prefix>& out) {
    out.reserve(static_cast<size_t>(texts.size()));
    for (int i = 0; i < texts.size(); ++i) {
      const size_t before = faults_;
      base::Prefix value;
      prefix({&parent, name, i}, texts[i], value);
      if (faults_ == before) out.push_back(value);
    }
  }

  template <typename List>
  void addresses(const Path& parent, const char* name, const List& texts, std::vector<base::IpAddress>& out) {
    out.reserve(static_cast<size_t>(texts.size()));
    for (int i = 0; i < texts.size(); ++i) {
      const size_t before = faults_;
      base::IpAddress value;
      address({&parent, name, i}, texts[i], value);
      if (faults_ == before) out.push_back(value);
    }
  }

  // For numbers that the model keeps narrower than the message.
  template <typename T>
  void number(const Path& path, int64_t value, T& out) {
    if (value < 0 || value > static_cast<int64_t>(std::numeric_limits<T>::max())) {
      fault(path, std::to_string(value) + " is out of range (want 0 to " +
                      std::to_string(std::numeric_limits<T>::max()) + ")");
    } else {
      out = static_cast<T>(value);
    }
  }

  template <typename T, size_t N>
  void choice(const Path& path, std::string_view text, const Choice<T> (&choices)[N], T& out) {
    std::string names;
    for (const auto& each : choices) {
      if (text == each.name) {
        out = each.value;
        return;
      }
      names += std::string(names.empty() ? "" : ", ") + each.name;
    }
    fault(path, text.empty() ? "is missing (want one of " + names + ")" : quoted(text) + " is not one of " + names);
  }

  size_t faults() const { return faults_; }
  static std::string quoted(std::string_view text);

 private:
  const std::string object_;
  model::FieldErrors& errors_;
  size_t faults_ = 0;
};

// The other way.
std::string seconds_text(uint32_t seconds);
std::string milliseconds_text(uint32_t milliseconds);
std::string protocol_text(uint8_t protocol);
std::string ports_text(const model::PortRange& range);
std::string tcp_flags_text(uint8_t flags, uint8_t mask);
std::string bytes_text(std::string_view bytes);

// Whole text as a number without sign, at most `most`.
std::optional<uint64_t> parse_number(std::string_view text, uint64_t most);
// "tcp", "89"; nothing: neither a known name nor 0 to 255.
std::optional<uint8_t> parse_protocol(std::string_view text);
// "SYN,!ACK"; false: not that.
bool parse_tcp_flags(std::string_view text, uint8_t& flags, uint8_t& mask);

}  // namespace penstock::api
