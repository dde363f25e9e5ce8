// How the validators of this room report: one Faults for a whole validation, one ObjectFaults for an object. Texts are
// only made when something is wrong.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/address.h"
#include "control/model/errors.h"
#include "control/model/limits.h"
#include "control/model/state.h"

namespace penstock::model {

class Faults {
 public:
  void add(FieldError error) {
    if (all_.size() < kMaxFaults) {
      all_.push_back(std::move(error));
    } else {
      ++hidden_;
    }
  }
  // Ends the report; says how many faults beyond the bound are not in it.
  FieldErrors take() && {
    if (hidden_) all_.push_back({"bundle", "", std::to_string(hidden_) + " more faults are not shown"});
    return std::move(all_);
  }

 private:
  FieldErrors all_;
  size_t hidden_ = 0;
};

class ObjectFaults {
 public:
  ObjectFaults(Faults& faults, Kind kind, const Name& name) : faults_(faults), kind_(kind), name_(name) {}
  void add(std::string path, std::string reason) {
    faults_.add({ObjectKey{kind_, name_}.to_string(), std::move(path), std::move(reason)});
  }

 private:
  Faults& faults_;
  const Kind kind_;
  const Name& name_;
};

// text("spec.rules[", 3, "].to[", 0, "]"): strings and whole numbers, joined.
template <typename... Parts>
std::string text(const Parts&... parts) {
  std::string out;
  const auto append = [&out](const auto& part) {
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(part)>>) {
      out += std::to_string(part);
    } else {
      out += part;
    }
  };
  (append(parts), ...);
  return out;
}

// "spec.mtu: 80 is out of range (want 576 to 9000 bytes)". `unit` may be empty.
inline void want_range(ObjectFaults& faults, const std::string& path, uint64_t value, uint64_t low, uint64_t high,
                       const char* unit = "") {
  if (value >= low && value <= high) return;
  faults.add(path, text(value, " is out of range (want ", low, " to ", high, *unit ? " " : "", unit, ")"));
}

// What makes an address unfit for one host on a network; null: nothing does.
inline const char* why_no_host(const base::IpAddress& address) {
  if (address.is_unspecified()) return "is the unspecified address";
  if (address.is_loopback()) return "is a loopback address";
  if (address.is_multicast()) return "is a multicast address";
  if (address.is_broadcast()) return "is the broadcast address";
  return nullptr;
}

inline void want_path(ObjectFaults& faults, const std::string& field, std::string_view path) {
  const auto odd = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  if (path.empty()) {
    faults.add(field, "is missing");
  } else if (path[0] != '/' || path.size() > kMaxPath || std::any_of(path.begin(), path.end(), odd)) {
    faults.add(field, text("want an absolute path of at most ", kMaxPath, " characters"));
  }
}

inline bool has_ports(uint8_t protocol) { return protocol == 6 || protocol == 17 || protocol == 132; }
inline const char* family(bool v4) { return v4 ? "IPv4" : "IPv6"; }

}  // namespace penstock::model
