// Limits of requests and requests for them, in few words.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "l7/limit/key.h"

namespace penstock::limit {

class Requests {
 public:
  using Component = config::LimitComponent;

  // As control/compile does it. The reference is good until the end.
  const config::RequestLimit& add(std::vector<Component> key, std::vector<config::Match> matches = {}) {
    config::RequestLimit& limit = limits_.emplace_back();
    limit.name = "shop/l" + std::to_string(limits_.size());
    limit.slot = static_cast<uint32_t>(limits_.size());
    limit.matches = std::move(matches);
    limit.key = std::move(key);
    EXPECT_TRUE(set_.add(limit.matches, limit.name));
    for (Component& each : limit.key) {
      if (each.kind == Component::Kind::kHeader) each.subject = *set_.add_header(each.name, limit.name);
      if (each.kind == Component::Kind::kQuery) each.subject = *set_.add_query(each.name, limit.name);
    }
    return limit;
  }
  void finish() {
    EXPECT_TRUE(set_.finish());
    auto scratch = set_.make_scratch();
    ASSERT_TRUE(scratch);
    scratch_ = std::make_unique<route::Scratch>(std::move(*scratch));
  }

  // "GET /path?query", "name: value\nname: value". Good until the next one.
  Subject subject(std::string line, const std::string& fields = "") {
    head_.clear();
    const size_t blank = line.find(' ');
    head_.method = http::method_of(line.substr(0, blank));
    std::string target = line.substr(blank + 1);
    EXPECT_EQ(head_.set_authority("shop.example"), http::Fault::kNone);
    const size_t question = target.find('?');
    if (target.starts_with('/')) {
      EXPECT_EQ(head_.set_path(target.substr(0, question), {}), http::Fault::kNone);
    } else {
      EXPECT_TRUE(head_.arena.append(target, head_.path_slice));
    }
    if (question != std::string::npos) {
      EXPECT_EQ(head_.set_query(target.substr(question + 1)), http::Fault::kNone);
    }
    for (size_t at = 0; at < fields.size();) {
      const size_t end = std::min(fields.find('\n', at), fields.size());
      const std::string field = fields.substr(at, end - at);
      const size_t colon = field.find(": ");
      EXPECT_EQ(head_.fields.add(field.substr(0, colon), field.substr(colon + 2)), http::Fault::kNone);
      at = end + 1;
    }
    scratch_->begin();
    return {head_, source, set_, *scratch_};
  }
  std::optional<uint64_t> key(const config::RequestLimit& limit, const std::string& line,
                              const std::string& fields = "") {
    return key_of(limit, subject(line, fields), secret);
  }

  tcp::HashKey secret{1, 2};
  base::IpAddress source = base::IpAddress::v4(0xc0000201);

 private:
  std::deque<config::RequestLimit> limits_;
  route::MatchSet set_;
  std::unique_ptr<route::Scratch> scratch_;
  http::RequestHead head_{http::HeadLimits{}};
};

}  // namespace penstock::limit
