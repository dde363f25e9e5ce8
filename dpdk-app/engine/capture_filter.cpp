#include "engine/capture_filter.h"

namespace penstock::flow {

WatchFilter::~WatchFilter() { pcap_freecode(&program); }

bool WatchFilter::matches(const uint8_t* frame, uint32_t length, uint32_t captured) const {
  if (match_all) return true;
  pcap_pkthdr header{};
  header.len = length;
  header.caplen = captured;
  return pcap_offline_filter(&program, &header, frame) != 0;
}

}  // namespace penstock::flow

namespace penstock::engine {

base::Result<std::unique_ptr<flow::WatchFilter>> compile_filter(const std::string& expression) {
  constexpr size_t kMaxExpression = 4096;  // libpcap's optimiser is not made for hostile lengths
  if (expression.size() > kMaxExpression)
    return base::Error{"filter: longer than " + std::to_string(kMaxExpression) + " characters"};
  if (expression.find('\0') != std::string::npos) return base::Error{"filter: has a NUL character"};
  auto filter = std::make_unique<flow::WatchFilter>();
  if (expression.find_first_not_of(" \t") == std::string::npos) {
    filter->match_all = true;
    return filter;
  }
  pcap_t* handle = pcap_open_dead(DLT_EN10MB, 65535);
  const bool compiled = pcap_compile(handle, &filter->program, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) == 0;
  const std::string why = compiled ? "" : pcap_geterr(handle);
  pcap_close(handle);
  if (!compiled) return base::Error{"filter \"" + expression + "\": " + why};
  return filter;
}

}  // namespace penstock::engine
