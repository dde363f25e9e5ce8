// Ends calls whose client makes us wait: one that does not read what we write, or opens a stream and says nothing.
//
// A call enters a Wait around what may block for ever; a thread looks every second and cancels what has waited longer
// than its bound, so that the blocked thread comes back with an error. Any thread.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "base/time.h"

namespace penstock::api {

constexpr base::Nanos kWritePatience = 10'000'000'000;    // a client that reads nothing for so long has hung
constexpr base::Nanos kSilencePatience = 60'000'000'000;  // an open stream of operations without any: come again later

class Patience {
 public:
  Patience() : thread_([this] { run(); }) {}
  ~Patience();
  Patience(const Patience&) = delete;

  class Wait {
   public:
    Wait(Patience& patience, grpc::ServerContext& call, base::Nanos bound);
    ~Wait();
    Wait(const Wait&) = delete;

   private:
    friend class Patience;
    Patience& patience_;
    grpc::ServerContext& call_;
    const base::Nanos deadline_;
  };

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::set<Wait*> waits_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace penstock::api
