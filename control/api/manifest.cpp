#include "control/api/manifest.h"

#include <algorithm>

#include "control/api/message_tree.h"

namespace penstock::api {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

const FieldDescriptor* field_of(const KindInfo& info) { return v1::Object::descriptor()->FindFieldByName(info.field); }

const KindInfo* info_of(const std::string& kind) {
  for (const KindInfo& info : kinds())
    if (kind == info.kind) return &info;
  return nullptr;
}

std::string text_of(const Message& message, const char* field) {
  return message.GetReflection()->GetString(message, message.GetDescriptor()->FindFieldByName(field));
}

void set_text(Message& message, const char* field, const std::string& value) {
  message.GetReflection()->SetString(&message, message.GetDescriptor()->FindFieldByName(field), value);
}

const Message& metadata_of(const Message& object) {
  return object.GetReflection()->GetMessage(object, object.GetDescriptor()->FindFieldByName("metadata"));
}

std::string scalar_at(const Tree& tree, const char* key) {
  const Tree* value = tree.find(key);
  return value && value->type == Tree::Type::kScalar ? value->scalar : "";
}

// For errors about an object that may not be readable.
std::string name_at(const Tree& tree, const std::string& kind) {
  const Tree* metadata = tree.find("metadata");
  const std::string name = metadata ? scalar_at(*metadata, "name") : "";
  if (name.empty()) return kind;
  const std::string space = scalar_at(*metadata, "namespace");
  return kind + "/" + (space.empty() ? "default" : space) + "/" + name;
}

class Reader {
 public:
  Reader(std::vector<v1::Object>& objects, std::vector<ManifestError>& errors) : objects_(objects), errors_(errors) {}

  void document(const Tree& tree, size_t number) {
    document_ = number;
    if (tree.type != Tree::Type::kNull) object(tree, "");
  }

 private:
  void error(const Tree& at, std::string object, std::string path, std::string reason) {
    if (errors_.size() < kMaxTreeFaults)
      errors_.push_back({document_, at.line, std::move(object), std::move(path), std::move(reason)});
  }

  void object(const Tree& tree, const std::string& in_list) {
    if (tree.type != Tree::Type::kMap) {
      error(tree, in_list, "", "want an object with apiVersion, kind, metadata ...");
      return;
    }
    const std::string kind = scalar_at(tree, "kind"), version = scalar_at(tree, "apiVersion");
    if (in_list.empty() && (kind == "List" || (kind.ends_with("List") && tree.find("items")))) {
      list(tree);
      return;
    }
    const KindInfo* info = info_of(kind);
    const std::string name = name_at(tree, kind.empty() ? in_list : kind);
    if (!info) {
      std::string all;
      for (const KindInfo& each : kinds()) all += std::string(all.empty() ? "" : ", ") + each.kind;
      error(tree, name, "kind",
            kind.empty() ? "is missing (want one of " + all + ")"
                         : "\"" + kind.substr(0, 64) + "\" is not one of " + all);
      return;
    }
    if (!is_version_of(*info, version)) {
      error(tree, name, "apiVersion",
            (version.empty() ? "is missing" : "\"" + version.substr(0, 64) + "\" is not supported") + " (want " +
                info->api_version + ")");
      return;
    }
    std::vector<TreeFault> faults;
    v1::Object& read = objects_.emplace_back();
    read_message(tree, *read.GetReflection()->MutableMessage(&read, field_of(*info)), faults);
    for (TreeFault& fault : faults)
      if (errors_.size() < kMaxTreeFaults)
        errors_.push_back({document_, fault.line, name, std::move(fault.path), std::move(fault.reason)});
  }

  void list(const Tree& tree) {
    const Tree* items = tree.find("items");
    if (!items || items->type != Tree::Type::kList) {
      error(tree, "List", "items", "want a list of objects");
      return;
    }
    for (size_t i = 0; i < items->items.size(); ++i) {
      if (objects_.size() >= kMaxDocuments) {
        error(items->items[i], "List", "items", "more than " + std::to_string(kMaxDocuments) + " objects");
        return;
      }
      object(items->items[i], "List items[" + std::to_string(i) + "]");
    }
  }

  std::vector<v1::Object>& objects_;
  std::vector<ManifestError>& errors_;
  size_t document_ = 0;
};

Tree tree_of(const v1::Object& object) {
  const Message* message = message_in(object);
  if (!message) return Tree::map();
  const FieldDescriptor* field =
      object.GetReflection()->GetOneofFieldDescriptor(object, v1::Object::descriptor()->oneof_decl(0));
  const auto info =
      std::find_if(kinds().begin(), kinds().end(), [&](const KindInfo& each) { return field->name() == each.field; });
  std::unique_ptr<Message> copy(message->New());
  copy->CopyFrom(*message);
  set_text(*copy, "api_version", info->api_version);
  set_text(*copy, "kind", info->kind);
  return write_message(*copy, Defaults::kOmit);
}

}  // namespace

