// Reads a JSON specification by hand and collects every fault with the path of its field ("streams[0].size"), so that
// all of them are told at once. What is faulty reads as a valid value of its kind: readers go on without asking.
//
// Memory: a Node refers to the JSON and the faults it was made with. One thread; no exceptions.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::load {

struct Fault {
  std::string field, message;
};

class Node {
 public:
  using Json = nlohmann::json;

  Node(const Json& value, std::string path, std::vector<Fault>& faults)
      : value_(value), path_(std::move(path)), faults_(faults) {}

  void fault(std::string message) const { faults_.push_back({path_, std::move(message)}); }
  size_t faults() const { return faults_.size(); }

  bool is_object() const { return value_.is_object(); }
  bool is_array() const { return value_.is_array(); }
  bool is_text() const { return value_.is_string(); }
  bool is_number() const { return value_.is_number(); }

  // An object with no other members than these; else a fault, and false when it is no object at all.
  bool object(std::initializer_list<std::string_view> names) const {
    if (!value_.is_object()) return fault("must be an object of " + list(names)), false;
    for (const auto& [name, member] : value_.items())
      if (std::find(names.begin(), names.end(), name) == names.end())
        Node(member, path_of(name), faults_).fault("is not known here; known are " + list(names));
    return true;
  }
  bool has(const std::string& name) const { return value_.is_object() && value_.contains(name); }
  Node operator[](const std::string& name) const {
    static const Json nothing;
    return {has(name) ? value_.at(name) : nothing, path_of(name), faults_};
  }
  // Of a list of `least` to `most`; empty with a fault when it is not.
  std::vector<Node> items(size_t least, size_t most) const {
    std::vector<Node> nodes;
    if (!value_.is_array() || value_.size() < least || value_.size() > most) {
      fault("must be a list of " + std::to_string(least) + " to " + std::to_string(most));
      return nodes;
    }
    for (size_t i = 0; i < value_.size(); ++i)
      nodes.emplace_back(value_[i], path_ + "[" + std::to_string(i) + "]", faults_);
    return nodes;
  }

  uint64_t integer(uint64_t low, uint64_t high) const {
    if (value_.is_number_unsigned()) {
      const auto n = value_.get<uint64_t>();
      if (n >= low && n <= high) return n;
      fault(value_.dump() + (n < low ? " is below " + std::to_string(low) : " is above " + std::to_string(high)));
      return low;
    }
    fault("must be a whole number from " + std::to_string(low) + " to " + std::to_string(high));
    return low;
  }
  // Above 0 and finite, up to `high`.
  double positive(double high) const {
    const double n = value_.is_number() ? value_.get<double>() : 0;
    if (n > 0 && n <= high) return n;
    fault("must be a number above 0, up to " + Json(high).dump());
    return high;
  }
  bool boolean() const {
    if (value_.is_boolean()) return value_.get<bool>();
    fault("must be true or false");
    return false;
  }
  std::string text() const {
    if (value_.is_string() && !value_.get_ref<const std::string&>().empty()) return value_.get<std::string>();
    fault("must be a text");
    return {};
  }
  // The index of the text among `names`, 0 with a fault when it is none of them.
  size_t choice(std::initializer_list<std::string_view> names) const {
    for (auto each = names.begin(); value_.is_string() && each != names.end(); ++each)
      if (value_.get_ref<const std::string&>() == *each) return static_cast<size_t>(each - names.begin());
    fault("must be one of " + list(names));
    return 0;
  }
  // A text that T::parse (base::IpAddress and its like) understands.
  template <typename T>
  T parsed(const char* what) const {
    if (value_.is_string())
      if (auto result = T::parse(value_.get_ref<const std::string&>())) return *result;
    fault(std::string("must be ") + what);
    return {};
  }

 private:
  std::string path_of(const std::string& name) const { return path_.empty() ? name : path_ + "." + name; }
  static std::string list(std::initializer_list<std::string_view> names) {
    std::string text;
    for (const std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
    return text;
  }

  const Json& value_;
  std::string path_;
  std::vector<Fault>& faults_;
};

}  // namespace penstock::load
