// What summaries share, and those of the kinds that are about requests.
#pragma once

#include <algorithm>
#include <string>

#include "control/api/config.pb.h"

namespace penstock::cli {

inline std::string counted(int number, const char* noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

template <typename List>
std::string joined(const List& list, int most = 3) {
  const int size = static_cast<int>(list.size());
  std::string out;
  for (int i = 0; i < std::min(size, most); ++i) out += (i ? ", " : "") + list[i];
  if (size > most) out += ", ...";
  return out;
}

// "edge", "edge/http"
std::string section_text(const std::string& name, const std::string& section);

std::string summary(const gateway::Gateway& gateway);
std::string summary(const gateway::HTTPRoute& route);
std::string summary(const gateway::TCPRoute& route);
std::string summary(const gateway::ReferenceGrant& grant);
std::string summary(const v1alpha1::Fault& fault);
std::string summary(const v1alpha1::ListenerPolicy& policy);
std::string summary(const v1alpha1::DirectResponse& response);
std::string summary(const v1alpha1::RequestAccessPolicy& policy);
std::string summary(const v1alpha1::RequestInspection& inspection);

}  // namespace penstock::cli
