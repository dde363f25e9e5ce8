// A histogram of durations in the manner of HDR: every value up to hours is kept with 1/128 of itself or better, so
// that percentiles are exact enough at both ends and histograms of several workers and trials are merged by adding
// counts. One writer; no allocation after construction. penstock_lab/histogram.py reads what to_json writes.
//
// Index i stands for values: i for i < 256; else, with e = i / 128 - 1 and m = 128 + i % 128, from m << e to ((m + 1)
// << e) - 1. (Values below 256 ns have a bucket each; every power of two above has 128.)
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

namespace penstock::load {

class Histogram {
 public:
  static constexpr uint32_t kBuckets = 128 * 39;          // the last one ends at 2^45 - 1 ns, nearly ten hours
  static constexpr uint64_t kLargest = (1ull << 45) - 1;  // what is longer counts as this long

  Histogram() : counts_(kBuckets) {}

  static uint32_t index_of(uint64_t nanos) {
    if (nanos < 256) return static_cast<uint32_t>(nanos);
    nanos = std::min(nanos, kLargest);
    const uint32_t e = static_cast<uint32_t>(std::bit_width(nanos)) - 8;
    return (e + 1) * 128 + static_cast<uint32_t>(nanos >> e) - 128;
  }
  // The largest value of a bucket: a percentile is never told smaller than it was.
  static uint64_t upper_bound(uint32_t index) {
    if (index < 256) return index;
    const uint32_t e = index / 128 - 1;
    return ((static_cast<uint64_t>(128 + index % 128) + 1) << e) - 1;
  }

  void add(uint64_t nanos) {
    ++counts_[index_of(nanos)];
    ++count_;
    sum_ += nanos;
    least_ = std::min(least_, nanos);
    most_ = std::max(most_, nanos);
  }
  void merge(const Histogram& other) {
    for (uint32_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    least_ = std::min(least_, other.least_);
    most_ = std::max(most_, other.most_);
  }
  void clear() {
    std::fill(counts_.begin(), counts_.end(), 0);
    count_ = sum_ = most_ = 0;
    least_ = UINT64_MAX;
  }

  uint64_t count() const { return count_; }
  // The value that `share` (0 to 1) of all do not exceed; 0 of nothing.
  uint64_t percentile(double share) const {
    uint64_t seen = 0;
    const double wanted = static_cast<double>(count_) * share;
    for (uint32_t i = 0; i < kBuckets; ++i)
      if ((seen += counts_[i]) != 0 && static_cast<double>(seen) >= wanted) return std::min(upper_bound(i), most_);
    return 0;
  }

  nlohmann::json to_json() const {
    nlohmann::json counts = nlohmann::json::array();
    for (uint32_t i = 0; i < kBuckets; ++i)
      if (counts_[i] != 0) counts.push_back({i, counts_[i]});
    return {{"unit", "ns"}, {"count", count_}, {"sum", sum_}, {"min", count_ == 0 ? 0 : least_},
            {"max", most_}, {"counts", counts}};
  }

 private:
  std::vector<uint64_t> counts_;
  uint64_t count_ = 0, sum_ = 0, least_ = UINT64_MAX, most_ = 0;
};

}  // namespace penstock::load
