// What access policies mean, told one by one; and compared with a naive reading of the same on random policies.
#include "l7/guard/access.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <regex>

#include "l7/guard/lenient_path.h"

namespace penstock::guard {
namespace {

using config::AccessAction;
using config::AccessPolicy;
using config::AccessRule;
using config::FieldMatch;
using config::TextKind;
using config::TextMatch;
using config::TextMatches;
using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct Asked {
  std::string target = "/", host = "shop.example", method = "GET", source = "198.51.100.7";
  HeaderList headers = {};
};

void fill(const Asked& asked, http::RequestHead& head) {
  head.clear();
  head.method = http::method_of(asked.method);
  if (head.method == http::Method::kOther) head.arena.append(asked.method, head.method_slice);
  ASSERT_EQ(head.set_authority(asked.host), http::Fault::kNone);
  const size_t mark = asked.target.find('?');
  ASSERT_EQ(head.set_path(asked.target.substr(0, mark), {}), http::Fault::kNone) << asked.target;
  if (mark != std::string::npos) {
    ASSERT_EQ(head.set_query(asked.target.substr(mark + 1)), http::Fault::kNone);
  }
  for (const auto& [name, value] : asked.headers) ASSERT_EQ(head.fields.add(name, value), http::Fault::kNone);
}

// Rules count under 100 * policy + rule, ALLOW policies that were not met under 100 * policy + 99.
class Guarded {
 public:
  explicit Guarded(std::vector<AccessPolicy> policies) : policies_(std::move(policies)), head_(http::HeadLimits{}) {
    for (uint32_t p = 0; p < policies_.size(); ++p) {
      policies_[p].name = "ns/p" + std::to_string(p);
      policies_[p].slot = 100 * p + 99;
      for (uint32_t r = 0; r < policies_[p].rules.size(); ++r) policies_[p].rules[r].slot = 100 * p + r;
      list_.push_back(p);
    }
    auto access = Access::build(policies_);
    EXPECT_TRUE(access) << access.error();
    access_ = std::make_unique<Access>(std::move(*access));
    auto scratch = AccessScratch::make(*access_);
    scratch_ = std::make_unique<AccessScratch>(std::move(*scratch));
  }

  AccessVerdict judge(const Asked& asked, size_t split = 0) {
    fill(asked, head_);
    counted.clear();
    Judge judge(*access_, head_, *base::IpAddress::parse(asked.source), *scratch_);
    const PolicyList all(list_);
    return judge.run({all.first(split), all.subspan(split)}, [this](uint32_t slot) { ++counted[slot]; });
  }
  bool passes(const Asked& asked) { return !judge(asked).denied; }
  bool passes(const char* target) { return passes(Asked{.target = target}); }

  const std::vector<AccessPolicy>& policies() const { return policies_; }
  const http::RequestHead& head() const { return head_; }
  std::map<uint32_t, int> counted;

