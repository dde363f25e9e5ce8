// Blocks of a pcapng file (draft-ietf-opsawg-pcapng), appended to a string that the caller writes out: one section,
// one interface block per capture point, then packets with direction and comment. Wireshark and tcpdump read it.
//
// Memory: the caller's string grows; nothing else is kept. Control thread; allocates. Times are nanoseconds since 1970.
// Cannot fail: texts longer than 65535 bytes are cut (option lengths have 16 bits), packets at kMaxCapture.
// Does not: write files, read pcapng.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace penstock::wire {

constexpr uint32_t kMaxCapture = 262144;  // tcpdump's default snapshot length, the most readers accept

struct PcapngSection {
  std::string_view hardware;
  std::string_view os;
  std::string_view application;
};
void append_section(std::string& out, const PcapngSection& section);

// Interfaces of a section are numbered 0, 1, … in the order of their blocks.
struct PcapngInterface {
  std::string_view name;         // if_name
  std::string_view description;  // if_description; empty: none
  uint32_t snap_length = kMaxCapture;
};
void append_interface(std::string& out, const PcapngInterface& interface);  // Ethernet, nanoseconds

enum class PcapngDirection : uint8_t { kUnknown = 0, kInbound = 1, kOutbound = 2 };

struct PcapngPacket {
  uint32_t interface = 0;
  uint64_t time = 0;             // nanoseconds since 1970
  uint32_t original_length = 0;  // on the wire; 0: as long as `bytes`
  base::Bytes bytes;             // what was captured
  PcapngDirection direction = PcapngDirection::kUnknown;
  std::string_view comment;  // opt_comment, UTF-8; empty: none
};
void append_packet(std::string& out, const PcapngPacket& packet);

}  // namespace penstock::wire
