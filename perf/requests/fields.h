// Reads objects of JSON that come from outside, field by field, and keeps every fault with its path and what would be
// valid.
//
// A reader asks for the fields it knows; finish() names those nobody asked for. What is wrong or missing is replaced by
// the fallback, so that reading goes on and all faults are found at once. Durations are texts with a unit ("200ms"),
// kept in nanoseconds. Memory: the object and the list of faults are the caller's and outlive the reader. Any thread;
// not for hot paths.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace penstock::requests {

struct Fault {
  std::string field;    // "clients.request.method"; empty: the whole
  std::string message;  // "is unknown; GET, HEAD … are valid"
};
using Faults = std::vector<Fault>;

class Fields {
 public:
  Fields(const nlohmann::json& object, std::string path, Faults& faults);

  bool has(const std::string& name) const { return find(name) != nullptr; }
  // Marks the field as known; null when it is absent.
  const nlohmann::json* take(const std::string& name);
  // An object below; an empty one when it is absent or none.
  Fields object(const std::string& name);

  std::string text(const std::string& name, std::optional<std::string> fallback = {});
  bool flag(const std::string& name, bool fallback);
  uint64_t whole(const std::string& name, uint64_t low, uint64_t high, std::optional<uint64_t> fallback = {});
  double number(const std::string& name, double low, double high, std::optional<double> fallback = {});
  base::Nanos duration(const std::string& name, base::Nanos low, base::Nanos high, base::Nanos fallback);
  // One of `choices`, by its index.
  size_t choice(const std::string& name, const std::vector<std::string>& choices, std::optional<size_t> fallback = {});

  // Of the field, or of the object itself when `name` is empty.
  std::string path(const std::string& name) const {
    return path_.empty() || name.empty() ? path_ + name : path_ + "." + name;
  }
  void fault(const std::string& name, std::string message) { faults_.push_back({path(name), std::move(message)}); }
  void finish();

 private:
  const nlohmann::json* find(const std::string& name) const;
  // The field, or null after a fault when it is missing without a fallback.
  const nlohmann::json* wanted(const std::string& name, bool has_fallback);

  static const nlohmann::json kEmpty;
  const nlohmann::json& object_;
  std::string path_;
  Faults& faults_;
  std::set<std::string> known_;
};

// "5s", "200ms", "10us", "7ns"; nothing otherwise.
std::optional<base::Nanos> parse_duration(std::string_view text);

}  // namespace penstock::requests
