#include "gatewayd/log_readers.h"

#include <algorithm>

namespace penstock::gatewayd {

class LogReaders::DeskReader : public telemetry::LogSource::Reader {
 public:
  DeskReader(LogReaders& owner, std::shared_ptr<Desk> desk) : owner_(owner), desk_(std::move(desk)) {}
  ~DeskReader() override {
    const std::lock_guard lock(owner_.lock_);
    std::erase(owner_.desks_, desk_);
    owner_.count_.store(owner_.desks_.size(), std::memory_order_release);
  }

  size_t take(std::string& lines, uint64_t& lost) override {
    const std::lock_guard lock(desk_->lock);
    lines += desk_->lines;
    desk_->lines.clear();
    lost = desk_->lost;
    return std::exchange(desk_->count, 0);
  }

 private:
  LogReaders& owner_;
  const std::shared_ptr<Desk> desk_;
};

base::Result<std::unique_ptr<telemetry::LogSource::Reader>> LogReaders::read(const telemetry::LogWish& wish) {
  auto format = l7log::Format::parse(wish.format);
  if (!format) return base::Error{"format: " + format.error()};
  const std::lock_guard lock(lock_);
  if (desks_.size() == telemetry::kMaxLogReaders) return std::unique_ptr<Reader>();
  auto desk = std::make_shared<Desk>(std::move(*format), wish);
  desks_.push_back(desk);
  count_.store(desks_.size(), std::memory_order_release);
  return std::unique_ptr<Reader>(std::make_unique<DeskReader>(*this, std::move(desk)));
}

void LogReaders::add(const proxy::AccessRecord& record, const l7log::Context& context) {
  const std::lock_guard lock(lock_);
  for (const std::shared_ptr<Desk>& desk : desks_) {
    if (record.status != 0 && record.status < desk->wish.least_status) continue;
    if (desk->seen++ % desk->wish.sample != 0) continue;
    const std::lock_guard of_desk(desk->lock);
    if (desk->lines.size() >= telemetry::kMaxLogReaderBytes) {
      ++desk->lost;
      continue;
    }
    desk->format.append(desk->lines, record, context);
    ++desk->count;
  }
}

}  // namespace penstock::gatewayd
