#include "flow/weighted_sequence.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace penstock::flow {
namespace {

TEST(WeightedSequence, IsSmooth) {
  const uint16_t weights[] = {5, 1, 1};
  EXPECT_EQ(weighted_sequence(weights), (std::vector<uint16_t>{0, 0, 1, 0, 2, 0, 0}));
}

TEST(WeightedSequence, EqualWeightsAreOneRound) {
  const uint16_t weights[] = {100, 100, 100};
  EXPECT_EQ(weighted_sequence(weights), (std::vector<uint16_t>{0, 1, 2}));
}

TEST(WeightedSequence, WeightZeroIsNeverVisited) {
  const uint16_t weights[] = {0, 100, 0, 50};
  EXPECT_EQ(weighted_sequence(weights), (std::vector<uint16_t>{1, 3, 1}));
  const uint16_t none[] = {0, 0};
  EXPECT_TRUE(weighted_sequence(none).empty());
  EXPECT_TRUE(weighted_sequence({}).empty());
}

TEST(WeightedSequence, VisitsFollowWeightsAlsoOnTheWay) {
  std::mt19937 random(9);
  for (int i = 0; i < 30; ++i) {
    std::vector<uint16_t> weights(1 + random() % 20);
    for (auto& w : weights) w = static_cast<uint16_t>(random() % 60);
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    std::vector<double> visits(weights.size());
    double steps = 0;
    for (const uint16_t v : weighted_sequence(weights)) {
      ++visits.at(v);
      ++steps;
      for (size_t k = 0; k < weights.size(); ++k) EXPECT_LT(std::abs(visits[k] - steps * weights[k] / total), 3);
    }
    for (size_t k = 0; k < weights.size() && steps > 0; ++k) EXPECT_NEAR(visits[k], steps * weights[k] / total, 1e-6);
  }
}

TEST(WeightedSequence, LongOnesAreScaledDown) {
  std::vector<uint16_t> weights(4096);
  for (size_t k = 0; k < weights.size(); ++k) weights[k] = static_cast<uint16_t>(1 + k % 997);
  const auto sequence = weighted_sequence(weights);
  EXPECT_LE(sequence.size(), kMaxSequence);
  std::vector<unsigned> visits(weights.size());
  for (const uint16_t v : sequence) ++visits.at(v);
  for (const unsigned v : visits) EXPECT_GE(v, 1u);
  const uint16_t two[] = {65535, 65534};
  const auto pair = weighted_sequence(two);
  EXPECT_LE(pair.size(), kMaxSequence);
  EXPECT_NEAR(std::count(pair.begin(), pair.end(), 0), static_cast<double>(pair.size()) / 2, 2);
}

}  // namespace
}  // namespace penstock::flow
