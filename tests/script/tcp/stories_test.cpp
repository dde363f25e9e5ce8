// One test per story of this folder, played from several initial numbers; and the table of states and kinds of
// segments, which has no empty cell. `script_tcp --cells` prints the table, PENSTOCK_STORIES=DIR plays the stories of
// another folder.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <set>

#include "script/tcp/player.h"

namespace penstock::tcp::script {
namespace {

// Far from any wrap; at both wraps; where signed comparison changes; a thousand bytes before the wrap.
constexpr Origin kOrigins[] = {{1000, 5000, 700},
                               {0xffffffff, 0xffffffff, 0xffffffff},
                               {0x7ffffff0, 0x7ffffe00, 0x7fffffff},
                               {0xfffffc18, 0xfffffa24, 0xffffff00}};

constexpr const char* kStates[] = {"CLOSED",     "LISTEN",     "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
                                   "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",  "LAST-ACK",     "TIME-WAIT"};
constexpr const char* kKinds[] = {"SYN",         "SYN-outside", "SYN-ACK",       "ACK-old",      "ACK-ancient",
                                  "ACK-valid",   "ACK-future",  "no-ACK",        "data",         "data-gap",
                                  "data-partly", "data-beyond", "data-old",      "data-outside", "FIN",
                                  "FIN-gap",     "RST-exact",   "RST-in-window", "RST-outside",  "RST-ACK",
                                  "bad-options", "urgent",      "window-update"};

using Table = std::map<Cell, std::vector<std::string>>;

Table table_of(const std::vector<Story>& stories) {
  Table table;
  for (const Story& s : stories)
    for (const Cell& c : s.cells) table[c].push_back(s.name);
  return table;
}

void print(const Table& table) {
  std::cout << "| segment |";
  for (const char* state : kStates) std::cout << ' ' << state << " |";
  std::cout << "\n|---|";
  for (size_t i = 0; i < std::size(kStates); ++i) std::cout << "---|";
  for (const char* kind : kKinds) {
    std::cout << "\n| " << kind << " |";
    for (const char* state : kStates) {
      const auto it = table.find({state, kind});
      std::cout << ' ' << (it == table.end() ? "**none**" : it->second.front());
      if (it != table.end() && it->second.size() > 1) std::cout << " +" << it->second.size() - 1;
      std::cout << " |";
    }
  }
  std::cout << "\n";
}

class StoryTest : public testing::Test {
 public:
  explicit StoryTest(const Story& story) : story_(story) {}
  void TestBody() override {
    for (const Origin& origin : kOrigins) {
      try {
        play(story_, origin);
      } catch (const ScriptError& e) {
        ADD_FAILURE_AT(e.where.file.c_str(), e.where.line) << e.what();
        return;
      }
    }
  }

 private:
  const Story& story_;
};

class TableTest : public testing::Test {
 public:
  explicit TableTest(const std::vector<Story>& stories) : table_(table_of(stories)) {}
  void TestBody() override {
    std::set<Cell> cells;
    for (const char* state : kStates)
      for (const char* kind : kKinds) cells.insert({state, kind});
    for (const Cell& c : cells) EXPECT_TRUE(table_.contains(c)) << "no story tells of " << c.state << " x " << c.kind;
    for (const auto& [c, names] : table_)
      EXPECT_TRUE(cells.contains(c)) << "no such cell: " << c.state << " x " << c.kind << " of " << names.front();
  }

 private:
  Table table_;
};

int run(int argc, char** argv) {
  const char* asked = std::getenv("PENSTOCK_STORIES");
  std::vector<Story> stories;
  try {
    stories = load(asked != nullptr ? asked : PENSTOCK_STORY_FOLDER);
  } catch (const ScriptError& e) {
    std::cerr << e.where.file << ":" << e.where.line << ": " << e.what() << "\n";
    return 1;
  }
  if (argc > 1 && std::strcmp(argv[1], "--cells") == 0) {
    print(table_of(stories));
    return 0;
  }
  testing::InitGoogleTest(&argc, argv);
  for (const Story& s : stories) {
    testing::RegisterTest("Story", s.name.c_str(), nullptr, nullptr, s.where.file.c_str(), s.where.line,
                          [&s]() -> StoryTest* { return new StoryTest(s); });
  }
  if (asked == nullptr) {
    testing::RegisterTest("Cells", "EveryStateMeetsEveryKindOfSegment", nullptr, nullptr, __FILE__, __LINE__,
                          [&stories]() -> TableTest* { return new TableTest(stories); });
  }
  return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace penstock::tcp::script

int main(int argc, char** argv) { return penstock::tcp::script::run(argc, argv); }
