// Where patterns are looked for, in which encodings, and that nothing is found where nobody asked.
#include "l7/guard/inspection.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace penstock::guard {
namespace {

config::InspectionPattern pattern(std::string expression, uint8_t parts, std::vector<std::string> headers = {}) {
  config::InspectionPattern made;
  made.expression = std::move(expression);
  made.parts = parts;
  made.headers = std::move(headers);
  return made;
}

class Inspected {
 public:
  explicit Inspected(std::vector<config::InspectionPattern> patterns, uint32_t body_bytes = 100)
      : head_(http::HeadLimits{}) {
    config::Inspection from{"ns/i", std::move(patterns), body_bytes};
    for (uint32_t i = 0; i < from.patterns.size(); ++i) {
      from.patterns[i].name = "p" + std::to_string(i);
      from.patterns[i].slot = i;
    }
    auto built = Inspection::build(from);
    if (!built) {
      ADD_FAILURE() << built.error();
      return;
    }
    inspection_ = std::move(*built);
    EXPECT_TRUE(scratch_.fit(inspection_));
  }

  using Which = std::vector<uint32_t>;
  Which head(const std::string& target, std::vector<std::pair<std::string, std::string>> fields = {},
             const std::string& host = "shop.example") {
    head_.clear();
    EXPECT_EQ(head_.set_authority(host), http::Fault::kNone);
    const size_t mark = target.find('?');
    EXPECT_EQ(head_.set_path(target.substr(0, mark), {}), http::Fault::kNone) << target;
    if (mark != std::string::npos) {
      EXPECT_EQ(head_.set_query(target.substr(mark + 1)), http::Fault::kNone);
    }
    for (const auto& [name, value] : fields) EXPECT_EQ(head_.fields.add(name, value), http::Fault::kNone);
    inspection_.scan_head(head_, scratch_);
    return reported();
  }
  Which body(std::string_view text, bool is_form = false) {
    inspection_.scan_body({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, {}, is_form, scratch_);
    return reported();
  }

 private:
  Which reported() {
    Which which;
    inspection_.report(scratch_, [&](const Inspection::Pattern& found) { which.push_back(found.slot); });
    return which;
  }

  Inspection inspection_;
  InspectionScratch scratch_;
  http::RequestHead head_;
};
using Which = Inspected::Which;

TEST(Inspection, EachPartForThoseWhoAsk) {
  Inspected all({pattern("evil", config::kInspectPath), pattern("evil", config::kInspectQuery),
                 pattern("evil", config::kInspectHeaders), pattern("evil", config::kInspectBody),
                 pattern("evil", 0, {"x-one"}), pattern("evil", config::kInspectPath | config::kInspectQuery)});
  EXPECT_EQ(all.head("/"), Which{});
  EXPECT_EQ(all.head("/evil"), (Which{0, 5}));
  EXPECT_EQ(all.head("/?evil"), (Which{1, 5}));
  EXPECT_EQ(all.head("/", {{"X-Two", "an evil"}}), (Which{2}));
  EXPECT_EQ(all.head("/", {{"X-One", "evil"}}), (Which{2, 4}));
  EXPECT_EQ(all.head("/", {{"X-Evil", "a"}}), Which{});
  EXPECT_EQ(all.head("/", {}, "evil.example"), (Which{2}));
  EXPECT_EQ(all.body("an evil"), (Which{3}));
  EXPECT_EQ(all.body("nothing"), Which{});
}

TEST(Inspection, NothingIsFoundAcrossTexts) {
  Inspected all({pattern("ab", config::kInspectPath | config::kInspectQuery | config::kInspectHeaders)});
  EXPECT_EQ(all.head("/a?b", {{"X", "a"}, {"Y", "b"}}), Which{});
}

TEST(Inspection, HoweverItIsEncoded) {
  Inspected all({pattern("<script>", config::kInspectPath | config::kInspectQuery | config::kInspectBody),
                 pattern("union select", config::kInspectQuery | config::kInspectBody),
                 pattern("%3C", config::kInspectQuery)});
  for (const char* target : {"/%3Cscript%3E", "/%3cscript%3e", "/%253Cscript%253E", "/%25253Cscript%3E"})
    EXPECT_EQ(all.head(target), (Which{0})) << target;
  for (const char* query : {"/?q=%3Cscript%3E", "/?%253Cscript%3E", "/?%25253cscript%25253E"})
    EXPECT_TRUE(std::ranges::count(all.head(query), 0u)) << query;
  EXPECT_EQ(all.head("/?q=%3C"), (Which{2}));
  EXPECT_EQ(all.head("/?union+select"), (Which{1}));
  EXPECT_EQ(all.head("/?union%20select"), (Which{1}));
  EXPECT_EQ(all.head("/?%75nion%2bselect"), Which{});  // that "+" is one
  EXPECT_EQ(all.body("%3Cscript>"), Which{});
  EXPECT_EQ(all.body("%3Cscript>", true), (Which{0}));
  EXPECT_EQ(all.body("a=union+select", true), (Which{1}));
  EXPECT_EQ(all.head("/?100%&%zz%"), Which{});
}

TEST(Inspection, OnlyTheBeginningOfTheContent) {
  Inspected all({pattern("evil", config::kInspectBody)}, 10);
  EXPECT_EQ(all.body("123456evil"), (Which{0}));
  EXPECT_EQ(all.body("1234567evil"), Which{});
}

TEST(Inspection, AThousandPatternsAtOnce) {
  std::vector<config::InspectionPattern> patterns;
  for (int i = 0; i < 1000; ++i)
    patterns.push_back(
        pattern("word" + std::to_string(i) + "\\b", i % 2 == 0 ? config::kInspectPath : config::kInspectQuery));
  Inspected all(patterns);
  EXPECT_EQ(all.head("/word2/word3/word998?word1&word998&word999"), (Which{1, 2, 998, 999}));
}

TEST(Inspection, TheErrorNamesTheExpression) {
  const config::Inspection from{"ns/i", {pattern("ok", 1), pattern("a(", 1)}};
  const auto built = Inspection::build(from);
  ASSERT_FALSE(built);
  EXPECT_TRUE(built.error().starts_with("RequestInspection/ns/i spec.patterns[1].expression: ")) << built.error();
}

}  // namespace
}  // namespace penstock::guard