std::string ManifestError::to_string() const {
  std::string out;
  if (document) out += "document " + std::to_string(document);
  if (line) out += (out.empty() ? "line " : ", line ") + std::to_string(line);
  if (!out.empty()) out += ": ";
  out += object;
  if (!path.empty()) out += (object.empty() ? "" : " ") + path;
  if (!object.empty() || !path.empty()) out += ": ";
  return out + reason;
}

void read_manifest(std::string_view text, std::vector<v1::Object>& objects, std::vector<ManifestError>& errors) {
  Reader reader(objects, errors);
  TextError broken = read_documents(text, [&](const Tree& tree, size_t number) { reader.document(tree, number); });
  if (!broken.reason.empty()) errors.push_back({broken.document, broken.line, "", "", std::move(broken.reason)});
}

std::string write_yaml(const std::vector<v1::Object>& objects) {
  std::string out;
  for (const v1::Object& object : objects) {
    if (!out.empty()) out += "---\n";
    out += to_yaml(tree_of(object));
  }
  return out;
}

std::string write_json(const std::vector<v1::Object>& objects) {
  if (objects.size() == 1) return to_json(tree_of(objects[0]));
  Tree list = Tree::map();
  list.add("apiVersion", Tree::string("v1"));
  list.add("kind", Tree::string("List"));
  Tree& items = list.add("items", Tree::list());
  for (const v1::Object& object : objects) items.items.push_back(tree_of(object));
  return to_json(list);
}

const Message* message_in(const v1::Object& object) {
  if (object.object_case() == v1::Object::OBJECT_NOT_SET) return nullptr;
  const auto* reflection = object.GetReflection();
  const FieldDescriptor* field = reflection->GetOneofFieldDescriptor(object, v1::Object::descriptor()->oneof_decl(0));
  return &reflection->GetMessage(object, field);
}

v1::ObjectKey key_of(const v1::Object& object) {
  v1::ObjectKey key;
  const Message* message = message_in(object);
  if (!message) return key;
  key.set_kind(message->GetDescriptor()->name());
  key.set_name(text_of(metadata_of(*message), "name"));
  key.set_namespace_(text_of(metadata_of(*message), "namespace"));
  if (key.namespace_().empty()) key.set_namespace_("default");
  return key;
}

std::string display_name(const v1::Object& object) {
  const v1::ObjectKey key = key_of(object);
  return key.kind() + "/" + key.namespace_() + "/" + key.name();
}

const std::vector<KindInfo>& kinds() {
  static const std::vector<KindInfo> kAll = {
      {"Node", "penstock.io/v1alpha1", "node"},
      {"Service", "v1", "service"},
      {"EndpointSlice", "discovery.k8s.io/v1", "endpoint_slice"},
      {"ServicePolicy", "penstock.io/v1alpha1", "service_policy"},
      {"AccessPolicy", "penstock.io/v1alpha1", "access_policy"},
      {"RateLimit", "penstock.io/v1alpha1", "rate_limit"},
      {"Egress", "penstock.io/v1alpha1", "egress"},
      {"Mirror", "penstock.io/v1alpha1", "mirror"},
      {"Peer", "penstock.io/v1alpha1", "peer"},
      {"Workload", "penstock.io/v1alpha1", "workload"},
      {"Gateway", "gateway.networking.k8s.io/v1", "gateway", "gateway.networking.k8s.io/v1beta1"},
      {"HTTPRoute", "gateway.networking.k8s.io/v1", "http_route", "gateway.networking.k8s.io/v1beta1"},
      {"TCPRoute", "gateway.networking.k8s.io/v1alpha2", "tcp_route", "gateway.networking.k8s.io/v1"},
      {"ReferenceGrant", "gateway.networking.k8s.io/v1beta1", "reference_grant", "gateway.networking.k8s.io/v1"},
      {"Fault", "penstock.io/v1alpha1", "fault"},
      {"ListenerPolicy", "penstock.io/v1alpha1", "listener_policy"},
      {"DirectResponse", "penstock.io/v1alpha1", "direct_response"},
      {"RequestAccessPolicy", "penstock.io/v1alpha1", "request_access_policy"},
      {"RequestInspection", "penstock.io/v1alpha1", "request_inspection"},
      {"ServiceSubset", "penstock.io/v1alpha1", "service_subset"},
      {"Namespace", "v1", "namespace"},
  };
  return kAll;
}

bool is_version_of(const KindInfo& info, std::string_view version) {
  return version == info.api_version || (info.other_version && version == info.other_version);
}

std::string kind_named(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "svc") return "Service";
  for (const KindInfo& info : kinds()) {
    std::string name = info.kind;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    std::string plural = name.ends_with("y") ? name.substr(0, name.size() - 1) + "ies" : name + "s";
    if (name.ends_with("s")) plural = name + "es";
    if (lower == name || lower == plural) return info.kind;
  }
  return "";
}

}  // namespace penstock::api
