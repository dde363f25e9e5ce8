#include "control/mesh/guests.h"

#include <utility>

namespace penstock::mesh {

const char* to_string(GuestRefusal refusal) {
  switch (refusal) {
    case GuestRefusal::kTooMany:
      return "too_many_connections";
    case GuestRefusal::kTooManyStrangers:
      return "too_many_strangers";
    case GuestRefusal::kTooManyOfAddress:
      return "too_many_of_address";
  }
  return "";
}

void Guests::set_named(std::set<base::IpAddress> named) {
  const std::lock_guard lock(lock_);
  named_ = std::move(named);
  strangers_ = 0;
  for (const auto& [address, count] : here_)
    if (!named_.contains(address)) strangers_ += count;
}

std::optional<GuestRefusal> Guests::admit(const base::IpAddress& from) {
  const std::lock_guard lock(lock_);
  const auto refuse = [this](GuestRefusal why) {
    ++refused_[static_cast<size_t>(why)];
    return why;
  };
  const bool named = named_.contains(from);
  const auto at = here_.find(from);
  const size_t own = at == here_.end() ? 0 : at->second;
  if (own >= (named ? kMostOfNamed : kMostOfStranger)) return refuse(GuestRefusal::kTooManyOfAddress);
  if (!named && strangers_ >= kMostStrangers) return refuse(GuestRefusal::kTooManyStrangers);
  if (all_ >= kMostGuests) return refuse(GuestRefusal::kTooMany);
  ++here_[from];
  ++all_;
  strangers_ += !named;
  return std::nullopt;
}

void Guests::leave(const base::IpAddress& from) {
  const std::lock_guard lock(lock_);
  const auto at = here_.find(from);
  if (at == here_.end()) return;
  --all_;
  strangers_ -= !named_.contains(from);
  if (--at->second == 0) here_.erase(at);
}

size_t Guests::size() const {
  const std::lock_guard lock(lock_);
  return all_;
}

uint64_t Guests::refused(GuestRefusal refusal) const {
  const std::lock_guard lock(lock_);
  return refused_[static_cast<size_t>(refusal)];
}

}  // namespace penstock::mesh
