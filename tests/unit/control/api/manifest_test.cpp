// Text to objects and back, and every way text can be wrong.
#include "control/api/manifest.h"

#include <gtest/gtest.h>

#include "control/api/message_tree.h"
#include "control/api/node.pb.h"
#include "control/api/tree.h"

namespace penstock::api {
namespace {

struct Read {
  std::vector<v1::Object> objects;
  std::vector<ManifestError> errors;

  std::string all_errors() const {
    std::string out;
    for (const auto& error : errors) out += error.to_string() + "\n";
    return out;
  }
  bool has(const std::string& text) const { return all_errors().find(text) != std::string::npos; }
};

Read read(std::string_view text) {
  Read out;
  read_manifest(text, out.objects, out.errors);
  return out;
}

constexpr const char* kLimit = R"(apiVersion: penstock.io/v1alpha1
kind: RateLimit
metadata:
  name: web
spec:
  target:
    interface: wan
  rate:
    packetsPerSecond: 1e6
)";

TEST(Manifest, ReadsDocumentsOfSeveralKinds) {
  const Read r = read(std::string(kLimit) + R"(---
# a comment only
---
apiVersion: v1
kind: Service
metadata: {name: web, uid: 1234, ownerReferences: [{kind: X}]}
spec:
  clusterIP: 10.96.0.1
  ipFamilyPolicy: SingleStack
  ports: [{port: 80, targetPort: http, nodePort: 30080}, {name: b, port: 81, targetPort: 8081}]
)");
  ASSERT_EQ(r.all_errors(), "");
  ASSERT_EQ(r.objects.size(), 2u);
  EXPECT_EQ(r.objects[0].rate_limit().spec().rate().packets_per_second(), 1e6);
  const auto& ports = r.objects[1].service().spec().ports();
  EXPECT_EQ(ports[0].target_port().string_value(), "http");
  EXPECT_EQ(ports[1].target_port().number_value(), 8081);
  EXPECT_EQ(display_name(r.objects[1]), "Service/default/web");
}

TEST(Manifest, ReadsJsonAndLists) {
  const Read r = read(
      "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n"
      "\t{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"addressType\":\"IPv4\",\n"
      "\t\"metadata\":{\"name\":\"web-1\",\"labels\":{\"kubernetes.io/service-name\":\"w\\u0065b\"}},\n"
      "\t\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],\"conditions\":{\"ready\":true}}],"
      "\"ports\":null}]}");
  ASSERT_EQ(r.all_errors(), "");
  ASSERT_EQ(r.objects.size(), 1u);
  EXPECT_EQ(r.objects[0].endpoint_slice().metadata().labels().at("kubernetes.io/service-name"), "web");
  EXPECT_TRUE(r.objects[0].endpoint_slice().endpoints(0).conditions().ready());
}

TEST(Manifest, KeepsPlainWordsAsText) {
  const Read r = read(R"(apiVersion: penstock.io/v1alpha1
kind: AccessPolicy
metadata: {name: edge}
spec:
  rules:
    - {action: allow, protocol: 6, ports: [80, 8000-8080, "443"], state: new}
)");
  ASSERT_EQ(r.all_errors(), "");
  const auto& rule = r.objects[0].access_policy().spec().rules(0);
  EXPECT_EQ(rule.protocol(), "6");
  EXPECT_EQ(rule.ports(0), "80");
  EXPECT_EQ(rule.ports(1), "8000-8080");
  EXPECT_EQ(rule.ports(2), "443");

  const Read node = read(R"(apiVersion: penstock.io/v1alpha1
kind: Node
metadata: {name: gw}
spec: {interfaces: [{name: wan, device: net_null0, reversePath: off, mssClamp: 1400}]}
)");
  ASSERT_EQ(node.all_errors(), "");
  EXPECT_EQ(node.objects[0].node().spec().interfaces(0).reverse_path(), "off");
  EXPECT_EQ(node.objects[0].node().spec().interfaces(0).mss_clamp(), "1400");
}

TEST(Manifest, ReportsAllFaultsWithLineAndPath) {
  const Read r = read(R"(apiVersion: penstock.io/v1alpha1
kind: RateLimit
metadata:
  name: web
spec:
  target:
    interface: wan
    prefix: 10.0.0.0/8
  rate:
    packetsPerSecond: "100"
  brust: 3
  dscp: -1
  prefix_lengths: {v4: 24}
---
kind: Egress
metadata: {name: out}
---
apiVersion: penstock.io/v1
kind: Mirror
metadata: {name: tap, namespace: ops}
---
apiVersion: v1
kind: Pod
---
just text
)");
  EXPECT_TRUE(r.has("document 1, line 8: RateLimit/default/web spec.target.prefix: excludes interface"));
  EXPECT_TRUE(r.has("spec.rate.packetsPerSecond: want a number such as 1000000 or 1e6, not \"100\""));
  EXPECT_TRUE(r.has("document 1, line 11: RateLimit/default/web spec.brust: unknown field (there are: "));
  EXPECT_TRUE(r.has("spec.dscp: want a whole number from 0 to 4294967295"));
  EXPECT_TRUE(r.has("spec.prefix_lengths: unknown field (it is spelled \"prefixLengths\")"));
  EXPECT_TRUE(r.has("document 2, line 15: Egress/default/out apiVersion: is missing (want penstock.io/v1alpha1)"));
  EXPECT_TRUE(r.has("Mirror/ops/tap apiVersion: \"penstock.io/v1\" is not supported"));
  EXPECT_TRUE(r.has("kind: \"Pod\" is not one of Node, Service"));
  EXPECT_TRUE(r.has("document 5, line 25: want an object"));
  EXPECT_EQ(r.errors.size(), 9u) << r.all_errors();
}

TEST(Manifest, RefusesNumbersThatAreNone) {
  for (const char* number :
       {".nan", ".inf", "-.inf", "nan", "inf", "10k", "1_000", "", "0x10", "[1]", "{a: 1}", "1e999"}) {
    const Read r = read(
        "apiVersion: penstock.io/v1alpha1\nkind: RateLimit\nmetadata: {name: x}\n"
        "spec: {target: {interface: wan}, rate: {bitsPerSecond: " +
        std::string(number) + "}}");
    if (*number == 0) continue;  // null: absent, and missed by the translator
    EXPECT_TRUE(r.has("spec.rate.bitsPerSecond: want a number")) << number << r.all_errors();
  }
}

TEST(Manifest, RefusesDuplicateKeys) {
  const Read r = read("apiVersion: v1\nkind: Service\nmetadata: {name: a, name: b}\n");
  EXPECT_TRUE(r.has("document 1, line 3: the key \"name\" is given twice")) << r.all_errors();
}

TEST(Manifest, BoundsAliasExpansion) {
  std::string laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    laughs += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i) laughs += std::string(i ? ", *" : "*") + static_cast<char>(c - 1);
    laughs += "]\n";
  }
  EXPECT_TRUE(read(laughs).has("aliases stand for more than 100000 values"));
}

