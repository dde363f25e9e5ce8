// The table against the naive router, on random routes and random requests made of few words, so that they meet.
#include <random>

#include "unit/l7/route/naive_router.h"
#include "unit/l7/route/route_stories.h"

namespace penstock::route {
namespace {

constexpr unsigned kTables = 100;
constexpr unsigned kRequestsPerTable = 1000;

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }
  bool one_in(unsigned n) { return below(n) == 0; }
  std::string pick(const std::vector<std::string>& from) { return from[below(static_cast<unsigned>(from.size()))]; }

 private:
  std::mt19937 random_;
};

const std::vector<std::string> kLabels{"a", "b", "com", "shop"};
const std::vector<std::string> kSegments{"a", "b", "ab", "a-segment-of-more-than-twenty-bytes",
                                         "a-segment-of-more-than-twenty-bytEs"};
const std::vector<std::string> kNames{"x", "accept", "X", "y-long-name"};
const std::vector<std::string> kValues{"1", "2", "ab", "a"};
const std::vector<std::string> kExpressions{"[ab12]", ".*", "a.*", "\\d+", "(a|b)*", "a|ab"};
const std::vector<std::string> kPathExpressions{"/.*",  "/[ab]+",       "(/a)*", "/a/.*",
                                                ".*/b", "/(a|b)(/.*)?", "/",     "/a|/b"};
const std::vector<http::Method> kMethods{http::Method::kGet, http::Method::kPost, http::Method::kConnect};

std::string random_host(Dice& dice) {
  std::string host = dice.pick(kLabels);
  for (unsigned n = dice.below(3); n > 0; --n) host = dice.pick(kLabels) + "." + host;
  return host;
}

std::string random_path(Dice& dice) {
  std::string path;
  for (unsigned n = dice.below(4); n > 0; --n) path += "/" + dice.pick(kSegments);
  return path.empty() || dice.one_in(5) ? path + "/" : path;
}

std::vector<config::Condition> random_conditions(Dice& dice) {
  std::vector<config::Condition> conditions;
  while (dice.one_in(3)) {
    const bool is_regex = dice.one_in(3);
    conditions.push_back({dice.pick(kNames), dice.pick(is_regex ? kExpressions : kValues), is_regex});
  }
  return conditions;
}

config::Match random_match(Dice& dice) {
  config::Match match;
  switch (dice.below(4)) {
    case 0:
      match = exact(random_path(dice));
      break;
    case 1:
      match = regex(dice.pick(kPathExpressions));
      break;
    default:
      match = prefix(random_path(dice));
      break;
  }
  if (dice.one_in(3)) match.method = kMethods[dice.below(3)];
  match.headers = random_conditions(dice);
  match.query = random_conditions(dice);
  return match;
}

std::vector<config::Route> random_routes(Dice& dice) {
  std::vector<config::Route> routes;
  for (unsigned n = 1 + dice.below(24); n > 0; --n) {
    config::Route made;
    made.name = dice.pick(kLabels) + "/" + dice.pick(kSegments) + std::to_string(dice.below(3));
    made.created = dice.below(3);
    while (dice.one_in(2) && made.hostnames.size() < 16)
      made.hostnames.push_back(dice.one_in(2) ? random_host(dice) : "*." + random_host(dice));
    for (unsigned r = 1 + dice.below(3); r > 0; --r) {
      config::Rule rule;
      for (unsigned m = dice.below(4); m > 0; --m) rule.matches.push_back(random_match(dice));
      made.rules.push_back(rule);
    }
    routes.push_back(made);
  }
  return routes;
}

void random_request(Dice& dice, http::RequestHead& head) {
  head.clear();
  head.method = kMethods[dice.one_in(20) ? 2 : dice.below(2)];
  if (!dice.one_in(30)) {
    ASSERT_EQ(head.set_authority(random_host(dice) + (dice.one_in(4) ? ":80" : "")), http::Fault::kNone);
  }
  if (head.method != http::Method::kConnect) {
    ASSERT_EQ(head.set_path(random_path(dice) + (dice.one_in(10) ? "/" : ""), {}), http::Fault::kNone);
  }
  std::string query;
  while (dice.one_in(2)) query += (query.empty() ? "" : "&") + dice.pick(kNames) + "=" + dice.pick(kValues);
  if (dice.one_in(8)) query += "&%78=a+";
  ASSERT_EQ(head.set_query(query), http::Fault::kNone);
  while (dice.one_in(2)) ASSERT_EQ(head.fields.add(dice.pick(kNames), dice.pick(kValues)), http::Fault::kNone);
}

TEST(Property, TheTableFindsWhatTheNaiveRouterFinds) {
  http::RequestHead head{http::HeadLimits{}};
  unsigned served = 0;
  for (unsigned seed = 1; seed <= kTables; ++seed) {
    Dice dice(seed);
    const auto routes = random_routes(dice);
    auto table = RouteTable::build(routes);
    ASSERT_TRUE(table) << "seed " << seed << ": " << table.error();
    auto scratch = table->make_scratch();
    ASSERT_TRUE(scratch) << scratch.error();
    NaiveRouter naive(routes);
    for (unsigned i = 0; i < kRequestsPerTable; ++i) {
      random_request(dice, head);
      const Candidate* found = find_route(*table, head, *scratch);
      Place expected{};
      const bool any = naive.find(head, expected);
      served += any;
      const std::string what = "seed " + std::to_string(seed) + ", request " + std::to_string(i) + ": " +
                               std::string(head.method_text()) + " " + std::string(head.host()) + " " +
                               std::string(head.path()) + "?" + std::string(head.query());
      ASSERT_EQ(found != nullptr, any) << what;
      if (!found) continue;
      const Place place{found->route, found->rule, found->match};
      ASSERT_TRUE(place == expected) << what << ": " << place.route << "." << place.rule << "." << place.match
                                     << " instead of " << expected.route << "." << expected.rule << "."
                                     << expected.match;
    }
  }
  EXPECT_GT(served, kTables * kRequestsPerTable / 4);  // random requests do meet routes,
  EXPECT_LT(served, kTables * kRequestsPerTable);      // and some meet none
}

}  // namespace
}  // namespace penstock::route
