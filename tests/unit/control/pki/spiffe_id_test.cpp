#include "control/pki/spiffe_id.h"

#include <gtest/gtest.h>

namespace penstock::pki {
namespace {

std::string fault_of(const std::string& text) {
  const auto id = SpiffeId::parse(text);
  return id ? "" : id.error();
}

TEST(SpiffeId, PartsOfAValidName) {
  const auto id = SpiffeId::parse("spiffe://prod-1.example.org/ns/Gateways/sa/a_b.c").value();
  EXPECT_EQ(id.trust_domain(), "prod-1.example.org");
  EXPECT_EQ(id.path(), "/ns/Gateways/sa/a_b.c");
  EXPECT_EQ(id.text(), "spiffe://prod-1.example.org/ns/Gateways/sa/a_b.c");
  const auto domain = SpiffeId::parse("spiffe://example.org").value();
  EXPECT_EQ(domain.trust_domain(), "example.org");
  EXPECT_EQ(domain.path(), "");
  EXPECT_TRUE(SpiffeId().empty());
  EXPECT_EQ(SpiffeId().trust_domain(), "");
  EXPECT_EQ(SpiffeId().path(), "");
}

TEST(SpiffeId, EqualNamesAreEqualBytes) {
  EXPECT_EQ(SpiffeId::parse("spiffe://a/b").value(), SpiffeId::parse("spiffe://a/b").value());
  EXPECT_NE(SpiffeId::parse("spiffe://a/b").value(), SpiffeId::parse("spiffe://a/B").value());
  EXPECT_LT(SpiffeId::parse("spiffe://a/b").value(), SpiffeId::parse("spiffe://a/c").value());
}

TEST(SpiffeId, EveryFaultHasItsWords) {
  const std::pair<std::string, const char*> kCases[] = {
      {"", "want spiffe://"},
      {"example.org/a", "want spiffe://"},
      {"SPIFFE://example.org/a", "want spiffe://"},
      {"https://example.org/a", "want spiffe://"},
      {"spiffe:/example.org/a", "want spiffe://"},
      {"spiffe://", "is empty"},
      {"spiffe:///a", "is empty"},
      {"spiffe://Example.org/a", "capital"},
      {"spiffe://user@example.org/a", "user or port"},
      {"spiffe://example.org:8443/a", "user or port"},
      {"spiffe://[::1]/a", "want a-z"},
      {"spiffe://ex%61mple.org/a", "percent"},
      {"spiffe://exa mple.org/a", "want a-z"},
      {"spiffe://example.org?x", "query"},
      {"spiffe://example.org#x", "query"},
      {"spiffe://example.org/", "empty segment"},
      {"spiffe://example.org/a/", "empty segment"},
      {"spiffe://example.org//a", "empty segment"},
      {"spiffe://example.org/a/./b", "segment"},
      {"spiffe://example.org/..", "segment"},
      {"spiffe://example.org/a?b", "query"},
      {"spiffe://example.org/a#b", "query"},
      {"spiffe://example.org/%61", "percent"},
      {"spiffe://example.org/a b", "want letters"},
      {"spiffe://example.org/a~b", "want letters"},
      {"spiffe://example.org/\xc3\xa4", "want letters"},
      {std::string("spiffe://example.org/a\0b", 24), "want letters"},
      {std::string("spiffe://example.org\0.evil.org/a", 32), "want a-z"},
  };
  for (const auto& [text, part] : kCases)
    EXPECT_NE(fault_of(text).find(part), std::string::npos) << text << ": " << fault_of(text);
}

TEST(SpiffeId, Bounds) {
  const std::string start = "spiffe://example.org/";
  EXPECT_EQ(fault_of(start + std::string(kMaxSpiffeIdBytes - start.size(), 'a')), "");
  EXPECT_NE(fault_of(start + std::string(kMaxSpiffeIdBytes - start.size() + 1, 'a')).find("at most 2048"),
            std::string::npos);
  EXPECT_EQ(fault_of("spiffe://" + std::string(255, 'a') + "/x"), "");
  EXPECT_NE(fault_of("spiffe://" + std::string(256, 'a') + "/x").find("at most 255"), std::string::npos);
}

TEST(SpiffeId, MessagesAreOnePrintableLine) {
  const std::string message = fault_of("spiffe://exa\nmple\x1b[31m/" + std::string(1000, 'x'));
  for (const char c : message) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
  EXPECT_LT(message.size(), 300u);
}

}  // namespace
}  // namespace penstock::pki