TEST(Manifest, UsesAnchors) {
  const Read r = read(
      "apiVersion: penstock.io/v1alpha1\nkind: Egress\nmetadata: {name: out}\n"
      "spec: {from: &inside [10.0.0.0/8], allow: *inside}\n");
  ASSERT_EQ(r.all_errors(), "");
  EXPECT_EQ(r.objects[0].egress().spec().allow(0), "10.0.0.0/8");
  EXPECT_TRUE(read("a: &a [*a]").has("an alias inside what it stands for"));
}

TEST(Manifest, BoundsDepth) {
  EXPECT_TRUE(read(std::string(100, '[')).has("nested deeper than 32 levels"));
  EXPECT_TRUE(read(std::string(100'000, '[')).has("nested deeper than 32 levels"));
  std::string blocks;
  for (int i = 0; i < 100; ++i) blocks += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  EXPECT_TRUE(read(blocks).has("nested deeper"));
}

TEST(Manifest, RefusesWhatIsNoYaml) {
  for (const char* text : {"a: [", "a: b: c", "\"", "- a\nb: c", "%YAML 9.9\n---\n", "a: *b", "? [x]\n: y", "!foo {}"})
    EXPECT_FALSE(read(text).errors.empty()) << text;
  EXPECT_TRUE(read("name: \xff\xfe").has("is not UTF-8 text"));
  EXPECT_TRUE(read("name: \xed\xa0\x80").has("is not UTF-8 text"));
  EXPECT_TRUE(read(std::string(kMaxManifestBytes + 1, ' ')).has("larger than 128 MiB"));
  EXPECT_TRUE(read("").errors.empty());
}

TEST(Manifest, BoundsFaults) {
  std::string many = "apiVersion: penstock.io/v1alpha1\nkind: Egress\nmetadata: {name: out}\nspec:\n";
  for (int i = 0; i < 5000; ++i) many += "  field" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(read(many).errors.size(), 1000u);
}

TEST(Manifest, WritesWhatItReads) {
  const char* text = R"(apiVersion: penstock.io/v1alpha1
kind: AccessPolicy
metadata:
  name: edge
  namespace: ops
  annotations:
    note: "say \"hi\"\n"
    port: "80"
    switch: "off"
    time: "12:30:00"
spec:
  priority: -5
  rules:
  - name: "0"
    action: deny
    from:
    - 10.0.0.0/8
    - 2001:db8::/32
    protocol: tcp
    ports:
    - 8000-8080
---
apiVersion: penstock.io/v1alpha1
kind: RateLimit
metadata:
  name: a
spec:
  target:
    interface: wan
  rate:
    bitsPerSecond: 10000000000
  burst: 0.5
)";
  const Read r = read(text);
  ASSERT_EQ(r.all_errors(), "");
  EXPECT_EQ(write_yaml(r.objects), text);
  const Read json = read(write_json(r.objects));
  ASSERT_EQ(json.all_errors(), "");
  EXPECT_EQ(write_yaml(json.objects), text);
  const Read one = read(write_json({r.objects[1]}));
  ASSERT_EQ(one.objects.size(), 1u);
  EXPECT_EQ(write_yaml(one.objects), write_yaml({r.objects[1]}));
}

// What the CLI prints of an association that refused packets.
TEST(Manifest, WritesMapsOfNumbers) {
  v1::Association association;
  (*association.mutable_refused())["replayed"] = 3;
  (*association.mutable_refused())["device_failed"] = 20;
  const Tree tree = write_message(association, Defaults::kOmit);
  EXPECT_EQ(to_json(tree), "{\n  \"refused\": {\n    \"device_failed\": 20,\n    \"replayed\": 3\n  }\n}\n");
}

TEST(Manifest, KnowsKindsAsPeopleTypeThem) {
  EXPECT_EQ(kind_named("ratelimits"), "RateLimit");
  EXPECT_EQ(kind_named("AccessPolicies"), "AccessPolicy");
  EXPECT_EQ(kind_named("egresses"), "Egress");
  EXPECT_EQ(kind_named("svc"), "Service");
  EXPECT_EQ(kind_named("pod"), "");
}

// Whatever a mutation makes of a manifest: no crash, and what was read can be written and read again.
TEST(Manifest, SurvivesMutations) {
  const std::string seed = std::string(kLimit) + "---\n" + kLimit;
  uint64_t random = 1;
  const auto next = [&random](size_t below) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>((random >> 33) % below);
  };
  for (int round = 0; round < 5000; ++round) {
    std::string text = seed;
    for (size_t i = 0; i <= next(4); ++i) {
      const size_t at = next(text.size());
      const char* bits[] = {"{", "[", "\"", ":",  "&a", "*a",  "-", "\n", " ",
                            "!", "'", "|",  "\t", "#",  "---", "]", "\\x"};
      if (next(2)) {
        text.erase(at, next(8));
      } else {
        text.insert(at, bits[next(17)]);
      }
    }
    const Read r = read(text);
    if (r.errors.empty()) {
      EXPECT_EQ(read(write_yaml(r.objects)).all_errors(), "") << text;
    }
  }
}

TEST(Manifest, AliasesCountTheBytesTheyStandFor) {
  std::string text = "a: &x \"" + std::string(100'000, 'x') + "\"\nb: [";
  for (int i = 0; i < 2000; ++i) text += "*x,";
  text += "]\n";
  size_t expanded = 0;
  const TextError error = read_documents(text, [&](Tree tree, size_t) {
    if (const Tree* b = tree.find("b"))
      for (const Tree& item : b->items) expanded += item.scalar.size();
  });
  EXPECT_LT(expanded, 64u << 20);
}

}  // namespace
}  // namespace penstock::api
