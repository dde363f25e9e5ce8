// What changed between two maps of objects, by pointer: an unchanged object keeps its pointer (with_change), and an
// unchanged chunk of objects is the same chunk, so the walk looks only near what differs.
#pragma once

#include "control/model/objects.h"

namespace penstock::model {

// Calls changed(old, now) for every object that differs: old is null when created, now is null when removed.
template <typename T, typename F>
void for_each_change(const Objects<T>& before, const Objects<T>& after, F&& changed) {
  auto old = before.begin();
  auto now = after.begin();
  while (old != before.end() || now != after.end()) {
    const bool both = old != before.end() && now != after.end();
    if (both && old.chunk() && old.chunk() == now.chunk()) {
      old.skip_chunk(), now.skip_chunk();
      continue;
    }
    if (both && old->second == now->second) {
      ++old, ++now;
      continue;
    }
    const bool has_old = both ? old->first <= now->first : old != before.end();
    const bool has_now = both ? now->first <= old->first : now != after.end();
    changed(has_old ? old->second : nullptr, has_now ? now->second : nullptr);
    if (has_old) ++old;
    if (has_now) ++now;
  }
}

template <typename T>
bool differ(const Objects<T>& before, const Objects<T>& after) {
  bool changed = false;
  for_each_change(before, after, [&changed](const auto&, const auto&) { changed = true; });
  return changed;
}

}  // namespace penstock::model