 private:
  std::vector<AccessPolicy> policies_;
  std::vector<uint32_t> list_;
  std::unique_ptr<Access> access_;
  std::unique_ptr<AccessScratch> scratch_;
  http::RequestHead head_;
};

TextMatch text(std::string_view written) {
  if (written == "*") return {TextKind::kPresent, ""};
  if (written.ends_with('*')) return {TextKind::kPrefix, std::string(written.substr(0, written.size() - 1))};
  if (written.starts_with('*')) return {TextKind::kSuffix, std::string(written.substr(1))};
  if (written.starts_with('~')) return {TextKind::kRegex, std::string(written.substr(1))};
  return {TextKind::kExact, std::string(written)};
}
TextMatches texts(std::initializer_list<std::string_view> written) {
  TextMatches out;
  for (const std::string_view each : written) out.push_back(text(each));
  return out;
}
AccessPolicy deny(std::vector<AccessRule> rules) { return {"", AccessAction::kDeny, false, std::move(rules)}; }
AccessPolicy allow(std::vector<AccessRule> rules) { return {"", AccessAction::kAllow, false, std::move(rules)}; }
AccessPolicy shadow(AccessPolicy policy) {
  policy.shadow = true;
  return policy;
}
AccessRule paths(std::initializer_list<std::string_view> written) {
  AccessRule rule;
  rule.paths = texts(written);
  return rule;
}

TEST(Access, NothingAttachedPassesAndEmptyRulesAreMetByAll) {
  EXPECT_TRUE(Guarded({}).passes("/"));
  EXPECT_FALSE(Guarded({allow({})}).passes("/"));
  EXPECT_TRUE(Guarded({allow({AccessRule{}})}).passes("/"));
  EXPECT_FALSE(Guarded({deny({AccessRule{}})}).passes("/"));
}

TEST(Access, DenyComesFirstWhateverTheOrder) {
  for (const size_t split : {0, 1, 2}) {
    Guarded guarded({allow({paths({"/a*"})}), deny({paths({"/ab"})})});
    EXPECT_FALSE(guarded.judge({.target = "/a"}, split).denied);
    const AccessVerdict verdict = guarded.judge({.target = "/ab"}, split);
    EXPECT_TRUE(verdict.denied);
    EXPECT_EQ(verdict.slot, 100u);
    const AccessVerdict nobody = guarded.judge({.target = "/b"}, split);
    EXPECT_TRUE(nobody.denied);
    EXPECT_EQ(nobody.slot, 99u);
    EXPECT_EQ(guarded.counted, (std::map<uint32_t, int>{{99, 1}}));
  }
}

TEST(Access, ShadowsOnlyCount) {
  Guarded guarded({shadow(deny({paths({"/x"})})), shadow(allow({paths({"/x"})}))});
  EXPECT_TRUE(guarded.passes("/x"));
  EXPECT_EQ(guarded.counted, (std::map<uint32_t, int>{{0, 1}, {100, 1}}));
  EXPECT_TRUE(guarded.passes("/y"));
  EXPECT_EQ(guarded.counted, (std::map<uint32_t, int>{{199, 1}}));
}

TEST(Access, EveryKindOfText) {
  Guarded guarded({deny({paths({"/exact", "/begins*", "*.bak", "~/r/[0-9]+", "/a%20b"})})});
  for (const char* path : {"/exact", "/begins", "/begins/x", "/x/y.bak", "/r/12", "/a%20b"})
    EXPECT_FALSE(guarded.passes(path)) << path;
  for (const char* path : {"/exac", "/exact/", "/begin", "/x/y.bak/", "/r/", "/r/12/", "/", "/a+b"})
    EXPECT_TRUE(guarded.passes(path)) << path;
}

TEST(Access, MethodsHostsAndSources) {
  AccessRule rule;
  rule.methods = texts({"POST", "BREW"});
  rule.hosts = texts({"*.example"});
  rule.not_hosts = texts({"other.example"});
  rule.from = {*base::Prefix::parse("198.51.100.0/24"), *base::Prefix::parse("2001:db8::/32")};
  rule.not_from = {*base::Prefix::parse("198.51.100.7")};
  Guarded guarded({deny({rule})});
  const Asked met{.method = "POST", .source = "198.51.100.8"};
  EXPECT_FALSE(guarded.passes(met));
  EXPECT_FALSE(guarded.passes(Asked{.host = "shop.example.", .method = "BREW", .source = "2001:db8::1"}));
  EXPECT_TRUE(guarded.passes(Asked{.method = "GET", .source = "198.51.100.8"}));
  EXPECT_TRUE(guarded.passes(Asked{.host = "other.example", .method = "POST", .source = "198.51.100.8"}));
  EXPECT_TRUE(guarded.passes(Asked{.host = "example", .method = "POST", .source = "198.51.100.8"}));
  EXPECT_TRUE(guarded.passes(Asked{.method = "POST", .source = "198.51.100.7"}));
  EXPECT_TRUE(guarded.passes(Asked{.method = "POST", .source = "198.51.101.0"}));
  EXPECT_TRUE(guarded.passes(Asked{.method = "POST", .source = "2001:db9::"}));
}

// What comes more than once: DENY by any of it, ALLOW by all of it.
TEST(Access, RepeatedFieldsAndParameters) {
  AccessRule rule;
  rule.headers = {{"x-key", texts({"good"}), {}}};
  AccessRule by_query;
  by_query.query = {{"k", texts({"g*"}), {}}};
  Guarded denying({deny({rule, by_query})}), allowing({allow({rule, by_query})});
  const Asked both{.headers = {{"X-Key", "good"}, {"X-Key", "bad"}}}, queries{.target = "/?k=bad&%6B=%67ood"};
  const Asked one{.headers = {{"x-key", "good"}}}, query{.target = "/?a=b&k=g"}, none{};
  EXPECT_FALSE(denying.passes(both));
  EXPECT_FALSE(denying.passes(queries));
  EXPECT_FALSE(allowing.passes(both));
  EXPECT_FALSE(allowing.passes(queries));
  EXPECT_TRUE(allowing.passes(one));
  EXPECT_TRUE(allowing.passes(query));
  EXPECT_TRUE(denying.passes(none));
  EXPECT_FALSE(allowing.passes(none));
}

TEST(Access, AbsenceMeetsOnlyWhatIsNotAsked) {
  AccessRule rule;
  rule.headers = {{"x-key", {}, texts({"*"})}};  // absent, or empty
  Guarded guarded({deny({rule})});
  EXPECT_FALSE(guarded.passes("/"));
  EXPECT_TRUE(guarded.passes(Asked{.headers = {{"x-key", "1"}}}));
}

TEST(Access, AnErrorNamesTheExpression) {
  AccessPolicy policy = deny({paths({"/a", "~ok", "~(x"})});
  policy.name = "ns/p";
  const auto built = Access::build(std::vector{policy});
  ASSERT_FALSE(built);
  EXPECT_TRUE(built.error().starts_with("RequestAccessPolicy/ns/p spec.rules[0].pathExpressions[1]: "))
      << built.error();
}

TEST(LenientPath, Readings) {
  const std::pair<const char*, const char*> kReadings[] = {
      {"/", "/"},
      {"/a/b", "/a/b"},
      {"//a", "/a"},
      {"/a//b//", "/a/b/"},
      {"/a%2Fb", "/a/b"},
      {"/%252561", "/a"},
      {"/a%5Cb\\c", "/a/b/c"},
      {"/a;x=1/b;y", "/a/b"},
      {"/a/..;/b", "/b"},
      {"/a/%2E%2E/%2e./b", "/b"},
      {"/..", "/"},
      {"/a/.", "/a/"},
      {"/a/..", "/"},
      {"/a/b/..", "/a/"},
      {"/.a/...", "/.a/..."},
      {"/a%20b%C3%A9%", "/a%20b%C3%A9%"},
      {"/%2", "/%2"},
      {"/;", "/"},
      {"/a%3Bb/c", "/a/c"},
      {"/v1/items%3Apurge", "/v1/items:purge"},
      {"/%2524batch/%40%21%2B%2C%3D%28", "/$batch/@!+,=("},
  };
  for (const auto& [path, reading] : kReadings) {
    std::string out(std::strlen(path), '!');
    EXPECT_EQ(lenient_path(path, out.data()), reading) << path;
  }
  // Layers of encoding are undone in linear time and without another byte.
  std::string deep = "/";
  for (int i = 0; i < 4000; ++i) deep += i == 0 ? "%25" : "25";
  deep += "61";
  std::string out(deep.size(), '!');
  EXPECT_EQ(lenient_path(deep, out.data()), "/a");
}

// --- the naive reading

std::string naive_lenient(std::string path) {
  for (;;) {
    std::string next;
    bool changed = false;
    for (size_t i = 0; i < path.size(); ++i) {
      if (!changed && path[i] == '%' && i + 2 < path.size() && std::isxdigit(static_cast<unsigned char>(path[i + 1])) &&
          std::isxdigit(static_cast<unsigned char>(path[i + 2]))) {
        const char c = static_cast<char>(std::stoi(path.substr(i + 1, 2), nullptr, 16));
        if (std::isalnum(static_cast<unsigned char>(c)) || std::string("-._~/\\%;").find(c) != std::string::npos) {
          next += c;
          i += 2;
          changed = true;
          continue;
        }
      }
      next += path[i];
    }
    path = next;
    if (!changed) break;
  }
  std::replace(path.begin(), path.end(), '\\', '/');
  std::vector<std::string> parts, kept;
  for (size_t at = 1;;) {
    const size_t end = path.find('/', at);
    parts.push_back(path.substr(at, end == std::string::npos ? end : end - at));
    if (end == std::string::npos) break;
    at = end + 1;
  }
  bool open = false;
  for (std::string part : parts) {
    part = part.substr(0, part.find(';'));
    open = part.empty() || part == "." || part == "..";
    if (part == ".." && !kept.empty()) kept.pop_back();
    if (!open) kept.push_back(part);
  }
  std::string out;
  for (const std::string& part : kept) out += "/" + part;
  return open ? out + "/" : out;
}

bool naive_text(const TextMatches& matches, const std::string& value) {
  for (const TextMatch& each : matches) {
    switch (each.kind) {
      case TextKind::kExact:
        if (value == each.value) return true;
        break;
      case TextKind::kPrefix:
        if (value.starts_with(each.value)) return true;
        break;
      case TextKind::kSuffix:
        if (value.ends_with(each.value)) return true;
        break;
      case TextKind::kPresent:
        if (!value.empty()) return true;
        break;
      case TextKind::kRegex:
        if (std::regex_match(value, std::regex(each.value))) return true;
        break;
    }
  }
  return false;
}

bool naive_pair(const TextMatches& wanted, const TextMatches& unwanted, const std::string& value) {
  return (wanted.empty() || naive_text(wanted, value)) && !naive_text(unwanted, value);
}

bool naive_values(const FieldMatch& wanted, const std::vector<std::string>& values, bool any) {
  if (values.empty()) return wanted.values.empty();
  size_t met = 0;
  for (const std::string& each : values) met += naive_pair(wanted.values, wanted.not_values, each);
  return any ? met != 0 : met == values.size();
}

TextMatches naive_lenient(TextMatches matches) {
  for (TextMatch& each : matches)
    if (each.kind == TextKind::kExact || each.kind == TextKind::kPrefix) each.value = naive_lenient(each.value);
  return matches;
}

bool naive_rule(const AccessRule& rule, const Asked& asked, const std::string& path, bool any) {
  const base::IpAddress source = *base::IpAddress::parse(asked.source);
  const auto holds = [&](const base::Prefix& prefix) { return prefix.contains(source); };
  if (!rule.from.empty() && std::none_of(rule.from.begin(), rule.from.end(), holds)) return false;
  if (std::any_of(rule.not_from.begin(), rule.not_from.end(), holds)) return false;
  if (!naive_pair(rule.methods, rule.not_methods, asked.method)) return false;
  if (!naive_pair(rule.hosts, rule.not_hosts, asked.host)) return false;
  const bool as_is = naive_pair(rule.paths, rule.not_paths, path);
  const bool lenient = naive_pair(naive_lenient(rule.paths), naive_lenient(rule.not_paths), naive_lenient(path));
  if (!(any ? as_is || lenient : as_is && lenient)) return false;
  for (const FieldMatch& each : rule.headers) {
    std::vector<std::string> values;
    for (const auto& [name, value] : asked.headers)
      if (name == each.name) values.push_back(value);
    if (!naive_values(each, values, any)) return false;
  }
  for (const FieldMatch& each : rule.query) {
    std::vector<std::string> values;
    const size_t mark = asked.target.find('?');
    for (std::string rest = mark == std::string::npos ? "" : asked.target.substr(mark + 1); !rest.empty();) {
      const std::string one = rest.substr(0, rest.find('&'));
      rest = one.size() == rest.size() ? "" : rest.substr(one.size() + 1);
      if (one.substr(0, one.find('=')) == each.name) values.push_back(one.substr(one.find('=') + 1));
    }
    if (!naive_values(each, values, any)) return false;
  }
  return true;
}

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }
  bool one_in(unsigned n) { return below(n) == 0; }
  std::string pick(const std::vector<std::string>& from) { return from[below(static_cast<unsigned>(from.size()))]; }

