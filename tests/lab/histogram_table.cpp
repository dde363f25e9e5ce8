// What perf/generator/histogram.h makes of the values on standard input, for the Python reader to agree with: buckets
// of each value, the histogram as it is sent, and percentiles.
#include <iostream>

#include "generator/histogram.h"

int main() {
  penstock::load::Histogram histogram;
  nlohmann::json buckets = nlohmann::json::array(), percentiles = nlohmann::json::array();
  for (uint64_t value; std::cin >> value;) {
    histogram.add(value);
    const uint32_t index = histogram.index_of(value);
    buckets.push_back({value, index, histogram.upper_bound(index)});
  }
  for (const double share : {0.0, 0.1, 0.25, 1.0 / 3, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0})
    percentiles.push_back({share, histogram.percentile(share)});
  std::cout << nlohmann::json{{"histogram", histogram.to_json()}, {"buckets", buckets}, {"percentiles", percentiles}}
            << '\n';
}
