// Figures at the size the gateway is made for. They are printed, not asserted: the machine is shared.

#include <algorithm>
#include <fstream>

#include "unit/control/loop/loop_fixture.h"

namespace penstock::loop {
namespace {

class ScaleTest : public LoopFixture {};

double milliseconds_since(base::Nanos start) { return static_cast<double>(base::monotonic_now() - start) / 1e6; }

TEST_F(ScaleTest, TenThousandServices) {
  ASSERT_TRUE(boot().ok());
  apply_ok({sample_node()});
  std::vector<model::Object> objects;
  const auto endpoints_of = [](unsigned service) {
    std::vector<std::string> out;
    for (unsigned i = 0; i < 10; ++i) out.push_back(base::IpAddress::v4(0x0a100000u + service * 10 + i).to_string());
    return out;
  };
  for (unsigned i = 0; i < 10000; ++i) {
    const std::string name = "s" + std::to_string(i);
    objects.emplace_back(sample_service(name, base::IpAddress::v4(0xc6120000u + i).to_string()));
    objects.emplace_back(sample_slice(name, endpoints_of(i)));
  }
  auto start = base::monotonic_now();
  const auto all = apply_ok(std::move(objects));
  printf(
      "10,000 services x 10 endpoints: %.0f ms (validate %.0f, compile %.0f, store %.0f, publish %.1f, adopt %.2f "
      "ms)\n",
      milliseconds_since(start), static_cast<double>(all.times.validate) / 1e3,
      static_cast<double>(all.times.compile) / 1e3, static_cast<double>(all.times.store) / 1e3,
      static_cast<double>(all.times.publish) / 1e3, static_cast<double>(all.times.adopt) / 1e3);
  EXPECT_EQ(loop_->generation()->services->entries().size(), 10000u);

  std::vector<double> times;
  PhaseTimes phases;
  for (unsigned i = 0; i < 50; ++i) {
    auto endpoints = endpoints_of(i * 13);
    endpoints.pop_back();
    start = base::monotonic_now();
    const auto one = apply_ok({sample_slice("s" + std::to_string(i * 13), endpoints)});
    times.push_back(milliseconds_since(start));
    phases = one.times;
  }
  std::sort(times.begin(), times.end());
  printf(
      "one endpoint: median %.2f ms, worst %.2f ms (last: queue %lu, validate %lu, compile %lu, store %lu, publish "
      "%lu, "
      "adopt %lu us)\n",
      times[25], times.back(), phases.queue, phases.validate, phases.compile, phases.store, phases.publish,
      phases.adopt);

  apply_ok({sample_limit("edge", 100)});
  times.clear();
  for (unsigned i = 0; i < 50; ++i) {
    start = base::monotonic_now();
    ASSERT_TRUE(loop_->set_limit({"default", "edge"}, 200.0 + i, {}, 0).ok);
    times.push_back(milliseconds_since(start));
  }
  std::sort(times.begin(), times.end());
  printf("set limit: median %.2f ms, worst %.2f ms\n", times[25], times.back());
  start = base::monotonic_now();
  EXPECT_EQ(loop_->stats().services.size(), 10000u);
  printf("stats: %.1f ms\n", milliseconds_since(start));
}

TEST_F(ScaleTest, IdleCostOfTheControlThread) {
  ASSERT_TRUE(boot().ok());
  apply_ok({sample_node()});
  dataplane_->paused = true;
  const auto cpu = [] {
    // Of the thread named "control": the fake's own threads do not count.
    double seconds = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream comm(task.path() / "comm"), stat(task.path() / "schedstat");
      std::string name;
      uint64_t on_cpu = 0;
      std::getline(comm, name);
      stat >> on_cpu;
      if (name == "control") seconds += static_cast<double>(on_cpu) / 1e9;
    }
    return seconds;
  };
  const double before = cpu();
  const auto start = base::monotonic_now();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  printf("idle control thread: %.2f %% of a core\n", (cpu() - before) / (milliseconds_since(start) / 1e3) * 100);
  dataplane_->paused = false;
}

}  // namespace
}  // namespace penstock::loop