 private:
  std::mt19937 random_;
};

const std::vector<std::string> kPaths{"/a", "/a/b", "/ab", "/b/", "/a/..%2Fb", "//a", "/a;x", "/%2561", "/", "/a%5Cb"};
const std::vector<std::string> kPathTexts{"/a", "/a*", "/a/b", "*b", "*", "~/a.*", "~/[ab]+/?", "/ab*", "/b/", "*/"};
const std::vector<std::string> kValues{"1", "2", "12", "ab", "b"};
const std::vector<std::string> kValueTexts{"1", "1*", "*2", "*", "~[0-9]+", "ab", "~a?b"};
const std::vector<std::string> kHosts{"shop.example", "a.shop.example", "other"};
const std::vector<std::string> kHostTexts{"shop.example", "*.example", "other", "*"};
const std::vector<std::string> kMethods{"GET", "POST", "BREW"};
const std::vector<std::string> kSources{"198.51.100.7", "198.51.100.200", "192.0.2.1", "2001:db8::5"};
const std::vector<std::string> kPrefixes{"198.51.100.0/25", "0.0.0.0/0",         "192.0.2.1",
                                         "2001:db8::/64",   "198.51.100.128/25", "::/0"};

TextMatches some(Dice& dice, const std::vector<std::string>& from, unsigned one_in) {
  TextMatches out;
  if (!dice.one_in(one_in)) return out;
  do out.push_back(text(dice.pick(from)));
  while (dice.one_in(2));
  return out;
}

