#include "control/liveness/mtu_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "control/liveness/path_mtu.h"

namespace penstock::liveness {

const char* to_string(MtuState state) {
  switch (state) {
    case MtuState::kOff:
      return "";
    case MtuState::kBase:
      return "base";
    case MtuState::kSearching:
      return "searching";
    case MtuState::kComplete:
      return "complete";
    case MtuState::kError:
      return "error";
  }
  return "";
}

void MtuSearch::set_ceiling(uint16_t ceiling, bool v4, base::Nanos now) {
  if (ceiling == ceiling_) return;
  *this = {};
  if (ceiling == 0) return;
  ceiling_ = mtu_ = ceiling;
  least_ = std::min(ceiling, v4 ? kLeastMtu4 : kLeastMtu6);
  base_ = std::min(ceiling, v4 ? kBase4 : kBase6);
  begin(now);
}

void MtuSearch::ask_for(uint16_t size, base::Nanos now) {
  size_ = size;
  lost_ = 0;
  waiting_ = false;
  first_number_ = number_ + 1;
  due_ = now;
}

void MtuSearch::begin(base::Nanos now) {
  state_ = MtuState::kBase;
  good_ = bad_ = hint_ = 0;
  again_ = false;
  ask_for(ceiling_, now);
}

void MtuSearch::search(base::Nanos now) {
  if (good_ == ceiling_) return complete(now);
  if (bad_ == 0) return ask_for(ceiling_, now);
  if (const uint16_t hint = std::exchange(hint_, uint16_t{0}); hint > good_ && hint < bad_) return ask_for(hint, now);
  if (good_ == 0) {
    if (base_ < bad_) return ask_for(base_, now);
    if (least_ < bad_) return ask_for(least_, now);
    return give_up(now);
  }
  constexpr uint16_t kMask = kMtuStep - 1;
  auto middle = static_cast<uint16_t>((good_ + bad_) / 2 & ~kMask);
  if (middle <= good_) middle = static_cast<uint16_t>((good_ & ~kMask) + kMtuStep);
  if (middle < bad_) return ask_for(middle, now);
  if (good_ < mtu_ && !again_) {
    again_ = true;
    return ask_for(bad_, now);
  }
  complete(now);
}

void MtuSearch::complete(base::Nanos now) {
  state_ = MtuState::kComplete;
  mtu_ = confirmed_ = good_;
  size_ = 0;
  raise_at_ = good_ == ceiling_ ? 0 : now + kRaise;
  due_ = now + confirm_every_;
}

void MtuSearch::give_up(base::Nanos now) {
  state_ = MtuState::kError;
  mtu_ = padding_ ? least_ : ceiling_;
  confirmed_ = 0;
  size_ = 0;
  due_ = now + kErrorPause;
}

// The size that was asked about does not pass.
void MtuSearch::fail(base::Nanos now) {
  if (again_ && size_ == bad_) return complete(now);
  if (state_ == MtuState::kComplete) good_ = bad_ = 0;
  state_ = MtuState::kSearching;
  bad_ = bad_ == 0 ? size_ : std::min(bad_, size_);
  search(now);
}

void MtuSearch::on_too_big(uint16_t mtu, base::Nanos now) {
  if (state_ == MtuState::kOff || mtu >= ceiling_) return;
  hint_ = std::max(mtu, least_);
  if (state_ == MtuState::kComplete) {
    if (size_ == 0 && mtu_ > mtu) due_ = now;  // is it so?
  } else if (size_ > mtu) {
    fail(now);
  }
}

void MtuSearch::on_answer(uint32_t number, const Path& path, base::Nanos now) {
  if (size_ == 0 || number < first_number_ || number > number_) return;
  confirm_every_ = std::max(kLeastConfirm, kConfirm * path.interval);
  padding_ = true;
  waiting_ = false;
  if (state_ == MtuState::kComplete) {
    size_ = 0;
    due_ = now + confirm_every_;
    return;
  }
  if (again_ && size_ == bad_) {  // it was chance: all that seemed lost is open again
    again_ = false;
    bad_ = 0;
  }
  good_ = std::max(good_, size_);
  if (state_ == MtuState::kBase) state_ = MtuState::kSearching;
  search(now);
}

// So many in a row are lost by chance once in a million times.
unsigned MtuSearch::losses_that_count(const Path& path) const {
  const unsigned least = state_ == MtuState::kComplete ? kProbesOfConfirmed : kProbesOfSize;
  if (path.loss <= 0) return least;
  if (path.loss >= 0.5) return kMostProbes;
  return std::clamp(static_cast<unsigned>(std::ceil(std::log(1e-6) / std::log(path.loss))), least, kMostProbes);
}

// It may be another path by now, or another peer.
void MtuSearch::on_up(bool up, base::Nanos now) {
  up_ = up;
  padding_ = waiting_ = false;
  if (up) begin(now);
}

void MtuSearch::look_ahead(base::Nanos now) {
  if (state_ == MtuState::kError) return begin(now);
  if (raise_at_ == 0 || now < raise_at_) return ask_for(mtu_, now);
  state_ = MtuState::kSearching;
  good_ = mtu_;
  bad_ = hint_ = 0;
  again_ = false;
  search(now);
}

std::optional<MtuSearch::Ask> MtuSearch::on_time(const Path& path, base::Nanos now) {
  if (state_ == MtuState::kOff) return std::nullopt;
  confirm_every_ = std::max(kLeastConfirm, kConfirm * path.interval);
  if (path.up != up_) on_up(path.up, now);
  if (!up_ || now < due_) return std::nullopt;
  if (size_ == 0) {
    look_ahead(now);
  } else if (std::exchange(waiting_, false) && path.missed == 0 && ++lost_ >= losses_that_count(path)) {
    fail(now);
  }
  if (size_ == 0) return std::nullopt;  // the search has come to its end
  waiting_ = true;
  const base::Nanos wait = std::max(kLeastWait, path.patience);
  due_ = now + (state_ == MtuState::kComplete ? 2 * wait : wait);
  return Ask{++number_, size_};
}

std::optional<base::Nanos> MtuSearch::due() const {
  if (state_ == MtuState::kOff || !up_) return std::nullopt;
  return due_;
}

}  // namespace penstock::liveness
