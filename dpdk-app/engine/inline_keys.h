// Which associations have a key on which NIC (crypto/inline_port.h). The generation says by which ports a peer's
// packets leave, and so by which they may be expected; on each of those that is an inline port an association gets a
// key, if the port has room: outbound only where its worker has a transmit queue of its own, so that what is sealed
// goes straight to the device. Everything else runs on the association's session, as does what comes by another port.
//
// A key that is taken away again is kept: until every worker has begun another round, as it may just be sealing with
// it, and kDrain longer, as the device may still have packets in its ring. Then the NIC forgets it.
// Control thread. Memory: of the keys; of ports it holds on to those it was given. Failure of a port to take a key is
// no error: the reason stays with the association. Does not: lock (Associations does), wait.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "engine/crypto/inline_port.h"
#include "engine/crypto/sa.h"

namespace penstock::engine {

// A transmit ring of 1024 longest frames at 1 Gbit/s takes 13 ms.
constexpr base::Nanos kDrain = 20'000'000;

class InlineKeyring {
 public:
  using Ways = std::map<uint16_t, std::vector<uint16_t>>;  // peer's slot -> ports by which it is reached

  void add(std::shared_ptr<crypto::InlinePort> port) {
    ports_.push_back(std::move(port));
    used_ = changed_ = true;
  }
  // From here on it is nobody's way; its keys are still to be taken by place(). To be kept until they are gone.
  std::shared_ptr<crypto::InlinePort> remove(uint16_t port);
  void set_ways(Ways ways) {
    changed_ |= ways != ways_;
    ways_ = std::move(ways);
  }
  // Since the last call: associations that have been placed may belong elsewhere.
  bool take_changed() { return std::exchange(changed_, false); }
  const std::vector<std::shared_ptr<crypto::InlinePort>>& ports() const { return ports_; }
  // There is or was a port: some association may have a key, or should.
  bool in_use() const { return used_; }

  static bool is_placed(const crypto::Sa& sa) {
    return sa.held_inline_keys() != nullptr || !sa.why_not_inline().empty();
  }
  // Gives and takes keys until the association has those that it should.
  void place(uint16_t peer, unsigned worker, crypto::Sa& sa);
  // It is no longer anybody's.
  void strip(crypto::Sa& sa);

  // Something was taken away since the last drain(): before that, every worker begins another round.
  bool taken() const { return !taken_.empty(); }
  // The NICs forget what was taken away kDrain ago: then some port may have room for what it refused.
  void drain(base::Nanos now);
  void note_failures();  // of ports: their keys are to go

 private:
  using Keys = std::shared_ptr<const crypto::InlineKeys>;
  struct Draining {
    Keys keys;
    base::Nanos since = 0;
  };
  crypto::InlinePort* port_of(uint16_t id) const;
  uint32_t openers(const std::vector<uint16_t>& way, const crypto::Sa& sa) const;
  bool is_forgetting(const crypto::InlinePort& port, const crypto::Sa& sa) const;
  void put(crypto::Sa& sa, const Keys& next, std::string why_not);

  bool used_ = false, changed_ = false;
  bool refused_ = false;       // some port did not take a key
  std::ptrdiff_t failed_ = 0;  // ports, when their keys were last looked at
  std::vector<std::shared_ptr<crypto::InlinePort>> ports_;
  Ways ways_;
  std::vector<Keys> taken_;
  std::vector<Draining> draining_;
};

constexpr const char* kNoInlinePort = "no port on its way offers it";

// "fabric", or "fabric, spare"; "": it has no key on a NIC that is used.
std::string inline_devices_of(const crypto::Sa& sa);

}  // namespace penstock::engine
