// Families of metrics as they are gathered, in the order of their first sample. For metrics*.cpp of this room.
#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace penstock::telemetry {

struct L7Stats;

using Label = prometheus::ClientMetric::Label;
using Labels = std::vector<Label>;

class Builder {
 public:
  void counter(const std::string& name, const char* help, Labels labels, uint64_t value) {
    auto& metric = add(name, help, prometheus::MetricType::Counter, std::move(labels));
    metric.counter.value = static_cast<double>(value);
  }
  void gauge(const std::string& name, const char* help, Labels labels, double value) {
    auto& metric = add(name, help, prometheus::MetricType::Gauge, std::move(labels));
    metric.gauge.value = value;
  }
  void histogram(const std::string& name, const char* help, Labels labels,
                 prometheus::ClientMetric::Histogram histogram) {
    add(name, help, prometheus::MetricType::Histogram, std::move(labels)).histogram = std::move(histogram);
  }
  std::vector<prometheus::MetricFamily> take() && { return std::move(families_); }

 private:
  prometheus::ClientMetric& add(const std::string& name, const char* help, prometheus::MetricType type, Labels labels) {
    const auto [at, added] = index_.try_emplace(name, families_.size());
    if (added) families_.push_back({name, help, type, {}});
    auto& metric = families_[at->second].metric.emplace_back();
    metric.label = std::move(labels);
    return metric;
  }

  std::vector<prometheus::MetricFamily> families_;
  std::map<std::string, size_t> index_;
};

void add_l7(const L7Stats& stats, Builder& builder);  // metrics_l7.cpp

}  // namespace penstock::telemetry
