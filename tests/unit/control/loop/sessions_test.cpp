// Keys of sessions on their way from the store and from files to the workers.
#include <sys/stat.h>

#include <fstream>

#include "l7/route/l7_config.h"
#include "unit/control/loop/loop_fixture.h"

namespace penstock::loop {
namespace {

class SessionsTest : public LoopFixture {
 protected:
  // A Node, and enough for requests to be routed.
  std::vector<model::Object> objects(const std::string& key_file = "") const {
    model::Node node = sample_node();
    node.session_key_file = key_file;
    model::Gateway gateway;
    gateway.name.name = "edge";
    gateway.addresses = {ip("192.0.2.1")};
    gateway.listeners.push_back({.name = "web", .port = 80});
    return {node, gateway};
  }
  std::string write(const std::string& text, mode_t mode = 0600) const {
    const std::string path = directory_ + "/keys", fresh = path + ".new";
    std::ofstream(fresh) << text;
    chmod(fresh.c_str(), mode);
    std::filesystem::rename(fresh, path);
    return path;
  }
  config::SessionKeys keys() const {
    const auto live = loop_->generation();
    return live != nullptr && live->l7 != nullptr ? live->l7->session_keys : config::SessionKeys{};
  }
};

TEST_F(SessionsTest, AreTheSameAfterARestart) {
  ASSERT_TRUE(boot().ok());
  apply_ok(objects());
  const config::SessionKeys before = keys();
  ASSERT_EQ(before.count, 1u);
  EXPECT_NE(before.keys[0], config::SessionKey{});
  EXPECT_GT(before.now(), 1'700'000'000u);
  ASSERT_TRUE(boot().ok());
  EXPECT_EQ(keys().keys, before.keys);
}

TEST_F(SessionsTest, OfAFileAreFollowed) {
  ASSERT_TRUE(boot().ok());
  apply_ok(objects());
  const config::SessionKey own = keys().keys[0];
  const std::string path = write(std::string(32, '1') + "\n");
  apply_ok(objects(path));
  EXPECT_EQ(keys().count, 2u);
  EXPECT_EQ(keys().keys[0].low, 0x1111111111111111u);
  EXPECT_EQ(keys().keys[1], own);
  write(std::string(32, '2') + "\n" + std::string(32, '1') + "\n");
  EXPECT_TRUE(eventually([&] { return keys().count == 3 && keys().keys[0].low == 0x2222222222222222; }));
  write("rubbish\n");
  apply_ok({sample_service("web", "203.0.113.10")});
  EXPECT_EQ(keys().keys[0].low, 0x2222222222222222u) << "what was good goes on";
}

TEST_F(SessionsTest, AWrongFileIsAnErrorByName) {
  ASSERT_TRUE(boot().ok());
  apply_ok(objects());
  const std::string field = "Node/gw spec.sessions.keyFile: ", path = directory_ + "/keys";
  const auto error = [&] {
    const ApplyResult result = apply(objects(path));
    EXPECT_FALSE(result.ok);
    return result.errors.empty() ? result.failure : result.errors[0].to_string();
  };
  EXPECT_EQ(error(), field + path + ": cannot be opened: No such file or directory");
  write("secret\n");
  EXPECT_EQ(error(), field + path + ": line 1: want a key of 32 hexadecimal digits (openssl rand -hex 16)");
  EXPECT_FALSE(apply(objects(path), {.dry_run = true}).ok);
  write(std::string(32, '1'), 0644);
  EXPECT_EQ(error(), field + path + ": holds a private key that others than its owner may read or write: chmod 600");
  EXPECT_EQ(keys().count, 1u);
  write(std::string(32, '1'));
  apply_ok(objects(path));
  std::filesystem::remove(path);
  const auto started = boot();
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error(),
            "cannot compile revision 2: " + field + path + ": cannot be opened: No such file or directory");
}

}  // namespace
}  // namespace penstock::loop
