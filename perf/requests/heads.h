// Heads of messages, lent while one is read: as many as are in flight at once, not one for each connection.
// Memory: grows to the most that were lent at once and is kept; the steady state allocates nothing. One thread.
#pragma once

#include <memory>
#include <vector>

#include "l7/h1/limits.h"

namespace penstock::requests {

// What a subject may send: generous for a laboratory, bounded all the same.
inline const h1::Limits& head_limits() {
  static const h1::Limits limits{.head = {.target_bytes = 8192, .field_bytes = 16 * 1024, .field_count = 64},
                                 .path = {}};
  return limits;
}

template <typename Head>
class Heads {
 public:
  Head* take() {
    if (free_.empty()) {
      all_.push_back(std::make_unique<Head>(head_limits().head));
      return all_.back().get();
    }
    Head* head = free_.back();
    free_.pop_back();
    return head;
  }
  void give(Head* head) {
    if (head != nullptr) free_.push_back(head);
  }

 private:
  std::vector<std::unique_ptr<Head>> all_;
  std::vector<Head*> free_;
};

}  // namespace penstock::requests
