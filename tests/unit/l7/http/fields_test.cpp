#include "l7/http/fields.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "l7/http/chars.h"
#include "l7/http/limits.h"

namespace penstock::http {
namespace {

struct Sample {
  explicit Sample(uint32_t bytes = 1024, uint32_t count = 8) : arena(bytes), fields(arena, count) {}
  std::string all() const {
    std::string text;
    for (const Field& field : fields)
      text += std::string(fields.name(field)) + "=" + std::string(fields.value(field)) + ";";
    return text;
  }
  Arena arena;
  Fields fields;
};

TEST(Fields, KeepsOrderAndFindsInAnyCase) {
  Sample s;
  EXPECT_EQ(s.fields.add("Accept", " text/html\t"), Fault::kNone);
  EXPECT_EQ(s.fields.add("X-Colour", "red"), Fault::kNone);
  EXPECT_EQ(s.fields.add("ACCEPT", "*/*"), Fault::kNone);
  EXPECT_EQ(s.all(), "accept=text/html;x-colour=red;accept=*/*;");
  EXPECT_EQ(s.fields.value_of("aCCept"), "text/html");
  EXPECT_EQ(s.fields.value_of(FieldId::kAccept), "text/html");
  const Field* first = s.fields.find(FieldId::kAccept);
  EXPECT_EQ(s.fields.value(*s.fields.find(FieldId::kAccept, first + 1)), "*/*");
  EXPECT_EQ(s.fields.value_of("X-COLOUR"), "red");
  EXPECT_EQ(s.fields.find("x-colou"), nullptr);
  EXPECT_EQ(s.fields.find(FieldId::kHost), nullptr);
  EXPECT_EQ(s.fields.find(std::string(kMaxFieldNameBytes + 1, 'a')), nullptr);
}

TEST(Fields, RefusesWhatWouldBreakAMessage) {
  Sample s;
  EXPECT_EQ(s.fields.add("", "x"), Fault::empty_field_name);
  EXPECT_EQ(s.fields.add("a b", "x"), Fault::bad_field_name);
  EXPECT_EQ(s.fields.add("a:", "x"), Fault::bad_field_name);
  EXPECT_EQ(s.fields.add(std::string(kMaxFieldNameBytes + 1, 'a'), "x"), Fault::bad_field_name);
  EXPECT_EQ(s.fields.add("a", "x\r\nb: y"), Fault::bad_field_value);
  EXPECT_EQ(s.fields.add("a", std::string_view("\0", 1)), Fault::bad_field_value);
  EXPECT_EQ(s.fields.add(FieldId::kVia, "x\ny"), Fault::bad_field_value);
  EXPECT_TRUE(s.fields.empty());
}

TEST(Fields, SetReplacesAllOfTheNameInTheFirstPlace) {
  Sample s;
  for (const char* value : {"1", "2", "3"}) ASSERT_EQ(s.fields.add("X-A", value), Fault::kNone);
  ASSERT_EQ(s.fields.add("b", "4"), Fault::kNone);
  ASSERT_EQ(s.fields.add("x-a", "5"), Fault::kNone);
  EXPECT_EQ(s.fields.set("x-a", s.fields.value_of("x-a")), Fault::kNone);  // a view of itself
  EXPECT_EQ(s.all(), "x-a=1;b=4;");
  EXPECT_EQ(s.fields.set(FieldId::kVia, "1.1 a"), Fault::kNone);
  EXPECT_EQ(s.all(), "x-a=1;b=4;via=1.1 a;");
}

TEST(Fields, RemovesByNameAndBySet) {
  Sample s;
  for (const char* name : {"Via", "b", "Date", "b", "c"}) ASSERT_EQ(s.fields.add(name, name), Fault::kNone);
  s.fields.remove("B");
  EXPECT_EQ(s.all(), "via=Via;date=Date;c=c;");
  s.fields.remove_all(set_of(FieldId::kVia, FieldId::kDate, FieldId::kHost));
  EXPECT_EQ(s.all(), "c=c;");
  EXPECT_FALSE(s.fields.has(FieldId::kVia));
  s.fields.remove("c");
  EXPECT_TRUE(s.fields.empty());
}

TEST(Fields, BoundsAreExactAndLeaveEverythingAsItWas) {
  Sample s(10, 2);
  EXPECT_EQ(s.fields.add("abc", "defghijk"), Fault::fields_too_large);
  EXPECT_EQ(s.fields.add("abc", "defghij"), Fault::kNone);
  EXPECT_EQ(s.fields.set("abc", "x"), Fault::fields_too_large);
  EXPECT_EQ(s.all(), "abc=defghij;");
  Sample few(1024, 2);
  EXPECT_EQ(few.fields.add("a", "1"), Fault::kNone);
  EXPECT_EQ(few.fields.add("b", "2"), Fault::kNone);
  EXPECT_EQ(few.fields.add("c", "3"), Fault::too_many_fields);
  EXPECT_EQ(few.fields.set("b", "3"), Fault::kNone);  // replacing needs no place
  EXPECT_EQ(few.all(), "a=1;b=3;");
}

TEST(FieldId, EveryKnownNameIsFoundAndNothingElse) {
  for (size_t i = 1; i < static_cast<size_t>(FieldId::kCount); ++i) {
    const auto id = static_cast<FieldId>(i);
    std::string name(name_of(id));
    EXPECT_EQ(field_id_of(name), id) << name;
    EXPECT_EQ(field_id_of(name + "x"), FieldId::kUnknown) << name;
    name.back() = '!';
    EXPECT_EQ(field_id_of(name), FieldId::kUnknown) << name;
  }
  EXPECT_EQ(field_id_of(""), FieldId::kUnknown);
  EXPECT_EQ(field_id_of("x"), FieldId::kUnknown);
}

TEST(Chars, TokensAreThoseOfRfc9110) {
  const std::string tchar = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    EXPECT_EQ(is(c, kToken), tchar.find(c) != std::string::npos) << byte;
    EXPECT_EQ(is(c, kFieldValue), byte == 9 || (byte >= 0x20 && byte != 0x7f)) << byte;
  }
}

TEST(Chars, ListsKeepTheirEmptyElements) {
  std::vector<std::string> elements;
  for_each_element(" a ,,b,\t", [&](std::string_view e) { elements.emplace_back(e); });
  EXPECT_EQ(elements, (std::vector<std::string>{"a", "", "b", ""}));
}

TEST(Fault, EveryFaultHasANameASentenceAndAStatus) {
  for (size_t i = 0; i < kFaults; ++i) {
    const FaultInfo& fault = info(static_cast<Fault>(i));
    EXPECT_NE(std::string(fault.name), "");
    EXPECT_NE(std::string(fault.sentence), "");
    EXPECT_TRUE(i == 0 ? fault.status == 200 : fault.status >= 400 && fault.status < 600);
  }
}

}  // namespace
}  // namespace penstock::http
