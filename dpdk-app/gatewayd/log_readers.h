// Those who read the access log over the API: each with a format, a sample and a bounded buffer of its own.
//
// Filled by the access log's thread, emptied by theirs. Without readers a record costs nothing here.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "control/telemetry/log_source.h"
#include "l7/log/format.h"

namespace penstock::gatewayd {

class LogReaders : public telemetry::LogSource {
 public:
  base::Result<std::unique_ptr<Reader>> read(const telemetry::LogWish& wish) override;

  // The access log's thread.
  bool any() const { return count_.load(std::memory_order_acquire) != 0; }
  void add(const proxy::AccessRecord& record, const l7log::Context& context);

 private:
  struct Desk {
    Desk(l7log::Format form, const telemetry::LogWish& asked) : format(std::move(form)), wish(asked) {}
    const l7log::Format format;
    const telemetry::LogWish wish;
    uint64_t seen = 0;  // records that it wants
    std::mutex lock;
    std::string lines;
    size_t count = 0;  // of them
    uint64_t lost = 0;
  };
  class DeskReader;

  std::mutex lock_;
  std::vector<std::shared_ptr<Desk>> desks_;
  std::atomic<size_t> count_{0};
};

}  // namespace penstock::gatewayd
