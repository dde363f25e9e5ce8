#include "l7/http/forwarding.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::http {
namespace {

struct Sample {
  Sample() : head(HeadLimits{}) {
    EXPECT_EQ(head.set_authority("shop.example:8080"), Fault::kNone);
    arrival.peer = *base::IpAddress::parse("192.0.2.7");
    arrival.local = *base::IpAddress::parse("2001:db8::1");
    arrival.local_port = 8080;
  }
  void add(std::string_view name, std::string_view value) { ASSERT_EQ(head.fields.add(name, value), Fault::kNone); }
  std::string value(std::string_view name) const { return std::string(head.fields.value_of(name)); }
  std::string client() const { return client_address(head.fields, arrival, policy).to_string(); }
  void forward() { ASSERT_EQ(add_forwarding_fields(head, arrival, policy), Fault::kNone); }

  RequestHead head;
  Arrival arrival;
  ForwardingPolicy policy;
};

TEST(Forwarding, TheEdgeReplacesWhatItWasTold) {
  Sample s;
  s.add("X-Forwarded-For", "6.6.6.6");
  s.add("x-forwarded-for", "7.7.7.7");
  s.add("X-Forwarded-Proto", "https");
  s.add("X-Forwarded-Host", "evil.example");
  s.add("Forwarded", "for=6.6.6.6");
  s.forward();
  EXPECT_EQ(s.value("x-forwarded-for"), "192.0.2.7");
  EXPECT_EQ(s.value("x-forwarded-proto"), "http");
  EXPECT_EQ(s.value("x-forwarded-host"), "shop.example:8080");
  EXPECT_EQ(s.value("x-forwarded-port"), "8080");
  EXPECT_EQ(s.head.fields.find("forwarded"), nullptr);
  EXPECT_EQ(s.value("via"), "1.1 penstock");
}

TEST(Forwarding, BehindATrustedProxyTheChainGrows) {
  Sample s;
  s.policy.x_forwarded = s.policy.forwarded = Chain::kAppend;
  s.policy.trusted_hops = 1;
  s.add("x-forwarded-for", "6.6.6.6");
  s.add("x-forwarded-for", "203.0.113.9");
  s.add("x-forwarded-proto", "https");
  s.add("forwarded", "for=203.0.113.9");
  s.add("via", "1.0 other");
  s.forward();
  EXPECT_EQ(s.value("x-forwarded-for"), "6.6.6.6, 203.0.113.9, 192.0.2.7");
  EXPECT_EQ(s.value("x-forwarded-proto"), "https");
  EXPECT_EQ(s.value("forwarded"),
            "for=203.0.113.9, for=192.0.2.7;by=\"[2001:db8::1]\";proto=http;host=\"shop.example:8080\"");
  const Field* via = s.head.fields.find(FieldId::kVia);
  EXPECT_EQ(s.head.fields.value(*s.head.fields.find(FieldId::kVia, via + 1)), "1.1 penstock");
}

TEST(Forwarding, PassAndRemove) {
  Sample s;
  s.policy.x_forwarded = Chain::kPass;
  s.policy.forwarded = Chain::kPass;
  s.policy.via = "";
  s.add("x-forwarded-for", "6.6.6.6");
  s.add("forwarded", "for=6.6.6.6");
  s.forward();
  EXPECT_EQ(s.value("x-forwarded-for"), "6.6.6.6");
  EXPECT_EQ(s.value("forwarded"), "for=6.6.6.6");
  EXPECT_EQ(s.head.fields.size(), 2u);
  s.policy.x_forwarded = s.policy.forwarded = Chain::kRemove;
  s.forward();
  EXPECT_TRUE(s.head.fields.empty());
}

TEST(Forwarding, AnEndlessChainIsBegunAnew) {
  Sample s;
  s.policy.x_forwarded = Chain::kAppend;
  for (int i = 0; i < 4; ++i) s.add("x-forwarded-for", std::string(kMaxAddressChainBytes / 4, '1'));
  s.forward();
  EXPECT_EQ(s.value("x-forwarded-for"), "192.0.2.7");
}

TEST(Forwarding, TheClientIsTheTrustedHopsEntryFromTheRight) {
  Sample s;
  s.add("x-forwarded-for", "10.0.0.1, 10.0.0.2");
  s.add("x-forwarded-for", "10.0.0.3");
  EXPECT_EQ(s.client(), "192.0.2.7");
  s.policy.trusted_hops = 1;
  EXPECT_EQ(s.client(), "10.0.0.3");
  s.policy.trusted_hops = 3;
  EXPECT_EQ(s.client(), "10.0.0.1");
  s.policy.trusted_hops = 4;
  EXPECT_EQ(s.client(), "192.0.2.7");
  s.policy.trusted_hops = 1;
  for (const auto& [entry, expected] : {std::pair{"[2001:db8::9]:77", "2001:db8::9"},
                                        {"2001:db8::9", "2001:db8::9"},
                                        {"10.1.2.3:99", "10.1.2.3"},
                                        {"unknown", "192.0.2.7"},
                                        {"", "192.0.2.7"},
                                        {"[::1", "::1"}}) {
    ASSERT_EQ(s.head.fields.set("x-forwarded-for", std::string("9.9.9.9,") + entry), Fault::kNone);
    EXPECT_EQ(s.client(), expected) << entry;
  }
  std::string many;
  for (int i = 0; i < 40; ++i) many += "10.0.1." + std::to_string(i) + ",";
  ASSERT_EQ(s.head.fields.set("x-forwarded-for", many + "10.9.9.9"), Fault::kNone);
  s.policy.trusted_hops = kMaxTrustedHops;
  EXPECT_EQ(s.client(), "10.0.1.25");
}

TEST(Forwarding, TheEntranceIsTheConnectionsUnlessTheSenderIsBelieved) {
  Sample s;
  const auto at = [&] { return client_entrance(s.head.fields, {Scheme::kHttp, 8080}, s.policy); };
  s.head.scheme = Scheme::kHttps;  // of a target
  s.add("x-forwarded-proto", "https");
  EXPECT_EQ(at(), (Entrance{Scheme::kHttp, 8080}));
  s.policy.trusted_hops = 1;
  EXPECT_EQ(at(), (Entrance{Scheme::kHttp, 8080})) << "replaced, so not believed";
  s.policy.x_forwarded = Chain::kAppend;
  EXPECT_EQ(at(), (Entrance{Scheme::kHttps, 443}));
  s.add("x-forwarded-port", "8443");
  EXPECT_EQ(at(), (Entrance{Scheme::kHttps, 8443}));
  for (const char* port : {"", "0", "65536", "1x", "-1"}) {
    ASSERT_EQ(s.head.fields.set("x-forwarded-port", port), Fault::kNone);
    EXPECT_EQ(at(), (Entrance{Scheme::kHttps, 443})) << port;
  }
  for (const char* proto : {"", "ftp", "https, http"}) {
    ASSERT_EQ(s.head.fields.set("x-forwarded-proto", proto), Fault::kNone);
    EXPECT_EQ(at(), (Entrance{Scheme::kHttp, 8080})) << proto;
  }
}

TEST(RequestId, KeptWhenUsableElseAUuid) {
  Sample s;
  std::array<uint8_t, 16> random;
  random.fill(0xff);
  ASSERT_EQ(add_request_id(s.head, random, s.policy), Fault::kNone);
  EXPECT_EQ(s.value("x-request-id"), "ffffffff-ffff-4fff-bfff-ffffffffffff");
  random.fill(0);
  ASSERT_EQ(add_request_id(s.head, random, s.policy), Fault::kNone);
  EXPECT_EQ(s.value("x-request-id"), "ffffffff-ffff-4fff-bfff-ffffffffffff");
  s.policy.keep_request_id = false;
  ASSERT_EQ(add_request_id(s.head, random, s.policy), Fault::kNone);
  EXPECT_EQ(s.value("x-request-id"), "00000000-0000-4000-8000-000000000000");
  s.policy.keep_request_id = true;
  ASSERT_EQ(s.head.fields.set("x-request-id", "two words"), Fault::kNone);
  ASSERT_EQ(add_request_id(s.head, random, s.policy), Fault::kNone);
  EXPECT_EQ(s.value("x-request-id"), "00000000-0000-4000-8000-000000000000");
}

TEST(MaxForwards, CountsDownForTraceAndOptionsOnly) {
  Sample s;
  s.add("max-forwards", "1");
  EXPECT_EQ(next_hop(s.head), Hop::kForward);
  EXPECT_EQ(s.value("max-forwards"), "1");
  s.head.method = Method::kOptions;
  EXPECT_EQ(next_hop(s.head), Hop::kForward);
  EXPECT_EQ(s.value("max-forwards"), "0");
  EXPECT_EQ(next_hop(s.head), Hop::kAnswer);
  for (const char* bad : {"", "-1", "+1", "1x", "99999999999"}) {
    ASSERT_EQ(s.head.fields.set("max-forwards", bad), Fault::kNone);
    EXPECT_EQ(next_hop(s.head), Hop::kRefuse) << bad;
  }
}

TEST(InterimGate, ContinueOnceAndOthersAlways) {
  RequestHead head{HeadLimits{}};
  EXPECT_FALSE(InterimGate(head).admit(100));
  EXPECT_TRUE(InterimGate(head).admit(103));
  EXPECT_FALSE(InterimGate(head).admit(101));
  EXPECT_FALSE(InterimGate(head).admit(200));
  head.expects_continue = true;
  InterimGate once(head);
  EXPECT_TRUE(once.continue_due());
  EXPECT_TRUE(once.admit(100));
  EXPECT_FALSE(once.admit(100));
  InterimGate late(head);
  late.on_content();
  EXPECT_FALSE(late.admit(100));
  head.version = Version::kHttp10;
  EXPECT_FALSE(InterimGate(head).admit(103));
}

}  // namespace
}  // namespace penstock::http
