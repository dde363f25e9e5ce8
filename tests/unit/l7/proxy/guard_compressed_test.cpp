// Inspection of compressed content.
#include "oracle/inflate_oracle.h"
#include "unit/l7/proxy/guarded.h"

namespace penstock::proxy {
namespace {

TEST(Guard, CompressedContentIsInflatedToBeSeen) {
  const auto config = Guards(64).build();
  const std::string evil = "0123456789--evil and the rest",
                    good = "mark: nothing that is bad, and more of it than is held: " + std::string(300, 'x');
  using guard::deflated;
  const auto with = [](const std::string& encoding, const std::string& content) {
    return post(content, "Content-Encoding: " + encoding + "\r\n");
  };
  const std::string gzipped = deflated(good);
  const std::pair<std::string, bool> requests[] = {
      {with("gzip", deflated(evil)), true},
      {with("X-Gzip", deflated(evil, {.member_every = 12})), true},
      {with("deflate", deflated(evil, {.window_bits = 15})), true},
      {with("deflate", deflated(evil, {.window_bits = -15})), true},
      {with("deflate, identity\r\nContent-Encoding: GZIP", deflated(deflated(evil, {.window_bits = 15}))), true},
      {with("identity", evil), true},
      {with("gzip", evil), true},  // for those who do not look at Content-Encoding
      {with("gzip", gzipped), false},
      {with("deflate", deflated(good, {.window_bits = 15})), false},
  };
  for (const auto& [request, denied] : requests) {
    for (size_t cut = 0; cut <= request.size(); ++cut) {
      Rig rig(config);
      const uint32_t client = rig.client();
      rig.send(client, request.substr(0, cut));
      rig.send(client, request.substr(cut));
      ASSERT_EQ(rig.net.connects.empty(), denied) << request << cut;
      if (denied) {
        ASSERT_EQ(status_of(rig.take(client)), 403);
        ASSERT_EQ(rig.record().guard, kBodySlot);
      } else {
        const std::string sent = rig.take(rig.backend());
        ASSERT_EQ(read_request(sent).content, read_request(request).content);
        ASSERT_TRUE(has(sent, "content-encoding: "));
        ASSERT_EQ(rig.proxy.counters().guard(kTagSlot), 1u);
        ASSERT_EQ(rig.proxy.counters().of(Count::contents_inflated), 1u);
        ASSERT_EQ(rig.proxy.counters().of(Count::contents_cut), 1u);
        rig.send(rig.backend(), answer(200, "ok"));
        ASSERT_EQ(status_of(rig.take(client)), 200);
      }
      rig.expect_no_leak();
      ASSERT_EQ(rig.proxy.held_bodies(), 0u);
    }
  }
}

TEST(Guard, WhatCannotBeInflatedIsAFinding) {
  std::string sparse("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
  for (int i = 0; i < 1000; ++i) sparse += std::string("\0\0\0\xff\xff", 5);
  const std::string whole = guard::deflated("nothing bad");
  struct {
    std::string encoding, content;
    Count count;
  } const kAll[] = {
      {"br", "whatever", Count::uninspectable_coding},
      {"gzip, gzip, gzip", whole, Count::uninspectable_coding},
      {"gzip", whole.substr(0, 12), Count::uninspectable_corrupt},
      {"gzip", whole + "more", Count::uninspectable_corrupt},
      {"gzip", sparse + guard::deflated("evil"), Count::uninspectable_sparse},
  };
  for (const bool deny : {true, false}) {
    Guards guards(64);
    guards.inspection.uninspectable = deny ? config::InspectionAction::kDeny : config::InspectionAction::kLog;
    guards.inspection.uninspectable_slot = 11;
    const auto config = guards.build();
    for (const auto& each : kAll) {
      Rig rig(config);
      const uint32_t client = rig.client();
      rig.send(client, post(each.content, "Content-Encoding: " + each.encoding + "\r\n"));
      EXPECT_EQ(rig.proxy.counters().of(each.count), 1u) << each.encoding;
      EXPECT_EQ(rig.proxy.counters().guard(11), 1u);
      EXPECT_EQ(rig.net.connects.empty(), deny);
      if (!deny) {
        std::string sent = rig.take(rig.backend());
        EXPECT_EQ(read_request(sent).content, each.content);
        rig.send(rig.backend(), answer(200, "ok"));
      }
      EXPECT_EQ(status_of(rig.take(client)), deny ? 403 : 200);
      const AccessRecord record = rig.record();
      EXPECT_EQ(record.finding, 11u);
      EXPECT_EQ(record.guard, deny ? 11u : kNone);
    }
    Rig rig(config);  // no content is none that cannot be seen
    EXPECT_EQ(status_of(rig.exchange(rig.client(), post("", "Content-Encoding: br\r\n"), answer(200, "ok"))), 200);
    EXPECT_EQ(status_of(rig.exchange(rig.client(), get("/", "Content-Encoding: br\r\n"), answer(200, "ok"))), 200);
    EXPECT_EQ(rig.proxy.counters().guard(11), 0u);
  }
}

// Who asked for less has seen it all: that another one wants more, and does not get it, is the other's finding.
TEST(Guard, EachInspectionIsGivenWhatItAskedFor) {
  const std::string spoilt = guard::deflated(std::string(100, 'x')) + "more";
  for (const bool first_denies : {true, false}) {
    Guards guards(first_denies ? 64 : 4096);
    guards.second = guards.inspection;
    guards.second->body_bytes = first_denies ? 4096 : 64;
    guards.second->uninspectable_slot = 12;
    guards.inspection.uninspectable_slot = 11;
    (first_denies ? guards.inspection : *guards.second).uninspectable = config::InspectionAction::kDeny;
    Rig rig(guards.build());
    EXPECT_EQ(status_of(rig.exchange(rig.client(), post(spoilt, "Content-Encoding: gzip\r\n"), answer(200, "ok"))),
              200);
    EXPECT_EQ(rig.proxy.counters().guard(11), first_denies ? 0u : 1u);
    EXPECT_EQ(rig.proxy.counters().guard(12), first_denies ? 1u : 0u);
  }
}

// Nobody waits for content that will be refused whatever it is.
TEST(Guard, WhatIsRefusedUnseenIsNotHeld) {
  Guards guards(64);
  guards.inspection.uninspectable = config::InspectionAction::kDeny;
  guards.inspection.uninspectable_slot = 11;
  guards.second = guards.inspection;
  guards.second->uninspectable_slot = 12;
  const std::string request = post("content", "Content-Encoding: br\r\nExpect: 100-continue\r\n");
  const std::string head = request.substr(0, request.size() - 7);
  for (const bool both : {true, false}) {
    if (!both) guards.second->uninspectable = config::InspectionAction::kLog;
    Rig rig(guards.build());
    const uint32_t client = rig.client();
    rig.send(client, head);
    EXPECT_EQ(status_of(rig.take(client)), both ? 403 : 100);
    EXPECT_EQ(rig.proxy.held_bodies(), both ? 0u : 1u);
    if (!both) rig.send(client, "content");
    if (!both) EXPECT_EQ(status_of(rig.take(client)), 403);
    EXPECT_TRUE(rig.net.connects.empty());
    const AccessRecord record = rig.record();
    EXPECT_EQ(Rig::letters(record.flags), "AD");
    EXPECT_EQ(record.guard, both ? 12u : 11u);  // who denied first
    EXPECT_EQ(record.findings, 2);
    EXPECT_EQ(rig.proxy.counters().of(Count::uninspectable_coding), 1u);
    EXPECT_EQ(rig.proxy.counters().guard(12), 1u);
    EXPECT_EQ(rig.proxy.held_bodies(), 0u);
  }
  Rig rig(guards.build());  // what is streamed may be nothing
  const std::string nothing =
      "POST /p HTTP/1.1\r\nHost: a\r\nContent-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  EXPECT_EQ(status_of(rig.exchange(rig.client(), nothing, answer(200, "ok"))), 200);
}

}  // namespace
}  // namespace penstock::proxy
