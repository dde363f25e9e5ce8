// The thread "access-log": takes the workers' access records every few milliseconds and writes them to a file.
//
// A worker never waits for it: what does not fit into the worker's ring is lost and counted there (log_lost), what the
// file does not take is counted here. Without a file and readers records are thrown away unseen. The public functions
// may be called from any thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "control/telemetry/l7_stats.h"
#include "control/telemetry/log_file.h"
#include "gatewayd/hosts.h"
#include "gatewayd/log_readers.h"
#include "l7/log/format.h"

namespace penstock::gatewayd {

struct AccessLogOptions {
  std::string file;  // empty: none; "-": standard output
  std::string format = "json";
  uint32_t sample = 1;      // every how many-th record
  uint64_t most_bytes = 0;  // of the file, before it rotates; 0: it does not
};

class AccessLog {
 public:
  // An error: the format or the file. The thread starts at once.
  static base::Result<std::unique_ptr<AccessLog>> start(const AccessLogOptions& options, const Hosts& hosts);
  ~AccessLog() { stop(); }
  // What the workers have written until now is still logged. Before the engine ends.
  void stop();

  void on_publish(std::shared_ptr<const route::L7Config> config);  // names come from it
  void reopen() { reopen_.store(true); }                           // at the next turn
  telemetry::AccessLogStats stats() const;
  telemetry::LogSource& readers() { return readers_; }

 private:
  AccessLog(const AccessLogOptions& options, l7log::Format format, const Hosts& hosts)
      : options_(options), hosts_(hosts), format_(std::move(format)) {}

  void run();
  bool turn(const l7log::Names& names);  // true: there was something
  void write();
  void say(base::Result<void> result);

  const AccessLogOptions options_;
  const Hosts& hosts_;
  const l7log::Format format_;
  LogReaders readers_;
  std::unique_ptr<telemetry::LogFile> file_;  // this and the next: the thread's
  uint64_t seen_ = 0;                         // records
  std::string lines_;                         // to be written
  uint64_t count_ = 0;                        // of them
  bool failing_ = false;                      // it was said
  std::atomic<bool> stopping_{false}, reopen_{false};
  std::atomic<uint64_t> written_{0}, lost_{0};
  mutable std::mutex lock_;
  std::shared_ptr<const route::L7Config> config_;
  std::thread thread_;
};

}  // namespace penstock::gatewayd