std::vector<base::Prefix> some_prefixes(Dice& dice) {
  std::vector<base::Prefix> out;
  while (dice.one_in(5)) out.push_back(*base::Prefix::parse(dice.pick(kPrefixes)));
  return out;
}

AccessRule random_rule(Dice& dice) {
  AccessRule rule;
  rule.from = some_prefixes(dice);
  rule.not_from = some_prefixes(dice);
  rule.hosts = some(dice, kHostTexts, 4);
  rule.not_hosts = some(dice, kHostTexts, 8);
  rule.paths = some(dice, kPathTexts, 2);
  rule.not_paths = some(dice, kPathTexts, 4);
  rule.methods = some(dice, kMethods, 4);
  rule.not_methods = some(dice, kMethods, 6);
  for (auto* fields : {&rule.headers, &rule.query}) {
    if (!dice.one_in(3)) continue;
    FieldMatch field{dice.one_in(2) ? "x" : "y", some(dice, kValueTexts, 2), some(dice, kValueTexts, 2)};
    fields->push_back(std::move(field));
  }
  return rule;
}

Asked random_request(Dice& dice) {
  Asked asked{dice.pick(kPaths), dice.pick(kHosts), dice.pick(kMethods), dice.pick(kSources), {}};
  while (dice.one_in(2)) asked.headers.emplace_back(dice.one_in(2) ? "x" : "y", dice.pick(kValues));
  std::string query;
  while (dice.one_in(2))
    query += (query.empty() ? "?" : "&") + std::string(dice.one_in(2) ? "x=" : "y=") + dice.pick(kValues);
  asked.target += query;
  return asked;
}

