// Which names are allowed.
#pragma once

#include <string_view>

namespace penstock::model {

constexpr const char* kDnsLabelRule =
    "1 to 63 characters of a-z, 0-9 and '-', beginning and ending with a letter or digit";
constexpr const char* kDnsNameRule =
    "1 to 253 characters: labels of a-z, 0-9 and '-' joined by dots, each beginning and ending with a letter or digit";
constexpr const char* kInterfaceNameRule = "1 to 15 characters of A-Z, a-z, 0-9, '.', '_' and '-'";
constexpr const char* kRuleNameRule = "1 to 63 characters of A-Z, a-z, 0-9, '.', '_' and '-'";

bool is_dns_label(std::string_view text);       // RFC 1123 §2.1
bool is_dns_name(std::string_view text);        // labels joined by dots
bool is_interface_name(std::string_view text);  // as the Linux kernel takes them; not "." or ".."
bool is_rule_name(std::string_view text);

}  // namespace penstock::model
