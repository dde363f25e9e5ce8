// Which MTU a path of the underlay really carries (DPLPMTUD, RFC 8899), as a machine with no hands, one for each path.
// The packets that ask are probes of liveness, padded to the size in question, through the tunnel and with DF outside.
//
//   off ── a ceiling ──> base ── answered ─────────────────────────────────────────> complete
//                          │ lost                                                     │  ▲
//                          └──> searching ── the largest that was answered ───────────┼──┘
//                                 │   ▲  └── not the least either ──> error ──> base  │
//                                 │   └── its own size lost, or kRaise has passed ────┘
//
// The ceiling is what users configured. It is used from the beginning (RFC 8899 §5.2 would begin with 1200 bytes: hosts
// keep for minutes what they were once told), and asked about first. What is answered is asked about again kConfirm
// intervals later, and so on: so a black hole, a router that drops without a word, is found. Then the largest size that
// passes is searched by halves, and only that one is used; kRaise later larger ones are tried again. An error is a peer
// that answers no padded probe, perhaps of another make: what is configured stays.
//
// Loss is not size: a probe counts as lost for its size only while short ones of the same path are answered; the more
// of those get lost anyway, the more must be lost in a row (to one chance in a million); and before less is used than
// before, the smallest size that seemed not to pass is asked about once more. While the path is down nothing is asked.
//
// Thread: one. Time: CLOCK_MONOTONIC ns, given. Does not: send, know what routers say but as a hint, notice that one of
// several equal ways of the underlay carries less (with encapsulation UDP a flow's port chooses it).
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace penstock::liveness {

constexpr base::Nanos kRaise = 600 * base::kNanosPerSecond;  // RFC 8899 §5.1.1, PMTU_RAISE_TIMER
constexpr base::Nanos kErrorPause = 60 * base::kNanosPerSecond;
constexpr uint16_t kBase4 = 1200, kBase6 = 1280;  // §5.1.2, BASE_PLPMTU; RFC 8200 §5
constexpr unsigned kProbesOfSize = 3;             // §5.1.2, MAX_PROBES
constexpr unsigned kProbesOfConfirmed = 5;        // before a size that was carried is doubted
constexpr unsigned kMostProbes = 20;              // however many get lost anyway
constexpr unsigned kConfirm = 20;                 // intervals of liveness, and at least kLeastConfirm
constexpr base::Nanos kLeastConfirm = base::kNanosPerSecond;
constexpr base::Nanos kLeastWait = base::kNanosPerSecond / 20;  // for an answer
constexpr uint16_t kMtuStep = 4;                                // a search ends when it knows so much: ESP pads to it

enum class MtuState : uint8_t { kOff, kBase, kSearching, kComplete, kError };
const char* to_string(MtuState state);  // "complete"; off: ""

class MtuSearch {
 public:
  // What short probes say of the path now.
  struct Path {
    bool up = false;
    unsigned missed = 0;       // in a row
    double loss = 0;           // of the last ones
    base::Nanos patience = 0;  // for an answer
    base::Nanos interval = 0;  // between two of them
  };
  struct Ask {
    uint32_t number = 0;
    uint16_t size = 0;  // of the outer datagram
  };

  // Another ceiling begins anew; 0: off. on_time() is to be called also when the path comes up or goes down.
  void set_ceiling(uint16_t ceiling, bool v4, base::Nanos now);
  // A router says that it carries no more: tried next.
  void on_too_big(uint16_t mtu, base::Nanos now);
  void on_answer(uint32_t number, const Path& path, base::Nanos now);
  std::optional<Ask> on_time(const Path& path, base::Nanos now);
  std::optional<base::Nanos> due() const;  // nothing: until the path is up
  bool path_is_up() const { return up_; }  // when it was last looked at

  MtuState state() const { return state_; }
  uint16_t ceiling() const { return ceiling_; }
  uint16_t mtu() const { return mtu_; }              // to be used; 0: off
  uint16_t confirmed() const { return confirmed_; }  // the last size that was answered and is in use; 0: none

 private:
  void ask_for(uint16_t size, base::Nanos now);
  void begin(base::Nanos now);
  void search(base::Nanos now);  // the next size, or the end
  void complete(base::Nanos now);
  void fail(base::Nanos now);
  void give_up(base::Nanos now);
  void on_up(bool up, base::Nanos now);
  void look_ahead(base::Nanos now);  // what is due with nothing asked
  unsigned losses_that_count(const Path& path) const;

  MtuState state_ = MtuState::kOff;
  uint16_t ceiling_ = 0, base_ = 0, least_ = 0;
  uint16_t mtu_ = 0, confirmed_ = 0;
  uint16_t good_ = 0, bad_ = 0;  // of this search: the largest answered, the smallest lost; 0: none
  uint16_t hint_ = 0;
  bool again_ = false;    // bad_ was asked about once more
  bool padding_ = false;  // the peer has answered a padded probe
  bool up_ = false;       // the path, when it was last looked at

  uint16_t size_ = 0;  // asked about now; 0: nothing until due_
  unsigned lost_ = 0;
  uint32_t number_ = 0, first_number_ = 1;  // the last one sent; the first of this size
  bool waiting_ = false;                    // until due_
  base::Nanos due_ = 0;                     // of the next step; 0: none
  base::Nanos raise_at_ = 0;
  base::Nanos confirm_every_ = kLeastConfirm;
};

}  // namespace penstock::liveness
