// The pure parts of the CLI: words, numbers, tables, differences.
#include "tools/penstock/cli.h"

#include <gtest/gtest.h>

#include "control/api/manifest.h"
#include "tools/penstock/summary.h"
#include "tools/penstock/text_diff.h"
#include "tools/penstock/words.h"

namespace penstock::cli {
namespace {

struct Parsed {
  explicit Parsed(std::span<const Word> words, std::vector<std::string> arguments) {
    CLI::App app;
    read.add_to(app, words);
    std::reverse(arguments.begin(), arguments.end());
    app.parse(arguments);
    read.read();
  }
  Words read;
};

TEST(Words, ReadsWordsAndOptionsAlike) {
  const Parsed a(flow_words(), {"src=10.0.0.1", "dst=10.0.0.2", "proto=udp", "sport=1000", "dport=53", "action=drop",
                                "bps=10M", "cookie=0x10", "idle=1m30s"});
  const Parsed b(flow_words(), {"--src", "10.0.0.1", "dst=10.0.0.2", "--protocol", "17", "--src-port", "1000",
                                "dport=53", "--action=drop", "--bps", "10M", "--cookie", "16", "--idle", "90s"});
  const v1::FlowOperation x = operation_from(a.read), y = operation_from(b.read);
  EXPECT_EQ(x.ShortDebugString(), y.ShortDebugString());
  EXPECT_EQ(x.key().src(), std::string("\x0a\0\0\1", 4));
  EXPECT_EQ(x.action().limit().bits_per_second(), 1e7);
  EXPECT_EQ(x.idle_timeout(), 90u);
  EXPECT_EQ(x.action().verb(), v1::FlowAction::DROP);
}

TEST(Words, RefusesWhatItDoesNotKnow) {
  for (const std::vector<std::string>& bad : std::initializer_list<std::vector<std::string>>{
           {"source=10.0.0.1"}, {"src"}, {"src=1", "src=2"}, {"src=1", "--src", "2"}})
    EXPECT_THROW(Parsed(flow_words(), bad), CLI::ParseError) << bad[0];
  for (const char* bad :
       {"src=10.0.0.256", "sport=65536", "sport=-1", "sport=x", "proto=quic", "action=maybe", "dscp=64", "sport=0x",
        "sport= 1", "sport=+1", "pps=nan", "pps=-1", "pps=1x", "idle=5", "idle=500ms", "cookie=", "via=here"}) {
    Parsed parsed(flow_words(), {bad});
    EXPECT_THROW(operation_from(parsed.read), CLI::ParseError) << bad;
  }
}

TEST(Words, NumbersAreDecimalUnlessTheySayOtherwise) {
  const Parsed parsed(filter_words(), {"sport=010", "cookie=0x10"});
  EXPECT_EQ(filter_from(parsed.read).src_port(), 10u);
  EXPECT_EQ(filter_from(parsed.read).cookie(), 16u);
}

TEST(Words, FilterKnowsWhatIsAbsent) {
  const Parsed none(filter_words(), {});
  EXPECT_FALSE(filter_from(none.read).has_cookie());
  const Parsed zero(filter_words(), {"cookie=0", "src=2001:db8::/32"});
  EXPECT_TRUE(filter_from(zero.read).has_cookie());
  EXPECT_EQ(filter_from(zero.read).src(), "2001:db8::/32");
}

TEST(Numbers, AreShort) {
  EXPECT_EQ(rate_text(0), "0");
  EXPECT_EQ(rate_text(999), "999");
  EXPECT_EQ(rate_text(1000), "1k");
  EXPECT_EQ(rate_text(999'999), "1000k");
  EXPECT_EQ(rate_text(1'234'567), "1.23M");
  EXPECT_EQ(rate_text(1e13), "10T");
  EXPECT_EQ(seconds_text(59), "59s");
  EXPECT_EQ(seconds_text(432000), "5d0h");
  EXPECT_EQ(parse_scaled("1.5k", "x"), 1500);
  EXPECT_EQ(parse_milliseconds("1m30s", "x"), 90'000u);
  EXPECT_EQ(parse_milliseconds("250ms", "x"), 250u);
  for (const char* bad : {"", "k", "1kk", "1e999", "inf", "nan", "-5"})
    EXPECT_THROW(parse_scaled(bad, "x"), CLI::ParseError);
  for (const char* bad : {"", "5", "s", "5d", "-1s", "nans"})
    EXPECT_THROW(parse_milliseconds(bad, "x"), CLI::ParseError);
}

TEST(Tables, AlignTextLeftAndNumbersRight) {
  Table table({"NAME", "PACKETS", "WHAT"});
  table.add({"a", "5", "x"});
  table.add({"längst", "12345", "y"});
  EXPECT_EQ(table.to_string(), "NAME    PACKETS  WHAT\na             5  x\nlängst    12345  y\n");
}

TEST(TextDiff, ShowsWhatDiffersAndLittleElse) {
  EXPECT_TRUE(diff_lines("a\nb\n", "a\nb\n").empty());
  const std::vector<std::string> want = {"...", " 3", " 4", "-5", "+five", " 6", " 7", "..."};
  EXPECT_EQ(diff_lines("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"), want);
  EXPECT_EQ(diff_lines("", "x\n"), std::vector<std::string>{"+x"});
  EXPECT_EQ(diff_lines("x\n", ""), std::vector<std::string>{"-x"});
}

// Applying the difference to the first text gives the second, whatever they are.
TEST(TextDiff, IsTrue) {
  uint64_t random = 7;
  const auto next = [&random](size_t below) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>((random >> 33) % below);
  };
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> lines[2];
    std::string texts[2];
    for (int t = 0; t < 2; ++t)
      for (size_t i = next(5); i > 0; --i) {
        lines[t].push_back(std::string(1, static_cast<char>('a' + next(3))));
        texts[t] += lines[t].back() + "\n";
      }
    std::vector<std::string> before, after;
    bool whole = true;
    for (const std::string& line : diff_lines(texts[0], texts[1])) {
      if (line == "...") {
        whole = false;
        continue;
      }
      if (line[0] != '+') before.push_back(line.substr(1));
      if (line[0] != '-') after.push_back(line.substr(1));
    }
    if (!whole || texts[0] == texts[1]) continue;
    EXPECT_EQ(before, lines[0]);
    EXPECT_EQ(after, lines[1]);
  }
}

// The comments of the .proto files are built into the CLI: none is forgotten, and each has something to say.
TEST(Explain, KnowsEveryKind) {
  const auto explain = [](std::vector<std::string> arguments) {
    CLI::App app;
    Shared shared;
    add_explain_command(app, shared);
    testing::internal::CaptureStdout();
    app.parse(std::move(arguments));  // the last comes first
    const std::string out = testing::internal::GetCapturedStdout();
    EXPECT_EQ(shared.status, kOk);
    return out;
  };
  const std::string list = explain({"explain"});
  for (const api::KindInfo& info : api::kinds()) {
    EXPECT_NE(list.find(std::string("\n") + info.kind + " "), std::string::npos) << info.kind;
    EXPECT_NE(explain({"--recursive", info.kind, "explain"}).find("metadata"), std::string::npos) << info.kind;
  }
  EXPECT_NE(explain({"ServiceSubset.spec.selector", "explain"}).find("matchExpressions"), std::string::npos);
}

v1::Object read(const std::string& yaml) {
  std::vector<v1::Object> objects;
  std::vector<api::ManifestError> errors;
  api::read_manifest(yaml, objects, errors);
  for (const api::ManifestError& each : errors) ADD_FAILURE() << each.to_string();
  return objects.empty() ? v1::Object() : objects.front();
}

// An object with what its kind is about, as summaries say it.
const std::map<std::string, std::pair<const char*, const char*>> kSamples = {
    {"Node", {"spec: {interfaces: [{name: wan}]}", "interfaces wan; 0 routes"}},
    {"Service", {"spec: {externalIPs: [192.0.2.1], ports: [{port: 80, protocol: TCP}]}", "192.0.2.1 80/TCP"}},
    {"EndpointSlice", {"endpoints: [{addresses: [10.0.0.1]}]", "1 of 1 endpoint ready"}},
    {"ServicePolicy", {"spec: {targetRef: {kind: Service, name: web}}", "web: nat, maglev"}},
    {"AccessPolicy", {"spec: {rules: [{name: a}]}", "1 rule, priority 1000"}},
    {"RateLimit",
     {"spec: {target: {gateway: {name: edge, sectionName: http}}, rate: {requestsPerSecond: 10}}",
      "Gateway edge/http: 10 requests/s"}},
    {"Egress", {"spec: {from: [10.0.0.0/8], pool: [192.0.2.9]}", "10.0.0.0/8 as 192.0.2.9"}},
    {"Mirror", {"spec: {to: {interface: tap}}", "to tap"}},
    {"Peer", {"spec: {address: 192.0.2.2, prefixes: [10.1.0.0/16]}", "10.1.0.0/16 at 192.0.2.2, AES-GCM-128"}},
    {"Workload", {"spec: {identity: spiffe://a/b, interface: lan}", "spiffe://a/b behind lan"}},
    {"Gateway",
     {"spec: {addresses: [{value: 192.0.2.1}], listeners: [{name: web, protocol: HTTP, port: 80, hostname: \"*.x\"}]}\n"
      "status: {conditions: [{type: Accepted, status: \"True\"}, {type: Programmed, status: \"False\", reason: Late}],"
      " listeners: [{name: web, attachedRoutes: 2, conditions: [{type: Conflicted, status: \"True\", reason: Same}]}]}",
      "HTTP 80 *.x at 192.0.2.1; 2 routes attached; not Programmed (Late); web: Conflicted (Same)"}},
    {"HTTPRoute",
     {"spec: {parentRefs: [{name: edge, sectionName: web}], hostnames: [a.x, b.x], rules: [{backendRefs: "
      "[{name: old, port: 80, weight: 9}, {name: new, namespace: lab, port: 81}]}]}\n"
      "status: {parents: [{parentRef: {name: edge}, conditions: [{type: ResolvedRefs, status: \"False\", reason: "
      "RefNotPermitted}]}]}",
      "a.x, b.x at edge/web to old:80 (weight 9), lab/new:81; not ResolvedRefs (RefNotPermitted)"}},
    {"TCPRoute", {"spec: {parentRefs: [{name: edge, port: 53}]}", "at edge:53, no backends"}},
    {"ReferenceGrant",
     {"spec: {from: [{kind: HTTPRoute, namespace: shop}], to: [{kind: Service}]}",
      "HTTPRoute of shop to every Service"}},
    {"Fault",
     {"spec: {targetRef: {kind: HTTPRoute, name: shop}, abort: {httpStatus: 503, percentage: 5}, reset: {}}",
      "HTTPRoute shop: abort 503 of 5%, reset"}},
    {"ListenerPolicy",
     {"spec: {targetRef: {kind: Gateway, name: edge}, timeouts: {idle: 5s}, localReplies: [{statuses: [404]}]}",
      "Gateway edge: timeouts, 1 local answer"}},
    {"DirectResponse", {"spec: {status: 404, body: gone}", "404, 4 bytes"}},
    {"RequestAccessPolicy",
     {"spec: {targetRefs: [{kind: Gateway, name: edge}], action: DENY, rules: [{}], shadow: true}",
      "Gateway edge: DENY, 1 rule, only counted"}},
    {"RequestInspection",
     {"spec: {targetRefs: [{kind: HTTPRoute, name: shop, sectionName: one}], patterns: [{name: a}], bodyBytes: 512}",
      "HTTPRoute shop/one: 1 pattern, 512 bytes of content"}},
    {"ServiceSubset",
     {"spec: {service: web, selector: {matchLabels: {version: v2}}}", "of web: version=v2; 0 of 0 endpoints ready"}},
    {"Namespace", {"", "team=shop"}},
};

TEST(Summary, SaysOfEveryKindWhatItIsAbout) {
  for (const api::KindInfo& info : api::kinds()) {
    const auto sample = kSamples.find(info.kind);
    ASSERT_NE(sample, kSamples.end()) << info.kind;
    const std::string labels = sample->first == "Namespace" ? ", labels: {team: shop}" : "";
    const v1::Object object = read(std::string("apiVersion: ") + info.api_version + "\nkind: " + info.kind +
                                   "\nmetadata: {name: a" + labels + "}\n" + sample->second.first + "\n");
    EXPECT_EQ(summary_of(object), sample->second.second) << info.kind;
  }
}

}  // namespace
}  // namespace penstock::cli
