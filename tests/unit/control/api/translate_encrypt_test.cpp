// Where nothing may travel in clear: from YAML to the model and back, through the codec of the store; faults with
// paths.
#include <gtest/gtest.h>

#include "control/api/codec.h"
#include "control/api/manifest.h"
#include "control/api/translate.h"
#include "unit/control/model/sample_state.h"

namespace penstock::api {
namespace {

using model::Encryption;
using model::net;

// What YAML means; `errors` gets its faults, one a line.
model::Node read(const std::string& spec, std::string& errors) {
  std::vector<v1::Object> messages;
  std::vector<ManifestError> unreadable;
  read_manifest("apiVersion: penstock.io/v1alpha1\nkind: Node\nmetadata: {name: x}\nspec:\n" + spec, messages,
                unreadable);
  for (const ManifestError& each : unreadable) errors += each.to_string() + "\n";
  model::Object object;
  model::FieldErrors faults;
  if (!messages.empty()) to_model(messages.front(), object, faults);
  for (const model::FieldError& each : faults) errors += each.to_string() + "\n";
  const auto* node = std::get_if<model::Node>(&object);
  return node == nullptr ? model::Node{} : *node;
}

void expect_round_trip(const model::Node& node) {
  v1::Object message;
  to_message(node, message);
  std::vector<v1::Object> back;
  std::vector<ManifestError> unreadable;
  const std::string yaml = write_yaml({message});
  read_manifest(yaml, back, unreadable);
  ASSERT_TRUE(unreadable.empty() && back.size() == 1) << yaml;
  model::Object again;
  model::FieldErrors faults;
  ASSERT_TRUE(to_model(back[0], again, faults)) << faults.front().to_string();
  EXPECT_TRUE(again == model::Object(node)) << yaml;
  const ProtobufCodec codec;
  const auto stored = codec.decode(model::key_of(node), codec.encode(node));
  ASSERT_TRUE(stored.ok()) << stored.error();
  EXPECT_TRUE(stored.value() == model::Object(node));
}

TEST(TranslateEncrypt, BothWays) {
  std::string errors;
  model::Node node = read(R"(
  mesh: {encrypt: [{prefix: 10.0.0.0/8, mode: Required}, {prefix: 10.1.0.0/16, mode: Off}, {prefix: "::/0", mode: Preferred}]}
  interfaces:
  - {name: wan, device: d, encrypt: Required, vlans: [{id: 7, encrypt: Off}, {id: 8}]}
)",
                          errors);
  EXPECT_EQ(errors, "");
  EXPECT_FALSE(node.mesh) << "prefixes need no identity";
  EXPECT_EQ(node.encrypt, (std::vector<model::EncryptRule>{{net("10.0.0.0/8"), Encryption::kRequired},
                                                           {net("10.1.0.0/16"), Encryption::kOff},
                                                           {net("::/0"), Encryption::kPreferred}}));
  ASSERT_EQ(node.interfaces.size(), 1u);
  EXPECT_EQ(node.interfaces[0].encrypt, Encryption::kRequired);
  EXPECT_EQ(node.interfaces[0].vlans.at(0).encrypt, Encryption::kOff);
  EXPECT_EQ(node.interfaces[0].vlans.at(1).encrypt, Encryption::kPreferred);
  expect_round_trip(node);
  node.mesh = model::MeshIdentity{.certificate = "/c.pem", .key = "/k.pem", .bundle = "/b.pem"};
  expect_round_trip(node);
  node.encrypt.clear();
  expect_round_trip(node);
}

TEST(TranslateEncrypt, Faults) {
  std::string errors;
  read(R"(
  mesh: {encrypt: [{prefix: 10.0.0.0/33, mode: Required}, {prefix: "::/0"}, {mode: Off}, {prefix: 10.0.0.0/8, mode: required}]}
  interfaces:
  - {name: wan, device: d, encrypt: Always, vlans: [{id: 7, encrypt: ""}]}
)",
       errors);
  for (const char* each :
       {"spec.mesh.encrypt[0].prefix: ", "spec.mesh.encrypt[1].mode: is missing (want one of Required, Preferred, Off)",
        "spec.mesh.encrypt[2].prefix: ",
        "spec.mesh.encrypt[3].mode: \"required\" is not one of Required, Preferred, Off",
        "spec.interfaces[0].encrypt: \"Always\" is not one of Required, Preferred, Off",
        "spec.interfaces[0].vlans[0].encrypt: is missing (want one of "})
    EXPECT_NE(errors.find(each), std::string::npos) << each << "\nis not in\n" << errors;
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 6) << errors;
}

// With `listen` but no identity somebody forgot it.
TEST(TranslateEncrypt, AnEmptyMeshStillWantsAnIdentity) {
  std::string errors;
  EXPECT_TRUE(read("  mesh: {}\n", errors).mesh);
  EXPECT_TRUE(read("  mesh: {listen: \"[::]:9510\", encrypt: [{prefix: \"::/0\", mode: Off}]}\n", errors).mesh);
  EXPECT_EQ(errors, "");
}

}  // namespace
}  // namespace penstock::api
