// How a backend that is too kind might read a path: what access rules ask besides the path itself.
//
// One reading for all that is known of backends: escapes are decoded as often as they are there (%252e is "."), where
// they stand for an unreserved character, "/", "\" or "%"; "\" is "/"; what follows ";" in a segment is a parameter and
// no part of it; empty and "." segments vanish, ".." takes the one before it away. Case stays: no reading makes /Admin
// of /admin. Linear in the path; `out` has room for path.size() bytes.
#pragma once

#include <cstddef>
#include <string_view>

namespace penstock::guard {

// A view of `out`, or of the path when it reads the same.
std::string_view lenient_path(std::string_view path, char* out);

}  // namespace penstock::guard
