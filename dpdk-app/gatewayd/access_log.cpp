#include "gatewayd/access_log.h"

#include <pthread.h>

#include "control/loop/log.h"

namespace penstock::gatewayd {

namespace {

namespace log = loop::log;

constexpr auto kPause = std::chrono::milliseconds(3);  // a ring holds 4096: 1.3 million records a second and worker
constexpr size_t kPiece = 64 * 1024;                   // bytes of one write
constexpr unsigned kMostAtOnce = 4096;                 // records of a worker, before the next one has its turn

}  // namespace

base::Result<std::unique_ptr<AccessLog>> AccessLog::start(const AccessLogOptions& options, const Hosts& hosts) {
  auto format = l7log::Format::parse(options.format);
  if (!format) return base::Error{"--access-log-format: " + format.error()};
  std::unique_ptr<AccessLog> made(new AccessLog(options, std::move(*format), hosts));
  if (!options.file.empty()) {
    auto file = telemetry::LogFile::open(options.file, options.most_bytes);
    if (!file) return base::Error{"--access-log: " + file.error()};
    made->file_ = std::move(*file);
  }
  made->thread_ = std::thread([log = made.get()] { log->run(); });
  pthread_setname_np(made->thread_.native_handle(), "access-log");
  return made;
}

void AccessLog::stop() {
  stopping_.store(true);
  if (thread_.joinable()) thread_.join();
}

void AccessLog::on_publish(std::shared_ptr<const route::L7Config> config) {
  const std::lock_guard lock(lock_);
  config_ = std::move(config);
}

telemetry::AccessLogStats AccessLog::stats() const { return {.written = written_.load(), .lost = lost_.load()}; }

void AccessLog::run() {
  l7log::Names names(nullptr);
  for (bool last = false; !last;) {
    last = stopping_.load();  // one more turn takes what is there
    std::shared_ptr<const route::L7Config> config;
    {
      const std::lock_guard lock(lock_);
      config = config_;
    }
    if (names.config() != config.get()) names = l7log::Names(std::move(config));
    if (reopen_.exchange(false) && file_ != nullptr) say(file_->reopen());
    if (!turn(names) && !last) std::this_thread::sleep_for(kPause);
  }
}

bool AccessLog::turn(const l7log::Names& names) {
  const l7log::Context context{names, base::wall_now(), base::monotonic_now()};
  bool any = false;
  for (host::WorkerStack* each : hosts_.all()) {
    proxy::AccessLog& ring = each->proxy().log();
    for (unsigned i = 0; i < kMostAtOnce; ++i) {
      const proxy::AccessRecord* record = ring.front();
      if (record == nullptr) break;
      any = true;
      if (readers_.any()) readers_.add(*record, context);
      if (file_ != nullptr && seen_++ % options_.sample == 0) {
        format_.append(lines_, *record, context);
        ++count_;
      }
      ring.release();
      if (lines_.size() >= kPiece) write();
    }
  }
  if (!lines_.empty()) write();
  return any;
}

void AccessLog::write() {
  const uint64_t before = file_->lost();
  say(file_->write(lines_));
  const uint64_t lost = file_->lost() - before;
  lost_ += lost;
  written_ += count_ - lost;
  lines_.clear();
  count_ = 0;
}

// Once when it begins, once when it is over: whoever fills a disk does not fill the log too.
void AccessLog::say(base::Result<void> result) {
  if (!result && !failing_) log::error("access log cannot be written; records are lost", {{"reason", result.error()}});
  if (result && failing_) log::info("access log is written again", {{"lost", std::to_string(file_->lost())}});
  failing_ = !result;
}

}  // namespace penstock::gatewayd
