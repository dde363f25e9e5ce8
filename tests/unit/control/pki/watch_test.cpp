#include "control/pki/watch.h"

#include "unit/control/pki/forge.h"

namespace penstock::pki {
namespace {

class WatchTest : public DirectoryTest {
 protected:
  WatchPaths paths(bool lists = true) const {
    return {path("svid.crt"), path("svid.key"), path("bundle.crt"), lists ? path("crl.pem") : ""};
  }
  void put(const Identity& identity) {
    write("svid.crt", identity.certificate.pem());
    write("svid.key", std::string(identity.key.pem().view()), 0600);
  }
  void put_trust() {
    write("bundle.crt", root_.certificate.pem());
    write("crl.pem", forge_list(root_, {}, kNow, kNow + kDay).pem());
  }
  // As a clock of a second would: until nothing more happens.
  static int changes(Watch& watch) {
    int out = 0;
    for (int i = 0; i < 4; ++i) out += watch.poll() ? 1 : 0;
    return out;
  }

  const Identity root_ = forge(forged_root());
  const Identity first_ = forge({.serial = 1}, &root_), second_ = forge({.serial = 2}, &root_);
};

TEST_F(WatchTest, LoadsOnceAndThenOnChange) {
  put(first_);
  put_trust();
  Watch watch(paths());
  EXPECT_FALSE(watch.current());
  EXPECT_TRUE(watch.poll());
  ASSERT_TRUE(watch.current());
  EXPECT_EQ(watch.fault(), "");
  EXPECT_EQ(watch.current()->number, 1u);
  EXPECT_EQ(watch.current()->trust.trust_domain(), "example.org");
  EXPECT_EQ(watch.current()->trust.lists().size(), 1u);
  EXPECT_EQ(changes(watch), 0);
  put(second_);
  EXPECT_EQ(changes(watch), 1);
  EXPECT_EQ(watch.current()->svid.leaf().serial(), "02");
  EXPECT_EQ(watch.current()->number, 2u);
}

TEST_F(WatchTest, TouchedFilesAreNoChange) {
  put(first_);
  put_trust();
  Watch watch(paths());
  EXPECT_EQ(changes(watch), 1);
  const auto before = watch.current();
  std::filesystem::last_write_time(path("svid.crt"), std::filesystem::file_time_type::clock::now());
  put(first_);
  EXPECT_EQ(changes(watch), 0);
  EXPECT_EQ(watch.current(), before);
}

TEST_F(WatchTest, NewCertificateNeverMeetsTheOldKey) {
  put(first_);
  put_trust();
  Watch watch(paths());
  EXPECT_EQ(changes(watch), 1);
  write("svid.crt", second_.certificate.pem());
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(watch.poll());
    EXPECT_EQ(watch.current()->svid.leaf().serial(), "01");
    EXPECT_TRUE(says(watch.fault(), "svid.key: is not the key of the first certificate in"));
  }
  write("svid.key", std::string(second_.key.pem().view()), 0600);
  EXPECT_TRUE(watch.poll());
  EXPECT_EQ(watch.current()->svid.leaf().serial(), "02");
  EXPECT_TRUE(watch.current()->svid.key.matches(watch.current()->svid.leaf()));
  EXPECT_EQ(watch.fault(), "");
}

TEST_F(WatchTest, GoingBackIsNoChange) {
  put(first_);
  put_trust();
  Watch watch(paths());
  EXPECT_EQ(changes(watch), 1);
  write("svid.crt", second_.certificate.pem());
  EXPECT_EQ(changes(watch), 0);
  EXPECT_NE(watch.fault(), "");
  write("svid.crt", first_.certificate.pem());
  EXPECT_EQ(changes(watch), 0);
  EXPECT_EQ(watch.fault(), "");
}

TEST_F(WatchTest, KeepsTheLastGoodSetAndSaysWhy) {
  put(first_);
  put_trust();
  Watch watch(paths());
  EXPECT_EQ(changes(watch), 1);
  const auto good = watch.current();
  const auto breaks = [&](const char* name, const std::string& text, unsigned mode, const char* part) {
    const std::string before = read(name);
    const unsigned old_mode = mode_of(name);
    write(name, text, mode);
    EXPECT_EQ(changes(watch), 0) << name;
    EXPECT_TRUE(says(watch.fault(), part));
    EXPECT_TRUE(says(watch.fault(), path(name)));
    EXPECT_EQ(watch.current(), good);
    write(name, before, old_mode);
    EXPECT_EQ(changes(watch), 0) << name;
    EXPECT_EQ(watch.fault(), "");
  };
  breaks("svid.crt", "", 0644, "holds no PEM block");
  breaks("svid.crt", first_.certificate.pem().substr(0, 300), 0644, "cut short");
  breaks("svid.crt", root_.certificate.pem(), 0644, "CA:TRUE");
  breaks("svid.key", read("svid.key"), 0644, "chmod 600");
  breaks("bundle.crt", first_.certificate.pem(), 0644, "is not an authority");
  breaks("crl.pem", "x", 0644, "holds no PEM block");
  std::filesystem::remove(path("bundle.crt"));
  EXPECT_EQ(changes(watch), 0);
  EXPECT_TRUE(says(watch.fault(), "bundle.crt: cannot be opened"));
  EXPECT_EQ(watch.current(), good);
}

TEST_F(WatchTest, FilesThatComeLater) {
  Watch watch(paths());
  EXPECT_FALSE(watch.poll());
  EXPECT_TRUE(says(watch.fault(), "svid.crt: cannot be opened: No such file"));
  EXPECT_FALSE(watch.renewal_due(kNow));
  put(first_);
  EXPECT_EQ(changes(watch), 0);
  put_trust();
  EXPECT_EQ(changes(watch), 1);
}

TEST_F(WatchTest, BundleAndListsAreFollowed) {
  put(first_);
  put_trust();
  Watch watch(paths());
  EXPECT_EQ(changes(watch), 1);
  const Identity next = forge(forged_root("next"));
  write("bundle.crt", root_.certificate.pem() + next.certificate.pem());
  EXPECT_EQ(changes(watch), 1);
  EXPECT_EQ(watch.current()->trust.roots().size(), 2u);
  write("crl.pem", forge_list(root_, {1}, kNow, kNow + kDay).pem());
  EXPECT_EQ(changes(watch), 1);
  EXPECT_EQ(verify(watch.current()->trust, watch.current()->svid.chain, {.now = kNow}).refusal, Refusal::kRevoked);
}

TEST_F(WatchTest, ListsAreOptional) {
  put(first_);
  put_trust();
  std::filesystem::remove(path("crl.pem"));
  Watch without(paths(false));
  EXPECT_TRUE(without.poll());
  EXPECT_TRUE(without.current()->trust.lists().empty());
}

// The way of Kubernetes: files are links into a directory, and one rename changes all of them.
TEST_F(WatchTest, LinkedDirectoryThatIsSwapped) {
  for (const char* name : {"one", "two"}) mkdir(path(name).c_str(), 0700);
  const auto put_in = [this](const std::string& name, const Identity& identity) {
    write(name + "/svid.crt", identity.certificate.pem());
    write(name + "/svid.key", std::string(identity.key.pem().view()), 0600);
    write(name + "/bundle.crt", root_.certificate.pem());
  };
  put_in("one", first_);
  put_in("two", second_);
  symlink("one", path("data").c_str());
  Watch watch({path("data/svid.crt"), path("data/svid.key"), path("data/bundle.crt"), ""});
  EXPECT_EQ(changes(watch), 1);
  symlink("two", path("data.new").c_str());
  std::filesystem::rename(path("data.new"), path("data"));
  EXPECT_TRUE(watch.poll());
  EXPECT_EQ(watch.current()->svid.leaf().serial(), "02");
}

TEST_F(WatchTest, SameSizeWithinOneTickIsSeen) {
  put(first_);
  put_trust();
  Watch watch(paths());
  EXPECT_TRUE(watch.poll());
  // Rewritten in place, its times set back as a coarse clock would show them.
  struct stat s = {};
  ASSERT_EQ(stat(path("crl.pem").c_str(), &s), 0);
  const std::string list = forge_list(root_, {1}, kNow, kNow + kDay).pem();
  write("crl.pem", list);
  const timespec times[2] = {s.st_atim, s.st_mtim};
  utimensat(AT_FDCWD, path("crl.pem").c_str(), times, 0);
  EXPECT_TRUE(watch.poll());
}

TEST_F(WatchTest, RenewalIsDueAtHalfLife) {
  put(forge({.not_before = kNow, .not_after = kNow + 1000}, &root_));
  put_trust();
  Watch watch(paths());
  ASSERT_TRUE(watch.poll());
  EXPECT_FALSE(watch.renewal_due(kNow + 499));
  EXPECT_TRUE(watch.renewal_due(kNow + 500));
  EXPECT_TRUE(watch.renewal_due(kNow + 5000));
}

}  // namespace
}  // namespace penstock::pki
