// Manifests: objects as users write them, YAML documents or JSON, and back.
//
// A document is one object, chosen by its apiVersion and kind, or a Kubernetes List of such. All faults of a text are
// reported at once, each with document, line, object and path; only text that is no YAML ends the reading. What the
// fields say (addresses, ranges, references) is not looked at here: translate.h and model::validate do.
// Any thread; nothing throws. Bounds: control/api/tree.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/api/config.pb.h"

namespace penstock::api {

struct ManifestError {
  size_t document = 0;  // 1, 2, 3 ...; 0: the text as a whole
  uint32_t line = 0;    // 0: unknown
  std::string object;   // "RateLimit/default/web-rate"; empty: not known
  std::string path;     // "spec.rate"; empty: the object as a whole
  std::string reason;

  // "document 2, line 14: RateLimit/default/web-rate spec.rate: unknown field ..."
  std::string to_string() const;
};

// Appends the objects of the text. They are meaningful only if `errors` stays as it was.
void read_manifest(std::string_view text, std::vector<v1::Object>& objects, std::vector<ManifestError>& errors);

// Documents separated by "---". apiVersion and kind are filled in.
std::string write_yaml(const std::vector<v1::Object>& objects);
// One object, or a List of several.
std::string write_json(const std::vector<v1::Object>& objects);

// The message of the kind that is set; null: none is.
const google::protobuf::Message* message_in(const v1::Object& object);
// "Service/default/web", as in the errors of the gateway.
std::string display_name(const v1::Object& object);
v1::ObjectKey key_of(const v1::Object& object);

// All kinds, as they are spelled.
struct KindInfo {
  const char* kind;
  const char* api_version;
  const char* field;                    // of message Object
  const char* other_version = nullptr;  // read, too
};
const std::vector<KindInfo>& kinds();
bool is_version_of(const KindInfo& info, std::string_view version);
// The kind as it is spelled from what people type: "ratelimits", "svc". Empty: there is none.
std::string kind_named(std::string_view text);

}  // namespace penstock::api
