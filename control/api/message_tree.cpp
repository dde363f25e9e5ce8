#include "control/api/message_tree.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/address.h"
#include "control/api/options.pb.h"

namespace penstock::api {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

const char* type_name(const Tree& tree) {
  switch (tree.type) {
    case Tree::Type::kNull:
      return "nothing";
    case Tree::Type::kScalar:
      return tree.quoted ? "text" : "a single value";
    case Tree::Type::kList:
      return "a list";
    case Tree::Type::kMap:
      return "fields";
  }
  return "";
}

std::string shown(const Tree& tree) {
  return tree.type == Tree::Type::kScalar ? "\"" + tree.scalar.substr(0, 64) + "\"" : type_name(tree);
}

bool is_value(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field->message_type()->full_name() == "google.protobuf.Value";
}

// Whole numbers as JSON and YAML write them: "10", "1e3", "10.0".
template <typename T>
bool read_integer(const Tree& tree, T& out) {
  if (tree.type != Tree::Type::kScalar || tree.quoted) return false;
  const char* begin = tree.scalar.data();
  const char* end = begin + tree.scalar.size();
  const auto [stop, error] = std::from_chars(begin, end, out);
  if (error == std::errc() && stop == end) return true;
  double number;
  const auto [stop2, error2] = std::from_chars(begin, end, number);
  // 2^53: beyond, a number in this form is not exact.
  if (error2 != std::errc() || stop2 != end || std::trunc(number) != number || std::abs(number) > 9007199254740992.0)
    return false;
  if (number < static_cast<double>(std::numeric_limits<T>::min()) ||
      number > static_cast<double>(std::numeric_limits<T>::max()))
    return false;
  out = static_cast<T>(number);
  return true;
}

class Reader {
 public:
  explicit Reader(std::vector<TreeFault>& faults) : faults_(faults) {}

  void read(const Tree& tree, Message& message, const std::string& path) {
    if (tree.type == Tree::Type::kNull) return;
    if (tree.type != Tree::Type::kMap) {
      fault(tree, path, std::string("want fields, not ") + type_name(tree));
      return;
    }
    const auto* descriptor = message.GetDescriptor();
    const bool ignores_unknown = descriptor->file()->package() == "penstock.kubernetes";
    for (const auto& [key, value] : tree.members) {
      const FieldDescriptor* field = find(descriptor, key);
      const std::string at = path.empty() ? key : path + "." + key;
      if (!field) {
        if (!ignores_unknown) fault(value, at, unknown(descriptor, key));
        continue;
      }
      if (value.type == Tree::Type::kNull) continue;
      if (const auto* choice = field->real_containing_oneof();
          choice && message.GetReflection()->HasOneof(message, choice)) {
        const auto* other = message.GetReflection()->GetOneofFieldDescriptor(message, choice);
        fault(value, at, "excludes " + other->json_name() + ": want one of them");
        continue;
      }
      read_field(value, message, field, at);
    }
  }

 private:
  void fault(const Tree& tree, const std::string& path, std::string reason) {
    if (faults_.size() < kMaxTreeFaults) faults_.push_back({tree.line, path, std::move(reason)});
  }

  static const FieldDescriptor* find(const google::protobuf::Descriptor* descriptor, const std::string& key) {
    for (int i = 0; i < descriptor->field_count(); ++i)
      if (descriptor->field(i)->json_name() == key) return descriptor->field(i);
    return nullptr;
  }

  static std::string unknown(const google::protobuf::Descriptor* descriptor, const std::string& key) {
    std::string lower = key;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    std::string names;
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const std::string& name = descriptor->field(i)->json_name();
      if (name == "apiVersion" || name == "kind") continue;
      std::string candidate = name;
      std::transform(candidate.begin(), candidate.end(), candidate.begin(),
                     [](unsigned char c) { return std::tolower(c); });
      lower.erase(std::remove(lower.begin(), lower.end(), '_'), lower.end());
      if (candidate == lower) return "unknown field (it is spelled \"" + name + "\")";
      names += (names.empty() ? "" : ", ") + name;
    }
    return names.empty() ? "unknown field (there are none here)" : "unknown field (there are: " + names + ")";
  }