TEST(AccessProperty, AsTheNaiveReading) {
  constexpr unsigned kTables = 60, kRequests = 120;
  unsigned denied = 0;
  for (unsigned seed = 1; seed <= kTables; ++seed) {
    Dice dice(seed);
    std::vector<AccessPolicy> policies;
    for (unsigned n = 1 + dice.below(5); n > 0; --n) {
      AccessPolicy policy = dice.one_in(2) ? deny({}) : allow({});
      policy.shadow = dice.one_in(4);
      for (unsigned rules = dice.below(4); rules > 0; --rules) policy.rules.push_back(random_rule(dice));
      policies.push_back(std::move(policy));
    }
    Guarded guarded(policies);
    for (unsigned i = 0; i < kRequests; ++i) {
      const Asked asked = random_request(dice);
      const AccessVerdict verdict = guarded.judge(asked, dice.below(static_cast<unsigned>(policies.size()) + 1));
      const std::string path(guarded.head().path());
      bool deny_met = false, allow_met = false, allow_asked = false;
      std::map<uint32_t, int> shadows;
      for (const AccessPolicy& policy : guarded.policies()) {
        const bool any = policy.action == AccessAction::kDeny;
        const auto met = std::find_if(policy.rules.begin(), policy.rules.end(),
                                      [&](const AccessRule& rule) { return naive_rule(rule, asked, path, any); });
        if (policy.shadow && met != policy.rules.end()) ++shadows[met->slot];
        if (policy.shadow) continue;
        (any ? deny_met : allow_met) |= met != policy.rules.end();
        allow_asked |= !any;
      }
      const bool want = deny_met || (allow_asked && !allow_met);
      ASSERT_EQ(verdict.denied, want) << "seed " << seed << " request " << i << " " << asked.target;
      ASSERT_EQ(verdict.slot != kNoSlot, want);
      for (const auto& [slot, n] : shadows) ASSERT_EQ(guarded.counted[slot], n) << "seed " << seed << " slot " << slot;
      denied += want;
    }
  }
  EXPECT_GT(denied, kTables * kRequests / 10);
  EXPECT_LT(denied, kTables * kRequests * 9 / 10);
}

}  // namespace
}  // namespace penstock::guard
