// A codec of RateLimit objects only, as text "rate padding": enough for a store that never looks inside.
#pragma once

#include <cstdlib>
#include <string>

#include "control/store/codec.h"

namespace penstock::store {

class LimitCodec : public Codec {
 public:
  explicit LimitCodec(std::string name = "limit/1", size_t padding = 0) : name_(std::move(name)), padding_(padding) {}

  std::string name() const override { return name_; }
  std::string encode(const model::Object& object) const override {
    return std::to_string(static_cast<uint64_t>(std::get<model::RateLimit>(object).rate)) + " " +
           std::string(padding_, 'x');
  }
  base::Result<model::Object> decode(const model::ObjectKey& key, std::string_view bytes) const override {
    if (key.kind != model::Kind::kRateLimit) return base::Error{"not a RateLimit"};
    model::RateLimit limit;
    limit.name = key.name;
    limit.rate = static_cast<double>(std::strtoull(std::string(bytes).c_str(), nullptr, 10));
    return model::Object(limit);
  }

 private:
  std::string name_;
  size_t padding_;
};

inline model::Object limit_object(const std::string& name, double rate) {
  model::RateLimit limit;
  limit.name.name = name;
  limit.rate = rate;
  return limit;
}

}  // namespace penstock::store