  void read_field(const Tree& value, Message& message, const FieldDescriptor* field, const std::string& path) {
    const Reflection& reflection = *message.GetReflection();
    if (field->is_map()) {
      read_map(value, message, field, path);
    } else if (field->is_repeated()) {
      if (value.type != Tree::Type::kList) {
        fault(value, path, "want a list, not " + shown(value));
        return;
      }
      for (size_t i = 0; i < value.items.size(); ++i) {
        const std::string at = path + "[" + std::to_string(i) + "]";
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
          read(value.items[i], *reflection.AddMessage(&message, field), at);
        } else {
          read_scalar(value.items[i], message, field, at);
        }
      }
    } else if (is_value(field)) {
      read_value(value, static_cast<google::protobuf::Value&>(*reflection.MutableMessage(&message, field)), path);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      read(value, *reflection.MutableMessage(&message, field), path);
    } else {
      read_scalar(value, message, field, path);
    }
  }

  // Kubernetes' IntOrString: a number, or text.
  void read_value(const Tree& tree, google::protobuf::Value& value, const std::string& path) {
    int64_t number;
    if (tree.type != Tree::Type::kScalar) {
      fault(tree, path, "want a number or text, not " + shown(tree));
    } else if (!tree.quoted && read_integer(tree, number)) {
      value.set_number_value(static_cast<double>(number));
    } else {
      value.set_string_value(tree.scalar);
    }
  }

  // Maps here are text to text (labels, annotations).
  void read_map(const Tree& tree, Message& message, const FieldDescriptor* field, const std::string& path) {
    if (tree.type != Tree::Type::kMap) {
      fault(tree, path, "want fields, not " + shown(tree));
      return;
    }
    const Reflection& reflection = *message.GetReflection();
    for (const auto& [key, value] : tree.members) {
      const bool null = value.type == Tree::Type::kNull;
      if (value.type != Tree::Type::kScalar && !null) {
        fault(value, path + "." + key, "want text, not " + shown(value));
        continue;
      }
      Message* entry = reflection.AddMessage(&message, field);
      entry->GetReflection()->SetString(entry, field->message_type()->map_key(), key);
      entry->GetReflection()->SetString(entry, field->message_type()->map_value(), value.scalar);
    }
  }

  template <typename T, typename Set>
  void read_number(const Tree& tree, const std::string& path, Set&& set) {
    T number;
    if (read_integer(tree, number)) {
      set(number);
      return;
    }
    constexpr bool is_signed = std::numeric_limits<T>::is_signed;
    fault(tree, path,
          "want a whole number from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
              std::to_string(std::numeric_limits<T>::max()) + (is_signed ? "" : ", without quotes") + ", not " +
              shown(tree));
  }

  void read_double(const Tree& tree, const std::string& path, auto&& set) {
    double number = 0;
    const char* end = tree.scalar.data() + tree.scalar.size();
    const bool scalar = tree.type == Tree::Type::kScalar && !tree.quoted;
    const auto [stop, error] = std::from_chars(tree.scalar.data(), end, number);
    if (!scalar || error != std::errc() || stop != end || !std::isfinite(number)) {
      fault(tree, path, "want a number such as 1000000 or 1e6, not " + shown(tree));
      return;
    }
    set(number);
  }

  void read_scalar(const Tree& tree, Message& message, const FieldDescriptor* field, const std::string& path) {
    const Reflection& r = *message.GetReflection();
    Message* m = &message;
    const bool many = field->is_repeated();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        read_number<int32_t>(tree, path, [&](int32_t n) { many ? r.AddInt32(m, field, n) : r.SetInt32(m, field, n); });
        return;
      case FieldDescriptor::CPPTYPE_INT64:
        read_number<int64_t>(tree, path, [&](int64_t n) { many ? r.AddInt64(m, field, n) : r.SetInt64(m, field, n); });
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
        read_number<uint32_t>(tree, path,
                              [&](uint32_t n) { many ? r.AddUInt32(m, field, n) : r.SetUInt32(m, field, n); });
        return;
      case FieldDescriptor::CPPTYPE_UINT64:
        read_number<uint64_t>(tree, path,
                              [&](uint64_t n) { many ? r.AddUInt64(m, field, n) : r.SetUInt64(m, field, n); });
        return;
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        read_double(tree, path, [&](double n) { many ? r.AddDouble(m, field, n) : r.SetDouble(m, field, n); });
        return;
      case FieldDescriptor::CPPTYPE_BOOL:
        if (tree.type == Tree::Type::kScalar && !tree.quoted && (tree.scalar == "true" || tree.scalar == "false")) {
          many ? r.AddBool(m, field, tree.scalar == "true") : r.SetBool(m, field, tree.scalar == "true");
        } else {
          fault(tree, path, "want true or false, not " + shown(tree));
        }
        return;
      case FieldDescriptor::CPPTYPE_STRING:
        if (tree.type == Tree::Type::kScalar) {
          many ? r.AddString(m, field, tree.scalar) : r.SetString(m, field, tree.scalar);
        } else {
          fault(tree, path, "want text, not " + shown(tree));
        }
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        if (const auto* value = field->enum_type()->FindValueByName(tree.scalar)) {
          many ? r.AddEnum(m, field, value) : r.SetEnum(m, field, value);
        } else {
          fault(tree, path, shown(tree) + " is not a value of " + field->enum_type()->name());
        }
        return;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return;  // read_field
    }
  }

  std::vector<TreeFault>& faults_;
};

