// Sequence numbers: 32 bits that wrap (RFC 9293 §3.4). Compare only with these; right for distances below 2^31.
#pragma once

#include <cstdint>

namespace penstock::tcp {

using Seq = uint32_t;

inline bool before(Seq a, Seq b) { return static_cast<int32_t>(a - b) < 0; }
inline bool after(Seq a, Seq b) { return before(b, a); }
inline bool at_or_before(Seq a, Seq b) { return !before(b, a); }
inline bool at_or_after(Seq a, Seq b) { return !before(a, b); }
inline Seq earlier(Seq a, Seq b) { return before(a, b) ? a : b; }
inline Seq later(Seq a, Seq b) { return before(a, b) ? b : a; }

// begin <= s < end, across the wrap.
inline bool within(Seq s, Seq begin, Seq end) { return s - begin < end - begin; }

}  // namespace penstock::tcp
