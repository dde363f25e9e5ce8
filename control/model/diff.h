// What changed between two maps of objects, by pointer: an unchanged object keeps its pointer (with_change), so a walk
// over both maps costs a pointer comparison an object and looks into none of them.
#pragma once

#include <vector>

#include "control/model/state.h"

namespace penstock::model {

// Calls changed(old, now) for every object that differs: old is null when created, now is null when removed.
template <typename T, typename F>
void for_each_change(const Objects<T>& before, const Objects<T>& after, F&& changed) {
  auto old = before.begin();
  auto now = after.begin();
  while (old != before.end() || now != after.end()) {
    if (old != before.end() && now != after.end() && old->second == now->second) {
      ++old, ++now;
      continue;
    }
    const bool has_old = old != before.end() && (now == after.end() || old->first <= now->first);
    const bool has_now = now != after.end() && (old == before.end() || now->first <= old->first);
    changed(has_old ? old->second : nullptr, has_now ? now->second : nullptr);
    if (has_old) ++old;
    if (has_now) ++now;
  }
}

}  // namespace penstock::model
