#include "flow/service_table.h"

#include <gtest/gtest.h>

#include <random>

namespace penstock::flow {
namespace {

std::shared_ptr<ServiceEntry> entry(const char* address, uint8_t protocol, uint16_t port, uint32_t slot) {
  auto e = std::make_shared<ServiceEntry>();
  e->address = *base::IpAddress::parse(address);
  e->protocol = protocol;
  e->port = port;
  e->slot = slot;
  return e;
}

TEST(ServiceTable, ExactPortThenAllPortsThenAllProtocols) {
  const auto address = *base::IpAddress::parse("192.0.2.1");
  const ServiceTable table({entry("192.0.2.1", 6, 80, 0), entry("192.0.2.1", 6, 0, 1), entry("192.0.2.1", 0, 0, 2),
                            entry("2001:db8::1", 17, 53, 3)});
  EXPECT_EQ(table.find(address, 6, 80)->slot, 0u);
  EXPECT_EQ(table.find(address, 6, 81)->slot, 1u);
  EXPECT_EQ(table.find(address, 6, 0)->slot, 1u);
  EXPECT_EQ(table.find(address, 17, 80)->slot, 2u);
  EXPECT_EQ(table.find(address, 1, 0)->slot, 2u);
  EXPECT_EQ(table.find(address, 0, 0)->slot, 2u);
  const auto six = *base::IpAddress::parse("2001:db8::1");
  EXPECT_EQ(table.find(six, 17, 53)->slot, 3u);
  EXPECT_EQ(table.find(six, 6, 53), nullptr);
  EXPECT_EQ(table.find(*base::IpAddress::parse("192.0.2.2"), 6, 80), nullptr);
  EXPECT_TRUE(table.is_virtual(address));
  EXPECT_TRUE(table.is_virtual(six));
  EXPECT_FALSE(table.is_virtual(*base::IpAddress::parse("192.0.2.2")));
}

TEST(ServiceTable, EmptyTableFindsNothing) {
  const ServiceTable table({});
  EXPECT_EQ(table.find({}, 6, 80), nullptr);
  EXPECT_FALSE(table.is_virtual({}));
  EXPECT_EQ(table.by_slot(0), nullptr);
  EXPECT_EQ(table.endpoint_state(0), EndpointState::kDown);
}

TEST(ServiceTable, SlotsAndEndpointStates) {
  auto a = entry("192.0.2.1", 6, 80, 7);
  a->endpoints = {{.slot = 3, .state = EndpointState::kReady}, {.slot = 9, .state = EndpointState::kDraining}};
  const ServiceTable table({a});
  EXPECT_EQ(table.by_slot(7), a.get());
  EXPECT_EQ(table.by_slot(6), nullptr);
  EXPECT_EQ(table.by_slot(8), nullptr);
  EXPECT_EQ(table.endpoint_state(3), EndpointState::kReady);
  EXPECT_EQ(table.endpoint_state(9), EndpointState::kDraining);
  EXPECT_EQ(table.endpoint_state(4), EndpointState::kDown);
  EXPECT_EQ(table.endpoint_state(1u << 30), EndpointState::kDown);
}

TEST(ServiceTable, ReplacedEntries) {
  auto a = entry("192.0.2.1", 6, 80, 0), b = entry("192.0.2.2", 6, 80, 1);
  a->endpoints = {{.slot = 0}, {.slot = 1}};
  b->endpoints = {{.slot = 2, .state = EndpointState::kDraining}};
  const ServiceTable before({a, b});
  auto changed = entry("192.0.2.1", 6, 80, 0);
  changed->endpoints = {{.slot = 1, .state = EndpointState::kDraining}, {.slot = 7}};
  const std::shared_ptr<const ServiceEntry> replacements[] = {changed};
  const ServiceTable after(before, replacements);
  EXPECT_EQ(after.find(*base::IpAddress::parse("192.0.2.1"), 6, 80), changed.get());
  EXPECT_EQ(after.by_slot(0), changed.get());
  EXPECT_EQ(after.by_slot(1), b.get());
  EXPECT_EQ(after.endpoint_state(0), EndpointState::kDown);
  EXPECT_EQ(after.endpoint_state(1), EndpointState::kDraining);
  EXPECT_EQ(after.endpoint_state(2), EndpointState::kDraining);
  EXPECT_EQ(after.endpoint_state(7), EndpointState::kReady);
  EXPECT_EQ(before.find(*base::IpAddress::parse("192.0.2.1"), 6, 80), a.get());
  EXPECT_EQ(before.endpoint_state(0), EndpointState::kReady);
}

TEST(ServiceTable, TenThousandServicesAreAllFoundAndNothingElse) {
  std::vector<std::shared_ptr<const ServiceEntry>> entries;
  for (uint32_t i = 0; i < 10'000; ++i) {
    auto e = std::make_shared<ServiceEntry>();
    e->slot = i;
    e->address = base::IpAddress::v4(0x0a600000 + i / 4);
    e->protocol = i % 2 ? 6 : 17;
    e->port = static_cast<uint16_t>(1 + i % 4);
    entries.push_back(e);
  }
  const ServiceTable table(entries, HashSecret{{1, 2}});
  for (const auto& e : entries) ASSERT_EQ(table.find(e->address, e->protocol, e->port), e.get());
  std::mt19937 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const uint32_t address = 0x0a600000 + random() % 5000;
    const uint16_t port = static_cast<uint16_t>(random() % 6);
    const uint8_t protocol = random() % 2 ? 6 : 17;
    const uint32_t index = (address - 0x0a600000) * 4 + port - 1;
    const bool exists = port >= 1 && port <= 4 && index < 10'000 && entries[index]->protocol == protocol;
    ASSERT_EQ(table.find(base::IpAddress::v4(address), protocol, port), exists ? entries[index].get() : nullptr);
    ASSERT_EQ(table.is_virtual(base::IpAddress::v4(address)), address < 0x0a600000 + 2500);
  }
}

}  // namespace
}  // namespace penstock::flow
