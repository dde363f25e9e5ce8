#include "requests/fields.h"

#include <array>
#include <charconv>
#include <cmath>

namespace penstock::requests {

using nlohmann::json;

namespace {

struct Unit {
  std::string_view name;
  double nanos;
};
constexpr std::array<Unit, 4> kUnits{{{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}}};

std::string in_words(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value == std::floor(value) && std::fabs(value) < 1e18 ? "%.0f" : "%g", value);
  return text;
}

std::string in_words(base::Nanos value) {
  for (size_t i = kUnits.size(); i-- > 0;)
    if (const auto unit = static_cast<base::Nanos>(kUnits[i].nanos); value != 0 && value % unit == 0)
      return std::to_string(value / unit) + std::string(kUnits[i].name);
  return "0s";
}

}  // namespace

const json Fields::kEmpty = json::object();

std::optional<base::Nanos> parse_duration(std::string_view text) {
  double value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  const std::string_view unit(rest, static_cast<size_t>(text.data() + text.size() - rest));
  if (error != std::errc() || !std::isfinite(value) || value < 0) return {};
  for (const Unit& known : kUnits)
    if (unit == known.name && value * known.nanos < 9e18)
      return static_cast<base::Nanos>(std::llround(value * known.nanos));
  return {};
}

Fields::Fields(const json& object, std::string path, Faults& faults)
    : object_(object.is_object() ? object : kEmpty), path_(std::move(path)), faults_(faults) {
  if (!object.is_object()) faults_.push_back({path_, "must be an object"});
}

const json* Fields::find(const std::string& name) const {
  const auto at = object_.find(name);
  return at == object_.end() || at->is_null() ? nullptr : &*at;
}

const json* Fields::take(const std::string& name) {
  known_.insert(name);
  return find(name);
}

const json* Fields::wanted(const std::string& name, bool has_fallback) {
  const json* value = take(name);
  if (value == nullptr && !has_fallback) fault(name, "is missing");
  return value;
}

Fields Fields::object(const std::string& name) {
  const json* value = take(name);
  return {value == nullptr ? kEmpty : *value, path(name), faults_};
}

std::string Fields::text(const std::string& name, std::optional<std::string> fallback) {
  const json* value = wanted(name, fallback.has_value());
  if (value != nullptr && value->is_string()) return value->get<std::string>();
  if (value != nullptr) fault(name, "must be a text");
  return fallback.value_or("");
}

bool Fields::flag(const std::string& name, bool fallback) {
  const json* value = take(name);
  if (value != nullptr && value->is_boolean()) return value->get<bool>();
  if (value != nullptr) fault(name, "must be true or false");
  return fallback;
}

uint64_t Fields::whole(const std::string& name, uint64_t low, uint64_t high, std::optional<uint64_t> fallback) {
  const double value = number(name, static_cast<double>(low), static_cast<double>(high),
                              fallback ? std::optional<double>(static_cast<double>(*fallback)) : std::nullopt);
  if (value != std::floor(value)) fault(name, "must be a whole number");
  return static_cast<uint64_t>(value);
}

double Fields::number(const std::string& name, double low, double high, std::optional<double> fallback) {
  const json* value = wanted(name, fallback.has_value());
  if (value == nullptr) return fallback.value_or(low);
  if (!value->is_number()) {
    fault(name, "must be a number");
    return fallback.value_or(low);
  }
  const double got = value->get<double>();
  if (!(got >= low && got <= high)) {
    fault(name, in_words(got) + " is outside of " + in_words(low) + " to " + in_words(high));
    return fallback.value_or(low);
  }
  return got;
}

base::Nanos Fields::duration(const std::string& name, base::Nanos low, base::Nanos high, base::Nanos fallback) {
  const json* value = take(name);
  if (value == nullptr) return fallback;
  const auto got = value->is_string() ? parse_duration(value->get<std::string>()) : std::nullopt;
  if (!got) {
    fault(name, "must be a time with its unit: ns, us, ms or s, such as \"200ms\"");
  } else if (*got < low || *got > high) {
    fault(name, in_words(*got) + " is outside of " + in_words(low) + " to " + in_words(high));
  } else {
    return *got;
  }
  return fallback;
}

size_t Fields::choice(const std::string& name, const std::vector<std::string>& choices,
                      std::optional<size_t> fallback) {
  const json* value = wanted(name, fallback.has_value());
  std::string valid;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (value != nullptr && *value == choices[i]) return i;
    valid += (i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ") + choices[i];
  }
  if (value != nullptr) fault(name, "must be " + valid);
  return fallback.value_or(0);
}

void Fields::finish() {
  for (const auto& [name, value] : object_.items())
    if (!known_.contains(name)) fault(name, "is not known here");
}

}  // namespace penstock::requests
