// A look-aside device and its failures: packets come back later and in order; when the device fails, its SAs go on, on
// the CPU, where they were, and nothing that it still has or gives back is seen again.
#include <set>

#include "esp_fixture.h"

namespace penstock::crypto {
namespace {

constexpr base::Nanos kMs = 1'000'000;

// Each test has a device of its own: one that failed stays so.
class Lookaside : public testing::TestWithParam<Cipher> {
 protected:
  void open(const std::string& arguments) {
    static int made = 0;
    auto opened = CryptoDevice::open(
        {.name = std::string(kFakeLookaside) + std::to_string(made++), .arguments = arguments, .queue_pairs = 2});
    ASSERT_TRUE(opened.ok()) << opened.error();
    fake_ = std::move(*opened);
    cpu_ = device("crypto_aesni_mb");
    in_use_ = rte_mempool_in_use_count(packet_pool());
    auto lane = EspLane::make({}, devices());
    ASSERT_TRUE(lane.ok()) << lane.error();
    lane_ = std::move(*lane);
    tunnel_ = tunnel_of({.cipher = GetParam()}, devices());
    ASSERT_TRUE(tunnel_.out && tunnel_.in);
  }
  void TearDown() override {
    if (fake_) fake_->stop();
    tunnel_ = {};
    lane_.reset();
    fake_.reset();
    EXPECT_EQ(rte_mempool_in_use_count(packet_pool()), in_use_ + kept_);
  }
  std::vector<CryptoDevice*> devices() const { return {fake_.get(), cpu_}; }

  // Encrypts `count` packets, numbered by their cookies.
  std::vector<EspPacket> encrypt(size_t count) {
    std::vector<EspPacket> burst;
    for (size_t i = 0; i < count; ++i)
      burst.push_back({.packet = buffer_of(inner_), .sa = tunnel_.out.get(), .cookie = next_++});
    lane_->encrypt(burst, now_);
    return burst;
  }
  // Rounds until nothing is expected any more, or so many.
  std::vector<EspPacket> collect(size_t rounds = 100) {
    std::vector<EspPacket> all, out(16);
    for (size_t i = 0; i < rounds && lane_->expects(); ++i) {
      now_ += kMs;
      const size_t n = lane_->collect(out, now_);
      all.insert(all.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n));
    }
    return all;
  }
  bool leaks(const rte_mbuf* m) const {
    const auto bytes = bytes_of(m);
    return std::search(bytes.begin(), bytes.end(), inner_.begin() + 28, inner_.end()) != bytes.end();
  }
  // Sealed by the CPU or the device, it opens at the other end; the sequence number.
  uint32_t open_sealed(const EspPacket& sealed) {
    EXPECT_EQ(sealed.verdict, EspVerdict::done) << to_string(sealed.verdict);
    EXPECT_FALSE(leaks(sealed.packet));
    const auto bytes = bytes_of(sealed.packet);
    rte_pktmbuf_free(sealed.packet);
    static TestLane& reader = *new TestLane({device("crypto_aesni_mb")});
    if (reader_ == nullptr) {
      auto made = InboundSa::make(spec_of({.cipher = GetParam()}, true), std::vector{cpu_});
      reader_ = std::move(*made);
    }
    const Outcome opened = reader.decrypt(*reader_, bytes);
    EXPECT_EQ(opened.verdict, EspVerdict::done) << to_string(opened.verdict);
    EXPECT_EQ(opened.bytes, inner_);
    return base::load_be32(bytes.data() + 24);
  }
  void expect_on_cpu(const char* why) {
    EXPECT_TRUE(fake_->failed());
    EXPECT_EQ(tunnel_.out->next_session().path(), CryptoPath::kCpu);
    EXPECT_EQ(tunnel_.out->next_session().device(), cpu_);
    EXPECT_EQ(tunnel_.out->why_not_better(), "look-aside: " + fake_->name() + " failed: " + why);
  }

