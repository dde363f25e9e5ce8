// The lines by which two texts differ, with some of what is around them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace penstock::cli {

// "-gone", "+new", " same", "..." where unchanged lines are left out. Empty: the texts are equal.
std::vector<std::string> diff_lines(std::string_view before, std::string_view after);

}  // namespace penstock::cli