Tree number_tree(double number) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  // Whole numbers without an exponent while they are exact.
  if (std::trunc(number) == number && std::abs(number) < 9007199254740992.0)
    return Tree::plain(std::to_string(static_cast<int64_t>(number)));
  return Tree::plain(error == std::errc() ? std::string(text, end) : "0");
}

constexpr char kHex[] = "0123456789abcdef";

Tree bytes_tree(const FieldDescriptor* field, const std::string& bytes) {
  if (field->options().GetExtension(v1::address)) {
    if (bytes.size() == 4) return Tree::string(base::IpAddress::v4_from(bytes.data()).to_string());
    if (bytes.size() == 16) return Tree::string(base::IpAddress::v6_from(bytes.data()).to_string());
  }
  std::string hex;
  for (const char c : bytes) {
    hex += kHex[static_cast<uint8_t>(c) >> 4];
    hex += kHex[static_cast<uint8_t>(c) & 15];
  }
  return Tree::string(hex);
}

Tree scalar_tree(const Message& message, const FieldDescriptor* field, int index, Defaults defaults) {
  const Reflection& r = *message.GetReflection();
  const bool many = index >= 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return Tree::plain(std::to_string(many ? r.GetRepeatedInt32(message, field, index) : r.GetInt32(message, field)));
    case FieldDescriptor::CPPTYPE_INT64:
      return Tree::plain(std::to_string(many ? r.GetRepeatedInt64(message, field, index) : r.GetInt64(message, field)));
    case FieldDescriptor::CPPTYPE_UINT32:
      return Tree::plain(
          std::to_string(many ? r.GetRepeatedUInt32(message, field, index) : r.GetUInt32(message, field)));
    case FieldDescriptor::CPPTYPE_UINT64:
      return Tree::plain(
          std::to_string(many ? r.GetRepeatedUInt64(message, field, index) : r.GetUInt64(message, field)));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return number_tree(many ? r.GetRepeatedDouble(message, field, index) : r.GetDouble(message, field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return number_tree(
          static_cast<double>(many ? r.GetRepeatedFloat(message, field, index) : r.GetFloat(message, field)));
    case FieldDescriptor::CPPTYPE_BOOL:
      return Tree::plain((many ? r.GetRepeatedBool(message, field, index) : r.GetBool(message, field)) ? "true"
                                                                                                       : "false");
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text = many ? r.GetRepeatedString(message, field, index) : r.GetString(message, field);
      return field->type() == FieldDescriptor::TYPE_BYTES ? bytes_tree(field, text) : Tree::string(std::move(text));
    }
    case FieldDescriptor::CPPTYPE_ENUM:
      return Tree::string((many ? r.GetRepeatedEnum(message, field, index) : r.GetEnum(message, field))->name());
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Message& inner = many ? r.GetRepeatedMessage(message, field, index) : r.GetMessage(message, field);
      if (!is_value(field)) return write_message(inner, defaults);
      const auto& value = static_cast<const google::protobuf::Value&>(inner);
      return value.has_number_value() ? number_tree(value.number_value()) : Tree::string(value.string_value());
    }
  }
  return {};
}

}  // namespace

void read_message(const Tree& tree, Message& message, std::vector<TreeFault>& faults) {
  Reader(faults).read(tree, message, "");
}

Tree write_message(const Message& message, Defaults defaults) {
  Tree tree = Tree::map();
  const Reflection& r = *message.GetReflection();
  const auto* descriptor = message.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    if (field->is_map()) {
      Tree map = Tree::map();
      for (int k = 0; k < r.FieldSize(message, field); ++k) {
        const Message& entry = r.GetRepeatedMessage(message, field, k);
        map.add(entry.GetReflection()->GetString(entry, field->message_type()->map_key()),
                scalar_tree(entry, field->message_type()->map_value(), -1, defaults));
      }
      std::sort(map.members.begin(), map.members.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
      if (!map.members.empty()) tree.add(field->json_name(), std::move(map));
    } else if (field->is_repeated()) {
      Tree list = Tree::list();
      for (int k = 0; k < r.FieldSize(message, field); ++k)
        list.items.push_back(scalar_tree(message, field, k, defaults));
      if (!list.items.empty() || defaults == Defaults::kWrite) tree.add(field->json_name(), std::move(list));
    } else if (r.HasField(message, field) || (defaults == Defaults::kWrite && !field->has_presence())) {
      tree.add(field->json_name(), scalar_tree(message, field, -1, defaults));
    }
  }
  return tree;
}

}  // namespace penstock::api
