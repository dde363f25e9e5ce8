#include "control/telemetry/log_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace penstock::telemetry {
namespace {

namespace fs = std::filesystem;

class LogFileTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/penstock-log-XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    folder_ = pattern;
    path_ = folder_ / "access.log";
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::unique_ptr<LogFile> open(uint64_t most = 0) {
    auto file = LogFile::open(path_, most);
    EXPECT_TRUE(file) << (file ? "" : file.error());
    return file ? std::move(*file) : nullptr;
  }
  static std::string content(const fs::path& path) {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }

  fs::path folder_, path_;
};

TEST_F(LogFileTest, AppendsToWhatIsThere) {
  std::ofstream(path_) << "old\n";
  const auto file = open();
  EXPECT_TRUE(file->write("a\nb\n"));
  EXPECT_TRUE(file->write("c\n"));
  EXPECT_EQ(content(path_), "old\na\nb\nc\n");
  EXPECT_EQ(file->lost(), 0u);
}

TEST_F(LogFileTest, AnErrorNamesThePath) {
  const auto file = LogFile::open(folder_ / "none" / "x", 0);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error(), (folder_ / "none" / "x").string() + ": No such file or directory");
}

TEST_F(LogFileTest, ReopenedAfterARename) {
  const auto file = open();
  EXPECT_TRUE(file->write("a\n"));
  fs::rename(path_, folder_ / "older");
  EXPECT_TRUE(file->write("b\n"));
  EXPECT_TRUE(file->reopen());
  EXPECT_TRUE(file->write("c\n"));
  EXPECT_EQ(content(folder_ / "older"), "a\nb\n");
  EXPECT_EQ(content(path_), "c\n");
}

TEST_F(LogFileTest, WhatCannotBeReopenedGoesOn) {
  const auto file = open();
  fs::rename(path_, folder_ / "older");
  fs::create_directory(path_);
  EXPECT_FALSE(file->reopen());
  EXPECT_TRUE(file->write("a\n"));
  EXPECT_EQ(content(folder_ / "older"), "a\n");
}

TEST_F(LogFileTest, RotatesBySizeAndKeepsOneOlderFile) {
  const auto file = open(10);
  for (const char* line : {"1234\n", "5678\n", "abcd\n", "efgh\n", "last\n"}) EXPECT_TRUE(file->write(line));
  EXPECT_EQ(content(path_), "last\n");
  EXPECT_EQ(content(path_.string() + ".1"), "abcd\nefgh\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 2);
}

TEST_F(LogFileTest, MoreThanTheMostIsStillWritten) {
  const auto file = open(4);
  EXPECT_TRUE(file->write("longer than that\n"));
  EXPECT_EQ(content(path_), "longer than that\n");
}

// A file that may not grow stands for a full disk: the line that broke off is taken back.
TEST_F(LogFileTest, AFullDiskLosesLinesWithACountAndRecovers) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const auto file = open();
  const rlimit small{8, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto first = file->write("aaaa\nbbbb\ncccc\n");
  const auto second = file->write("dddd\n");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_FALSE(first);
  EXPECT_FALSE(second);
  EXPECT_EQ(second.error(), path_.string() + ": File too large");
  EXPECT_EQ(file->lost(), 3u);
  EXPECT_TRUE(file->write("eeee\n"));
  EXPECT_EQ(content(path_), "aaaa\neeee\n");
}

TEST_F(LogFileTest, APipeThatNobodyReadsIsNotWaitedForForEver) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  const int reader = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  const auto file = open();
  std::string lines;
  while (lines.size() < 256 * 1024) lines += "0123456789abcde\n";
  EXPECT_FALSE(file->write(lines));
  EXPECT_GT(file->lost(), 0u);
  EXPECT_LT(file->lost(), lines.size() / 16);
  close(reader);
}

TEST_F(LogFileTest, AFullDeviceIsAnError) {
  auto file = LogFile::open("/dev/full", 0);
  ASSERT_TRUE(file);
  EXPECT_FALSE((*file)->write("a\nb\n"));
  EXPECT_EQ((*file)->lost(), 2u);
}

}  // namespace
}  // namespace penstock::telemetry
