// RateLimits of requests: YAML to the model and back.
#include "unit/control/api/translate_story.h"

namespace penstock::api {
namespace {

using Kind = config::LimitComponent::Kind;

std::string limit(const std::string& target, const std::string& rate, const std::string& more = "") {
  return "{apiVersion: penstock.io/v1alpha1, kind: RateLimit, metadata: {name: l}, spec: {target: {" + target +
         "}, rate: {" + rate + "}" + (more.empty() ? "" : ", " + more) + "}}";
}

TEST(TranslateRequestLimit, Fields) {
  const auto read = one<model::RateLimit>(
      limit("httpRoute: {name: shop, sectionName: api}", "requestsPerHour: 10",
            "per: source, shadow: true, headers: true, burst: 3, "
            "matches: [{path: {type: Exact, value: /a}, headers: [{name: X-A, value: b, type: RegularExpression}]}], "
            "descriptors: [{type: header, name: X-User}, {type: cookie, name: Sid}, {type: queryParameter, name: q}, "
            "{type: path}, {type: pathPattern, pattern: \"/a/{b}\"}, {type: host}, {type: method}]"));
  EXPECT_EQ(read.target, model::LimitTarget::kHttpRoute);
  EXPECT_EQ(read.object.to_string(), "default/shop");
  EXPECT_EQ(read.section, "api");
  EXPECT_EQ(read.unit, model::LimitUnit::kRequestsPerHour);
  EXPECT_EQ(read.rate, 10);
  EXPECT_EQ(read.bucket, model::LimitBucket::kSource);
  EXPECT_TRUE(read.shadow && read.headers);
  ASSERT_EQ(read.matches.size(), 1U);
  EXPECT_TRUE(read.matches[0].headers.at(0).regex);
  ASSERT_EQ(read.descriptors.size(), 7U);
  EXPECT_EQ(read.descriptors[0].name, "x-user");
  EXPECT_EQ(read.descriptors[1].name, "Sid") << "names of cookies tell case apart";
  EXPECT_EQ(read.descriptors[4].kind, Kind::kPathPattern);
  EXPECT_EQ(read.descriptors[4].name, "/a/{b}");
}

TEST(TranslateRequestLimit, Rates) {
  for (const auto& [field, unit] : {std::pair{"requestsPerSecond", model::LimitUnit::kRequests},
                                    {"requestsPerMinute", model::LimitUnit::kRequestsPerMinute},
                                    {"requestBitsPerSecond", model::LimitUnit::kRequestContent},
                                    {"responseBitsPerSecond", model::LimitUnit::kResponseContent}}) {
    const auto read = one<model::RateLimit>(limit("gateway: {name: edge}", std::string(field) + ": 5000"));
    EXPECT_EQ(read.unit, unit);
    EXPECT_EQ(read.rate, 5000);
  }
}

TEST(TranslateRequestLimit, Faults) {
  const auto with = [](const std::string& descriptor) {
    return limit("gateway: {name: edge}", "requestsPerSecond: 1", "descriptors: [{" + descriptor + "}]");
  };
  EXPECT_FAULT(with("type: colour"), "spec.descriptors[0].type");
  EXPECT_FAULT(with("type: header"), "spec.descriptors[0].name");
  EXPECT_FAULT(with("type: path, name: a"), "spec.descriptors[0].name");
  EXPECT_FAULT(with("type: pathPattern"), "spec.descriptors[0].pattern");
  EXPECT_FAULT(with("type: host, pattern: /a"), "spec.descriptors[0].pattern");
  EXPECT_FAULT(limit("gateway: {name: edge}", ""), "spec.rate");
}

}  // namespace
}  // namespace penstock::api
