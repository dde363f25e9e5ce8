// A ControlLoop over the fake engine and a store in a directory of its own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

#include "control/loop/control_loop.h"
#include "control/loop/log.h"
#include "control/store/store.h"
#include "unit/control/loop/fake_dataplane.h"

namespace penstock::loop {

// Keeps the objects themselves; the "bytes" are their number, padded to a size.
class VaultCodec : public store::Codec {
 public:
  std::string name() const override { return "vault"; }
  std::string encode(const model::Object& object) const override {
    const std::lock_guard lock(mutex_);
    objects_.push_back(object);
    std::string out = std::to_string(objects_.size() - 1);
    out.resize(std::max(out.size(), padding), ' ');
    return out;
  }
  base::Result<model::Object> decode(const model::ObjectKey&, std::string_view bytes) const override {
    const std::lock_guard lock(mutex_);
    return objects_.at(std::stoul(std::string(bytes)));
  }
  size_t padding = 0;

 private:
  mutable std::mutex mutex_;
  mutable std::vector<model::Object> objects_;
};

inline base::IpAddress ip(const std::string& text) { return base::IpAddress::parse(text).value(); }
inline base::Prefix prefix(const std::string& text) { return base::Prefix::parse(text).value(); }

// "wan" 192.0.2.1/24 and "lan" 10.0.1.1/24.
inline model::Node sample_node() {
  model::Node node;
  node.name = "gw";
  node.workers.cores = {0, 1};
  for (const auto& [name, address] : {std::pair{"wan", "192.0.2.1/24"}, std::pair{"lan", "10.0.1.1/24"}}) {
    model::Interface interface;
    interface.name = name;
    interface.device = std::string("net_") + name;
    interface.addresses = {prefix(address)};
    node.interfaces.push_back(interface);
  }
  return node;
}

inline model::Service sample_service(const std::string& name, const std::string& address) {
  model::Service service;
  service.name.name = name;
  service.addresses = {ip(address)};
  model::ServicePort port;
  port.name = "http";
  port.port = port.target_port = 80;
  service.ports = {port};
  return service;
}

inline model::EndpointSlice sample_slice(const std::string& service, const std::vector<std::string>& addresses) {
  model::EndpointSlice slice;
  slice.name.name = service + "-1";
  slice.service.name = service;
  for (const auto& address : addresses) {
    model::Endpoint endpoint;
    endpoint.addresses = {ip(address)};
    slice.endpoints.push_back(endpoint);
  }
  slice.ports = {{"http", 6, 80}};
  return slice;
}

inline model::RateLimit sample_limit(const std::string& name, double rate) {
  model::RateLimit limit;
  limit.name.name = name;
  limit.interface = "wan";
  limit.rate = rate;
  return limit;
}

class LoopFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    log::setup(log::Format::kKeyValue, log::Level::kError);
    // Memory where there is some: the death of a process is tested here, not the disk.
    const std::filesystem::path memory = "/dev/shm";
    const bool has_memory = access(memory.c_str(), W_OK) == 0;
    std::string pattern =
        ((has_memory ? memory : std::filesystem::temp_directory_path()) / "penstock-loop-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    loop_.reset();
    dataplane_.reset();
    std::filesystem::remove_all(directory_);
  }

  // A gateway from what the store holds. Called again: the next process.
  base::Result<void> boot(store::Options store_options = {}, base::Nanos adopt_timeout = kAdoptTimeout) {
    loop_.reset();
    dataplane_ = std::make_unique<FakeDataplane>(2);
    auto store = store::Store::open(directory_ + "/store.db", codec_, store_options);
    EXPECT_TRUE(store.ok()) << store.error();
    ControlLoop::Options options;
    options.seed = 1;
    options.stages = {"parse"};
    options.adopt_timeout = adopt_timeout;
    loop_ = std::make_unique<ControlLoop>(*dataplane_, std::move(store).value(), options);
    return loop_->start();
  }
  ApplyResult apply(std::vector<model::Object> objects, ApplyOptions options = {}) {
    return loop_->apply({std::move(objects), {}}, options);
  }
  ApplyResult apply_ok(std::vector<model::Object> objects, ApplyOptions options = {}) {
    auto result = apply(std::move(objects), options);
    EXPECT_TRUE(result.ok) << result.failure << (result.errors.empty() ? "" : result.errors[0].to_string());
    return result;
  }
  // Waits (bounded) for something that other threads will do.
  static bool eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 5000; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

  VaultCodec codec_;
  std::string directory_;
  std::unique_ptr<FakeDataplane> dataplane_;
  std::unique_ptr<ControlLoop> loop_;
};

}  // namespace penstock::loop
