#include "l7/route/literal_tree.h"

namespace penstock::route {

uint32_t LiteralTree::add(uint32_t parent, std::string_view piece) {
  if (const uint32_t child = find(parent, piece); child != kNone) return child;
  if (texts_.size() + piece.size() > UINT32_MAX || nodes_ == kNone) return kNone;
  if (4 * (uint64_t{edges_} + 1) > 3 * slots_.size()) {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.child != kNone) place(slot);
  }
  Slot slot;
  slot.parent = parent;
  slot.child = nodes_++;
  slot.size = static_cast<uint32_t>(piece.size());
  if (piece.size() <= kInline) {
    piece.copy(slot.text, piece.size());
  } else {
    const auto at = static_cast<uint32_t>(texts_.size());
    std::memcpy(slot.text, &at, sizeof at);
    texts_ += piece;
  }
  place(slot);
  ++edges_;
  return slot.child;
}

void LiteralTree::place(const Slot& slot) {
  size_t at = hash(slot.parent, {text_of(slot), slot.size}) & (slots_.size() - 1);
  while (slots_[at].child != kNone) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = slot;
}

}  // namespace penstock::route
