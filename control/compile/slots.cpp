#include "control/compile/slots.h"

#include <algorithm>

namespace penstock::compile {

std::optional<uint32_t> Slots::take(uint64_t retired) {
  const bool idle = !idle_.empty() && idle_.front().last <= retired;
  if (fresh_ < capacity_ && !(idle && idle_.size() > rest_)) return fresh_++;
  if (!idle) return std::nullopt;
  const uint32_t slot = idle_.front().slot;
  idle_.pop_front();
  return slot;
}

bool NamedSlots::assign(const std::vector<std::string>& names, uint64_t last, uint64_t retired) {
  size_t kept = 0;
  for (const std::string& name : names) kept += names_->contains(name);
  if (kept == names.size() && kept == names_->size()) return true;

  auto next = std::make_shared<Names>();
  next->reserve(names.size());
  for (const std::string& name : names) {
    const auto old = names_->find(name);
    const auto slot = old == names_->end() ? slots_.take(retired) : old->second;
    if (!slot) return false;
    next->emplace(name, *slot);
  }
  std::vector<uint32_t> gone;
  for (const auto& [name, slot] : *names_)
    if (!next->contains(name)) gone.push_back(slot);
  std::sort(gone.begin(), gone.end());  // not in the order of a hash table: the same changes give the same slots
  for (const uint32_t slot : gone) slots_.release(slot, last);
  names_ = std::move(next);
  return true;
}

std::optional<uint32_t> NamedSlots::find(const std::string& name) const {
  const auto at = names_->find(name);
  return at == names_->end() ? std::nullopt : std::optional(at->second);
}

uint32_t NamedSlots::bound() const {
  uint32_t bound = 0;
  for (const auto& [name, slot] : *names_) bound = std::max(bound, slot + 1);
  return bound;
}

}  // namespace penstock::compile