  std::unique_ptr<CryptoDevice> fake_;
  CryptoDevice* cpu_ = nullptr;
  std::unique_ptr<EspLane> lane_;
  Tunnel tunnel_;
  std::unique_ptr<InboundSa> reader_;
  std::vector<uint8_t> inner_ = inner_packet(false, 300);
  base::Nanos now_ = 1000 * kMs;
  uint64_t next_ = 0;
  unsigned in_use_ = 0;
  unsigned kept_ = 0;  // buffers that the device never gave back
};

TEST_P(Lookaside, ComesBackLaterAndInOrder) {
  open("polls=3");
  EXPECT_EQ(tunnel_.out->session().path(), CryptoPath::kLookaside);
  EXPECT_EQ(tunnel_.out->session().device(), fake_.get());
  EXPECT_EQ(tunnel_.out->why_not_better(), "");
  for (EspPacket& p : encrypt(100)) ASSERT_EQ(p.verdict, EspVerdict::in_flight);
  EXPECT_EQ(lane_->in_flight(), 100u);
  EXPECT_TRUE(collect(3).empty());
  std::vector<EspPacket> done = collect();
  ASSERT_EQ(done.size(), 100u);
  for (size_t i = 0; i < done.size(); ++i) {
    EXPECT_EQ(done[i].cookie, i);
    EXPECT_EQ(open_sealed(done[i]), i + 1);
  }
  EXPECT_FALSE(fake_->failed());
  EXPECT_EQ(lane_->take_lost(), 0u);
}

TEST_P(Lookaside, BothDirections) {
  open("polls=1");
  encrypt(8);
  std::vector<EspPacket> sealed = collect();
  ASSERT_EQ(sealed.size(), 8u);
  for (EspPacket& p : sealed) {
    uint32_t spi = 0;
    ASSERT_EQ(find(p.packet, spi, p.place), EspVerdict::done);
    p.sa = tunnel_.in.get();
  }
  // A forged one is no fault of the device.
  auto* last = rte_pktmbuf_mtod_offset(sealed[3].packet, uint8_t*, sealed[3].packet->data_len - 1);
  *last ^= 1;
  lane_->decrypt(sealed, now_);
  std::vector<EspPacket> opened = collect();
  ASSERT_EQ(opened.size(), 8u);
  for (size_t i = 0; i < opened.size(); ++i) {
    EXPECT_EQ(opened[i].verdict, i == 3 ? EspVerdict::failed_authentication : EspVerdict::done);
    if (i != 3) {
      EXPECT_EQ(bytes_of(opened[i].packet), inner_);
    }
    rte_pktmbuf_free(opened[i].packet);
  }
  EXPECT_FALSE(fake_->failed());
}

TEST_P(Lookaside, AnErrorEndsItAndTheRestIsGivenUp) {
  open("polls=2");
  encrypt(10);
  fake_->fake()->fail(FakeFault::kErrors);
  const std::vector<EspPacket> ended = collect();
  ASSERT_EQ(ended.size(), 1u);  // the one that said so
  EXPECT_EQ(ended[0].verdict, EspVerdict::crypto_failed);
  rte_pktmbuf_free(ended[0].packet);
  EXPECT_EQ(lane_->take_lost(), 9u);
  EXPECT_EQ(lane_->take_lost(), 0u);
  EXPECT_EQ(lane_->in_flight(), 0u);
  EXPECT_EQ(tunnel_.out->in_flight(), 0u);
  EXPECT_EQ(tunnel_.out->packets(EspVerdict::device_failed), 9u);
  expect_on_cpu("could not do an operation");
  for (uint32_t n = 11; n < 15; ++n) EXPECT_EQ(open_sealed(encrypt(1)[0]), n);  // no number comes again
}

TEST_P(Lookaside, SilenceEndsItWhatItHasIsLeftAloneAndComesBackUnseen) {
  open("polls=1");
  encrypt(5);
  for (const EspPacket& p : collect()) open_sealed(p);
  fake_->fake()->fail(FakeFault::kSilence);
  encrypt(20);
  EXPECT_TRUE(collect(19).empty());
  EXPECT_FALSE(fake_->failed());
  EXPECT_TRUE(collect(1).empty());
  expect_on_cpu("does not give back what it was given");
  EXPECT_EQ(lane_->take_lost(), 20u);
  EXPECT_EQ(lane_->in_flight(), 0u);
  EXPECT_TRUE(lane_->expects());
  EXPECT_EQ(tunnel_.out->in_flight(), 20u) << "the device may still use the session";
  EXPECT_EQ(open_sealed(encrypt(1)[0]), 26u);
  EXPECT_EQ(tunnel_.out->packets(EspVerdict::device_failed), 20u);
  // And now, when nobody waits for them: marked as good, in clear.
  fake_->fake()->fail(FakeFault::kNone);
  EXPECT_TRUE(collect().empty());
  EXPECT_EQ(tunnel_.out->in_flight(), 0u);
  EXPECT_EQ(tunnel_.out->packets(EspVerdict::device_failed), 20u);
  EXPECT_EQ(lane_->take_lost(), 0u);
  EXPECT_FALSE(lane_->expects());
  EXPECT_EQ(open_sealed(encrypt(1)[0]), 27u);
}

TEST_P(Lookaside, WhatADeadDeviceHasDoesNotBlockTheEnd) {
  open("polls=1,fail=silence,after=0");
  encrypt(64);
  EXPECT_TRUE(collect().empty());
  EXPECT_EQ(lane_->take_lost(), 64u);
  kept_ = 64;
  for (uint32_t n = 65; n < 70; ++n) EXPECT_EQ(open_sealed(encrypt(1)[0]), n);
}

TEST_P(Lookaside, RefusalLosesNothing) {
  open("polls=1,fail=refusal,after=12");
  encrypt(12);
  EXPECT_FALSE(fake_->failed());
  // While something is with it, it may be full.
  for (EspPacket& p : encrypt(3)) {
    EXPECT_EQ(p.verdict, EspVerdict::device_full);
    EXPECT_EQ(bytes_of(p.packet), inner_);
    rte_pktmbuf_free(p.packet);
  }
  EXPECT_FALSE(fake_->failed());
  for (const EspPacket& p : collect()) open_sealed(p);
  const std::vector<EspPacket> sealed = encrypt(40);
  uint32_t before = 0;
  for (const EspPacket& p : sealed) {
    const uint32_t sequence = open_sealed(p);
    EXPECT_GT(sequence, before);
    before = sequence;
  }
  expect_on_cpu("takes nothing, though nothing is with it");
  EXPECT_EQ(lane_->take_lost(), 0u);
  EXPECT_EQ(tunnel_.out->packets(EspVerdict::device_failed), 0u);
}

TEST_P(Lookaside, AnotherWorkersLaneGivesUpToo) {
  open("polls=1");
  auto made = EspLane::make({.queue_pair = 1}, devices());
  ASSERT_TRUE(made.ok());
  auto other = OutboundSa::make(spec_of({.cipher = GetParam()}), devices());
  ASSERT_TRUE(other.ok());
  EspPacket theirs{.packet = buffer_of(inner_), .sa = other->get()};
  (*made)->encrypt({&theirs, 1}, now_);
  ASSERT_EQ(theirs.verdict, EspVerdict::in_flight);
  encrypt(1);
  fake_->fake()->fail(FakeFault::kErrors);
  for (const EspPacket& p : collect()) rte_pktmbuf_free(p.packet);
  ASSERT_TRUE(fake_->failed());
  EspPacket next{.packet = buffer_of(inner_), .sa = other->get()};
  (*made)->encrypt({&next, 1}, now_);
  EXPECT_EQ(next.verdict, EspVerdict::done);
  rte_pktmbuf_free(next.packet);
  std::array<EspPacket, 4> out;
  while ((*made)->expects()) EXPECT_EQ((*made)->collect(out, now_), 0u);
  EXPECT_EQ((*made)->take_lost(), 1u);
  EXPECT_EQ((*other)->packets(EspVerdict::device_failed), 1u);
}

// What another worker says of the device holds from the next burst on: in one burst, none is left between two devices.
TEST_P(Lookaside, TheFailureThatAnotherWorkerSawComesBetweenBursts) {
  open("polls=1");
  encrypt(3);
  fake_->fail(DeviceFault::kErrors);
  const std::vector<EspPacket> sealed = encrypt(64);
  for (size_t i = 0; i < sealed.size(); ++i) EXPECT_EQ(open_sealed(sealed[i]), 4 + i);
  EXPECT_EQ(tunnel_.out->packets(EspVerdict::device_failed), 3u);
  EXPECT_TRUE(collect().empty());
  EXPECT_EQ(lane_->take_lost(), 3u);
  EXPECT_EQ(tunnel_.out->packets(EspVerdict::device_failed), 3u);
}

TEST_P(Lookaside, TheWindowGoesOnWhereItWas) {
  open("polls=1");
  Tunnel far = tunnel_of({.cipher = GetParam()}, {cpu_});
  TestLane cpu({cpu_});
  std::vector<std::vector<uint8_t>> sealed;
  for (int i = 0; i < 6; ++i) sealed.push_back(cpu.encrypt(*far.out, inner_).bytes);
  const auto decrypt = [&](const std::vector<uint8_t>& bytes) {
    EspPacket p{.packet = buffer_of(bytes), .sa = tunnel_.in.get()};
    uint32_t spi = 0;
    EXPECT_EQ(find(p.packet, spi, p.place), EspVerdict::done);
    lane_->decrypt({&p, 1}, now_);
    if (p.verdict == EspVerdict::in_flight) {
      const auto done = collect();
      if (done.empty()) return EspVerdict::in_flight;
      p = done[0];
    }
    rte_pktmbuf_free(p.packet);
    return p.verdict;
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(decrypt(sealed[i]), EspVerdict::done);
  fake_->fake()->fail(FakeFault::kErrors);
  EXPECT_EQ(decrypt(sealed[3]), EspVerdict::crypto_failed);
  EXPECT_EQ(decrypt(sealed[2]), EspVerdict::replayed);
  EXPECT_EQ(decrypt(sealed[3]), EspVerdict::done) << "was never seen: the device did not open it";
  EXPECT_EQ(decrypt(sealed[4]), EspVerdict::done);
  EXPECT_EQ(decrypt(sealed[4]), EspVerdict::replayed);
  EXPECT_EQ(tunnel_.in->packets(EspVerdict::done), 5u);
}

TEST_P(Lookaside, NewAssociationsPassAFailedDeviceBy) {
  open("");
  fake_->fail(DeviceFault::kSilent);
  fake_->fail(DeviceFault::kErrors);  // the first one stays
  auto made = OutboundSa::make(spec_of({.cipher = GetParam()}), devices());
  ASSERT_TRUE(made.ok());
  EXPECT_EQ((*made)->session().path(), CryptoPath::kCpu);
  EXPECT_EQ((*made)->why_not_better(),
            "look-aside: " + fake_->name() + " failed: does not give back what it was given");
}

TEST_P(Lookaside, WithoutAnythingThatStandsInItsPacketsAreDropped) {
  open("");
  auto made = OutboundSa::make(spec_of({.cipher = GetParam()}), std::vector{fake_.get()});
  ASSERT_TRUE(made.ok());
  fake_->fail(DeviceFault::kSilent);
  EspPacket p{.packet = buffer_of(inner_), .sa = made->get()};
  lane_->encrypt({&p, 1}, now_);
  EXPECT_EQ(p.verdict, EspVerdict::device_failed);
  EXPECT_EQ(bytes_of(p.packet), inner_);
  rte_pktmbuf_free(p.packet);
}

INSTANTIATE_TEST_SUITE_P(Ciphers, Lookaside,
                         testing::Values(Cipher::kAesGcm128, Cipher::kChaCha20Poly1305, Cipher::kAesCbc256Sha256),
                         [](const auto& test) {
                           std::string name = traits_of(test.param).name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(FakeArguments, AreRefusedByName) {
  EXPECT_EQ(read_fake_settings("")->polls, 2u);
  const auto settings = read_fake_settings("polls=7,fail=silence,after=900");
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->polls, 7u);
  EXPECT_EQ(settings->fault, FakeFault::kSilence);
  EXPECT_EQ(settings->after, 900u);
  for (const char* wrong :
       {"polls=1001", "polls=", "polls", "fail=never", "after=-1", "after=1x", "speed=9", "=", "polls=1,,after=2"}) {
    const auto read = read_fake_settings(wrong);
    ASSERT_FALSE(read.ok()) << wrong;
    EXPECT_NE(read.error().find("none of polls=0 to 1000"), std::string::npos);
  }
  const auto opened = CryptoDevice::open({.name = std::string(kFakeLookaside) + "_wrong", .arguments = "polls=x"});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().find("penstock_fake_lookaside_wrong: \"polls=x\""), 0u);
}

}  // namespace
}  // namespace penstock::crypto
